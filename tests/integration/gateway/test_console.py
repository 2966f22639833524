"""The console's files, as a browser asks for them."""

import gzip
import re
from collections.abc import AsyncGenerator

import httpx2
import pytest

from tests.integration.gateway.support import Rig

BROWSER = {"accept": "text/html,application/xhtml+xml"}


@pytest.fixture
async def browser(module_rig: Rig) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client without a token, which asks for no compression unless a test does."""
    async with module_rig.client(None) as made:
        made.headers["accept-encoding"] = "identity"
        yield made


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def assets(browser: httpx2.AsyncClient) -> list[str]:
    """What the page loads."""
    page = (await browser.get("/console")).text
    return re.findall(r'(?:src|href)="(/console/assets/[^"]+)"', page)


async def test_every_path_below_it_is_the_page(browser: httpx2.AsyncClient) -> None:
    """A deep link is answered as the first page is; the page finds out itself what it means."""
    first = await browser.get("/console")
    for path in ("/console/", "/console/alarms", "/console/incidents/01J", "/console/a/b/c"):
        answer = await browser.get(path)
        assert (answer.status_code, answer.text) == (200, first.text), path
    assert first.headers["content-type"] == "text/html; charset=utf-8"
    assert first.headers["cache-control"] == "no-cache"


async def test_the_policy_takes_nothing_inline_and_nothing_from_elsewhere(browser: httpx2.AsyncClient) -> None:
    """What the page may do is said by each answer, and the page keeps to it."""
    answer = await browser.get("/console")
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert (policy["script-src"], policy["style-src"], policy["connect-src"]) == ("'self'", "'self'", "'self'")
    assert (policy["frame-ancestors"], policy["base-uri"], policy["require-trusted-types-for"]) == ("'none'", "'none'", "'script'")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=|https?://", answer.text)


async def test_what_it_loads_never_changes_and_is_small(browser: httpx2.AsyncClient) -> None:
    """Names have the hash of what they name, so browsers keep them for good; JavaScript is within 80 KB, CSS within 15 KB (gzip)."""
    sizes = {".js": 0, ".css": 0}
    found = await assets(browser)
    assert {path.rpartition(".")[2] for path in found} == {"js", "css", "svg"}
    for path in found:
        answer = await browser.get(path)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "public, max-age=31536000, immutable")
        again = await browser.get(path, headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        suffix = path[path.rindex(".") :]
        if suffix in sizes:
            sizes[suffix] += len(gzip.compress(answer.content, 9, mtime=0))
    assert sizes[".js"] <= 80 * 1024
    assert sizes[".css"] <= 15 * 1024


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [("br, gzip", "br"), ("gzip", "gzip"), ("br;q=0, gzip", "gzip"), ("identity", None), ("zstd", None), ("*", "br")],
    ids=["both", "gzip", "no-br", "identity", "unknown", "any"],
)
async def test_it_is_sent_as_the_browser_takes_it(browser: httpx2.AsyncClient, accepted: str, coding: str | None) -> None:
    """The smallest form that the browser takes, and caches are told that there are several."""
    script = next(path for path in await assets(browser) if path.endswith(".js"))
    async with browser.stream("GET", script, headers={"accept-encoding": accepted}) as answer:
        sent = b"".join([piece async for piece in answer.aiter_raw()])
    assert answer.headers.get("content-encoding") == coding
    assert "accept-encoding" in answer.headers["vary"]
    plain = (await browser.get(script)).content
    if coding == "gzip":
        assert gzip.decompress(sent) == plain
    assert (sent == plain) == (coding is None)


@pytest.mark.parametrize(
    "path",
    [
        "/console/assets/none.js",
        "/console/assets/",
        "/console/assets/../../config.py",
        "/console/assets/%2e%2e/%2e%2e/config.py",
        "/console/assets/index.html",
    ],
    ids=["none", "folder", "up", "encoded-up", "page"],
)
async def test_nothing_else_is_there(browser: httpx2.AsyncClient, path: str) -> None:
    """A name that the build has not is 404 or, as a path of the page's own, the page; no file of the machine comes out."""
    answer = await browser.get(path)
    page = await browser.get("/console")
    assert answer.status_code == 404 or answer.text == page.text


async def test_a_browser_is_led_to_it_and_a_program_to_the_documentation(browser: httpx2.AsyncClient) -> None:
    """/ is for both."""
    seen = await browser.get("/", headers=BROWSER)
    assert (seen.status_code, seen.headers["location"]) == (307, "/console")
    assert (await browser.get("/", headers={"accept": "*/*"})).headers["location"] == "/docs"


async def test_the_frame_for_html_can_do_nothing(browser: httpx2.AsyncClient) -> None:
    """The page into which the console writes HTML runs, loads, sends and opens nothing, and stands in our own pages alone."""
    answer = await browser.get("/console/frame")
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy == {
        "sandbox": "allow-same-origin",
        "default-src": "'none'",
        "style-src": "'unsafe-inline'",
        "img-src": "data:",
        "form-action": "'none'",
        "base-uri": "'none'",
        "frame-ancestors": "'self'",
    }
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert (answer.headers["referrer-policy"], answer.headers["x-content-type-options"]) == ("no-referrer", "nosniff")


async def test_nothing_is_written_to_it(browser: httpx2.AsyncClient) -> None:
    """It only answers GET and HEAD."""
    answer = await browser.post("/console", content=b"x")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
