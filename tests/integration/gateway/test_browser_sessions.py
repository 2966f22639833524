"""Sessions of browsers at the door: what the cookie opens, and what it does not."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.integration.gateway.support import Rig, change
from tests.integration.gateway.test_connect import emit
from tocsin.testing.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

OWN = {"sec-fetch-site": "same-origin"}
SSE = {"accept": "text/event-stream"}
WATCH = "/v1/books:watch"
BOOK = {"title": "Emma", "pageCount": 3}


@pytest_asyncio.fixture(loop_scope="module")
async def rig(module_rig: Rig) -> Rig:
    """The gateway of this module, as if nothing had been."""
    module_rig.shelf.forget()
    module_rig.shelf.changes = emit(change("a", "t1"))
    module_rig.sign_ins.asked.clear()
    module_rig.sign_ins.sessions.clear()
    module_rig.sign_ins.links = {"once"}
    return module_rig


def port(rig: Rig) -> str:
    """The one of the gateway's HTTP server."""
    return rig.url.rpartition(":")[2]


@pytest_asyncio.fixture(loop_scope="module")
async def stranger(rig: Rig) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser that has not signed in."""
    async with rig.client(token=None) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def browser(stranger: httpx2.AsyncClient) -> httpx2.AsyncClient:
    """A browser that has."""
    answer = await stranger.post("/session", json={"username": "ann", "password": "right"}, headers=OWN)
    assert (answer.status_code, answer.content) == (204, b""), answer.text
    return stranger


def cookies_of(answer: httpx2.Response) -> dict[str, str]:
    """What an answer sets, with its attributes."""
    return dict(value.split("=", 1) for value in answer.headers.get_list("set-cookie"))


async def test_a_sign_in_gives_a_cookie_that_no_script_reads(rig: Rig, stranger: httpx2.AsyncClient) -> None:
    """HttpOnly, SameSite=Strict, with the port in its name; no token reaches the page."""
    answer = await stranger.post("/session", json={"username": "ann", "password": "right"}, headers=OWN)
    found = cookies_of(answer)
    assert set(found) == {f"tocsin-{port(rig)}", f"tocsin-device-{port(rig)}"}
    for value in found.values():
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(value.split("; "))
        assert "Secure" not in value
        assert "Domain" not in value
    assert answer.headers["cache-control"] == "no-store"
    await stranger.post("/session", json={"username": "ann", "password": "right"}, headers=OWN)
    assert [request.device_token for request in rig.sign_ins.asked] == ["", "td_" + "d" * 43]


async def test_it_stands_in_for_the_header(rig: Rig, browser: httpx2.AsyncClient) -> None:
    """For reads, writes, pages of the gateway, Connect and events; a service sees the user, and no cookie."""
    assert (await browser.get("/session")).json() | {"scopes": 0} == {
        "subject": "users/ann", "tenant": "tenants/acme", "scopes": 0, "timeZone": "UTC",
    }  # fmt: skip
    assert (await browser.get("/v1/books/1")).status_code in (200, 404)
    assert (await browser.get("/v1/shelves/1/books/1")).status_code == 200
    assert (await browser.post("/v1/shelves/1/books", json=BOOK, headers=OWN)).status_code == 200
    assert (await browser.get("/debug/services")).status_code == 200
    answer = await browser.post("/shelf.v1.ShelfService/GetBook", json={"name": "shelves/1/books/1"}, headers=OWN)
    assert answer.status_code == 200
    answer = await browser.get(WATCH, headers={**OWN, **SSE})
    assert (answer.status_code, "id: t1" in answer.text) == (200, True)
    assert {call["tenant"] for call in rig.shelf.calls} == {"acme"}
    assert "tb_" not in str(rig.shelf.calls)


async def test_a_websocket_takes_it(rig: Rig, browser: httpx2.AsyncClient) -> None:
    """From a page of this gateway alone: not from an origin that CORS allows, nor from another port of the host."""
    url = f"{rig.url.replace('http', 'ws')}/v1/books:copy"
    cookie = {"cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies.items())}
    async with connect(url, additional_headers=cookie, origin=rig.url, subprotocols=["tocsin.v1"], proxy=None) as socket:  # type: ignore[arg-type]
        await socket.send(json.dumps(BOOK))
        assert json.loads(await socket.recv()) == BOOK
    for origin in ("https://app.example.com", f"http://127.0.0.1:{int(port(rig)) + 1}", None):
        with pytest.raises(InvalidStatus) as refused:
            async with connect(url, additional_headers=cookie, origin=origin, proxy=None):  # type: ignore[arg-type]
                pass
        assert refused.value.response.status_code == 403


FOREIGN = [
    pytest.param({"sec-fetch-site": "cross-site"}, id="another-site"),
    pytest.param({"sec-fetch-site": "same-site"}, id="another-port"),
    pytest.param({"sec-fetch-site": "none"}, id="typed"),
    pytest.param({"origin": "https://evil.example"}, id="foreign-origin"),
    pytest.param({"origin": "http://127.0.0.1:1"}, id="origin-of-another-port"),
    pytest.param({"origin": "null"}, id="opaque-origin"),
    pytest.param({"origin": "https://app.example.com"}, id="allowed-by-cors"),
    pytest.param({}, id="says-nothing"),
    pytest.param({"sec-fetch-site": "same-origin, cross-site"}, id="two-words"),
    pytest.param({"sec-fetch-site": "cross-site", "origin": "{own}"}, id="own-origin-from-elsewhere"),
]


UNSAFE = (
    ("POST", "/v1/shelves/1/books"),
    ("DELETE", "/v1/shelves/1/books/1"),
    ("GET", WATCH),
    ("POST", "/shelf.v1.ShelfService/GetBook"),
    ("DELETE", "/session"),
    ("POST", "/sign-out"),
)


@pytest.mark.parametrize("headers", FOREIGN)
async def test_other_pages_cannot_use_it(rig: Rig, browser: httpx2.AsyncClient, headers: dict[str, str]) -> None:
    """Writes, streams and signing out need a page of this gateway: nothing reaches a service, and the session goes on."""
    chosen = {name: value.format(own=rig.url) for name, value in headers.items()}
    for method, path in UNSAFE:
        kind = {"content-type": "application/json"} if method == "POST" else {}
        answer = await browser.request(method, path, headers={**kind, **chosen}, content=b"{}" if kind else None)
        assert (answer.status_code, "CROSS_SITE_REFUSED" in answer.text or "permission_denied" in answer.text) == (403, True)
        assert "access-control-allow-credentials" not in answer.headers
    assert rig.shelf.requests == []
    assert (await browser.get("/session")).status_code == 200


@pytest.mark.parametrize("fetched", ["cross-site", "same-site"])
async def test_other_pages_read_nothing(rig: Rig, browser: httpx2.AsyncClient, fetched: str) -> None:
    """Not even what changes nothing; who types an address reads it."""
    assert (await browser.get("/v1/shelves/1/books/1", headers={"sec-fetch-site": fetched})).status_code == 403
    assert (await browser.get("/v1/shelves/1/books/1", headers={"sec-fetch-site": "none"})).status_code == 200
    assert len(rig.shelf.requests) == 1


@pytest.mark.parametrize("headers", [param for param in FOREIGN if param.id not in ("says-nothing",)])
async def test_another_page_signs_nobody_in(rig: Rig, stranger: httpx2.AsyncClient, headers: dict[str, str]) -> None:
    """Nor as somebody else, by a form or a link: its reader would work in the account of the attacker."""
    chosen = {name: value.format(own=rig.url) for name, value in headers.items()}
    form = {"username": "ann", "password": "right"}
    for path, data in (("/session", form), ("/sign-in/link/once", {})):
        answer = await stranger.post(path, data=data, headers=chosen)
        assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)
    assert (rig.sign_ins.asked, rig.sign_ins.links) == ([], {"once"})


async def test_what_was_signed_out_is_good_nowhere(rig: Rig, browser: httpx2.AsyncClient) -> None:
    """A cookie that somebody copied works no more, at once; its stream ends; the answer removes it."""
    copied = dict(browser.cookies)
    rig.shelf.changes = waiting

    async def watch() -> str:
        async with rig.client(token=None) as thief:
            thief.cookies.update(copied)
            return (await thief.get(WATCH, headers={**OWN, **SSE})).text

    watching = asyncio.create_task(watch())
    await eventually(lambda: bool(rig.shelf.requests))
    answer = await browser.delete("/session", headers=OWN)
    assert (answer.status_code, "Max-Age=0" in answer.headers["set-cookie"]) == (204, True)
    async with rig.client(token=None) as thief:
        thief.cookies.update(copied)
        answer = await thief.get("/v1/shelves/1/books/1")
    assert (answer.status_code, answer.json()["details"][0]["reason"]) == (401, "SESSION_ENDED")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert "SESSION_ENDED" in await asyncio.wait_for(watching, 60)
    assert (await browser.delete("/session", headers=OWN)).status_code == 204


async def waiting(_: Any) -> AsyncIterator[Any]:
    """A stream that says nothing more."""
    yield change("a")
    await asyncio.Event().wait()


async def test_a_session_that_was_there_before_is_not_kept(rig: Rig, stranger: httpx2.AsyncClient) -> None:
    """Fixation: the secret is always a new one, and the one that somebody may have put there ends."""
    planted = "tb_" + "a" * 43
    rig.sign_ins.sessions[planted] = "users/mallory"
    stranger.cookies.set(f"tocsin-{port(rig)}", planted, domain="127.0.0.1")
    answer = await stranger.post("/session", json={"username": "ann", "password": "right"}, headers=OWN)
    assert planted not in answer.headers["set-cookie"]
    assert planted not in rig.sign_ins.sessions
    assert (await stranger.get("/session")).json()["subject"] == "users/ann"


@pytest.mark.parametrize(
    ("cookie", "status", "reason"),
    [
        pytest.param("tocsin-{port}={own}; tocsin-{port}=tb_" + "b" * 43, 401, "COOKIE_AMBIGUOUS", id="tossed-behind"),
        pytest.param("tocsin-{port}=tb_" + "b" * 43 + "; tocsin-{port}={own}", 401, "COOKIE_AMBIGUOUS", id="tossed-before"),
        pytest.param("tocsin-{port}=tb_" + "b" * 43, 401, "SESSION_ENDED", id="guessed"),
        pytest.param("tocsin-{port}=" + "b" * 64, 401, "SESSION_ENDED", id="a-row-of-the-database"),
        pytest.param("tocsin-{port}=", 401, "SESSION_ENDED", id="empty"),
        pytest.param("tocsin-{port}=tb_\u00e4" + "b" * 43, 401, "SESSION_ENDED", id="not-ascii"),
        pytest.param("__Host-tocsin-{port}={own}", 401, "CREDENTIAL_MISSING", id="another-name"),
        pytest.param("tocsin-1={own}", 401, "CREDENTIAL_MISSING", id="another-port"),
        pytest.param("a=" + "b" * 17000 + "; tocsin-{port}={own}", 400, "HEADERS_INVALID", id="oversized"),
        pytest.param("; ; =; a; tocsin-1=x; tocsin-{port}={own} ; b=c", 200, "", id="among-others"),
    ],
)
async def test_cookies_that_somebody_made(rig: Rig, browser: httpx2.AsyncClient, cookie: str, status: int, reason: str) -> None:
    """One cookie of one name counts; what another server of the host may have set beside it opens nothing."""
    header = cookie.format(port=port(rig), own=browser.cookies[f"tocsin-{port(rig)}"])
    async with rig.client(token=None) as other:
        answer = await other.get("/v1/shelves/1/books/1", headers={"cookie": header.encode()})  # type: ignore[dict-item]
        assert answer.status_code == status, answer.text
        assert not reason or answer.json()["details"][0]["reason"] == reason
        assert (await other.get("/health", headers={"cookie": header.encode()})).status_code == 200  # type: ignore[dict-item]


async def test_a_header_counts_before_the_cookie(rig: Rig, browser: httpx2.AsyncClient) -> None:
    """A program with a key in a browser is the key; a stream token opens its stream."""
    answer = await browser.get("/session", headers={"authorization": f"Bearer {rig.token(subject='users/other')}"})
    assert answer.json()["subject"] == "users/other"
    answer = await browser.post("/v1/shelves/1/books", json=BOOK, headers={"authorization": f"Bearer {rig.token()}"})
    assert answer.status_code == 200
    assert (await browser.get("/session", headers={"authorization": "Bearer x"})).status_code == 401


async def test_scopes_bound_it(rig: Rig, browser: httpx2.AsyncClient) -> None:
    """As they bound a token."""
    rig.browser_sessions.scopes = ("books:read",)
    try:
        signed_in = await browser.post("/session", json={"username": "ann", "password": "right"}, headers=OWN)
        assert signed_in.status_code == 204
        assert (await browser.post("/v1/shelves/1/books", json={}, headers=OWN)).status_code == 403
    finally:
        rig.browser_sessions.scopes = ("books:read", "books:write", "mesh:read")


async def test_tabs_at_once_ask_once(rig: Rig, browser: httpx2.AsyncClient) -> None:
    """Fifty requests of one browser are one question to auth_svc."""
    rig.browser_sessions.exchanged.clear()
    answers = await asyncio.gather(*(browser.get("/v1/shelves/1/books/1") for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(rig.browser_sessions.exchanged) <= 3


@pytest.mark.parametrize(
    ("host", "works"),
    [
        ("localhost:{port}", True),
        ("127.0.0.1:{port}", True),
        ("[::1]:{port}", True),
        ("box.localhost:{port}", True),
        ("tocsin.example.com:{port}", False),
        ("10.0.0.7:{port}", False),
        ("localhost.example.com:{port}", False),
        ("127.0.0.1.example.com", False),
    ],
)
async def test_plain_http_is_for_this_machine(rig: Rig, stranger: httpx2.AsyncClient, host: str, works: bool) -> None:
    """Elsewhere nobody signs in by it, and a text says why; a cookie that is there is not looked at."""
    headers = {**OWN, "host": host.format(port=port(rig))}
    answer = await stranger.post("/session", json={"username": "ann", "password": "right"}, headers=headers)
    assert answer.status_code == (204 if works else 400)
    assert works or "https" in answer.json()["detail"]
    shown = await stranger.get("/sign-in", headers=headers)
    assert shown.status_code == (200 if works else 400)
    assert works or "https" in shown.text
    cookie = {"cookie": f"tocsin-{port(rig)}=tb_" + "a" * 43}
    assert (await stranger.get("/session", headers={**headers, **cookie})).status_code == 401


async def test_the_pages_need_no_script(rig: Rig, stranger: httpx2.AsyncClient) -> None:
    """A form signs in and leads on; another one signs out; every page is strict."""
    page = await stranger.get("/sign-in?returnTo=/v1/books%3Fa=b", headers={"accept-language": "de-CH, en;q=0.5"})
    assert ("Anmelden" in page.text, 'action="/session?returnTo=%2Fv1%2Fbooks%3Fa%3Db"' in page.text) == (True, True)
    assert page.text.count("<script") == page.text.count('<script src="/sign-in/passkeys.js" defer></script>') == 1
    assert "script-src 'self';" in page.headers["content-security-policy"]
    assert 'data-passkey="" hidden' in page.text
    assert "form-action 'self'" in page.headers["content-security-policy"]
    assert page.headers["referrer-policy"] == "same-origin"
    form = {"username": "ann", "password": "wrong", "unknown": "x"}
    wrong = await stranger.post("/session?returnTo=/docs", data=form, headers=OWN)
    assert (wrong.status_code, "The name or the password is wrong." in wrong.text, "set-cookie" in wrong.headers) == (401, True, False)
    right = await stranger.post("/session?returnTo=/docs", data={**form, "password": "right"}, headers=OWN)
    assert (right.status_code, right.headers["location"]) == (303, "/docs")
    assert "You are signed in" in (await stranger.get("/sign-in")).text
    out = await stranger.post("/sign-out", headers={**OWN, "content-type": "application/x-www-form-urlencoded"})
    assert (out.status_code, out.headers["location"]) == (303, "/sign-in")
    assert (await stranger.get("/session")).status_code == 401


async def test_a_second_factor_is_another_page(rig: Rig, stranger: httpx2.AsyncClient) -> None:
    """It holds the challenge, and what is said of it is escaped; JSON gets the error as it is."""
    page = await stranger.post("/session", data={"username": "bob", "password": "right"}, headers=OWN)
    assert page.status_code == 401
    assert 'name="challenge" value="c&quot;1"' in page.text
    assert 'value="second_factor"' in page.text
    answer = {"grantType": "second_factor", "challenge": 'c"1', "code": "1"}
    wrong = await stranger.post("/session?returnTo=/docs", data=answer, headers=OWN)
    assert (wrong.status_code, "The code is wrong" in wrong.text, 'value="c&quot;1"' in wrong.text) == (401, True, True)
    right = await stranger.post("/session?returnTo=/docs", data={**answer, "code": "123456"}, headers=OWN)
    assert (right.status_code, right.headers["location"]) == (303, "/docs")
    told = await stranger.post("/session", json={"username": "bob", "password": "right"}, headers=OWN)
    assert told.json()["details"][0]["metadata"]["challenge"] == 'c"1'


async def test_a_link_acts_by_its_button(rig: Rig, stranger: httpx2.AsyncClient) -> None:
    """To look at it does nothing; it works once."""
    for _ in range(2):
        assert (await stranger.get("/sign-in/link/once", headers={"sec-fetch-site": "none"})).status_code == 200
    answer = await stranger.post("/sign-in/link/once", data={}, headers=OWN)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert (await stranger.get("/session")).json()["subject"] == "users/link"
    again = await stranger.post("/sign-in/link/once", data={}, headers=OWN)
    assert (again.status_code, "does not work" in again.text) == (401, True)


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "",
        "x" * 3000,
        "/\u00e4",
        "evil",
    ],
    ids=["host", "backslash", "url", "script", "tab", "empty", "long", "not-ascii", "relative"],
)
async def test_a_sign_in_leads_nowhere_else(rig: Rig, stranger: httpx2.AsyncClient, target: str) -> None:
    """Open redirects (CWE-601)."""
    form = {"username": "ann", "password": "right"}
    answer = await stranger.post("/session", params={"returnTo": target}, data=form, headers=OWN)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b"[]", 400),
        ("application/json", b'{"username": "ann", "username": "bob"}', 400),
        ("application/json", b'{"nonsense": 1}', 400),
        ("application/json", b'{"username": {}}', 400),
        ("application/json", b"{", 400),
        ("application/json", b'{"password": "' + b"x" * 17000 + b'"}', 413),
        ("application/x-www-form-urlencoded", b"username=a&username=b", 400),
        ("application/x-www-form-urlencoded", b"username=%ff", 400),
        ("application/x-www-form-urlencoded", b"&".join(b"a%d=1" % number for number in range(30)), 400),
        ("text/plain", b"username=ann", 415),
        ("multipart/form-data", b"x", 415),
    ],
    ids=["list", "twice", "unknown", "object", "half", "large", "form-twice", "form-utf8", "form-many", "text", "multipart"],
)
async def test_a_bad_body_is_refused(rig: Rig, stranger: httpx2.AsyncClient, kind: str, body: bytes, status: int) -> None:
    """By JSON with a document, by a form with a page."""
    answer = await stranger.post("/session", content=body, headers={**OWN, "content-type": kind})
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("application/problem+json" if kind == "application/json" else "text/html")
    assert rig.sign_ins.asked == []
