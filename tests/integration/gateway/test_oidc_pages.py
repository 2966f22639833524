"""The way to an identity provider and back, as a browser sees it."""

from collections.abc import AsyncIterator

import httpx2
import pytest
import pytest_asyncio

from tests.integration.gateway.support import Rig

pytestmark = pytest.mark.asyncio(loop_scope="module")

BACK = "/sign-in/oidc/sso/callback"
SECRET = "tx_" + "s" * 43


@pytest_asyncio.fixture(loop_scope="module")
async def browser(module_rig: Rig) -> AsyncIterator[httpx2.AsyncClient]:
    """One that has not signed in."""
    module_rig.oidc.asked.clear()
    async with module_rig.client(token=None) as made:
        yield made


def name(rig: Rig) -> str:
    """Of the cookie that binds a sign-in to its browser."""
    return f"tocsin-oidc-{rig.url.rpartition(':')[2]}"


async def test_somebody_goes_there_and_comes_back(module_rig: Rig, browser: httpx2.AsyncClient) -> None:
    """By a redirection there, with a cookie that the way back brings; back by a page, with a session."""
    assert "Sign in with Example &amp; Co" in (await browser.get("/sign-in")).text
    there = await browser.get("/sign-in/oidc/sso", params={"returnTo": "/docs"})
    assert (there.status_code, there.headers["location"]) == (303, "https://idp.example.com/a?state=s1")
    cookie = there.headers["set-cookie"]
    assert cookie.startswith(f"{name(module_rig)}={SECRET}; ")
    assert {"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=600"} <= set(cookie.split("; "))
    begun = module_rig.oidc.asked[-1]
    assert (begun.provider, begun.return_to, begun.loopback_origin) == ("sso", "/docs", module_rig.url)
    back = await browser.get(BACK, params={"state": "s1", "code": "c1", "iss": "https://idp.example.com", "session_state": "x"})
    assert (back.status_code, '<meta http-equiv="refresh" content="0; url=/docs">' in back.text) == (200, True), back.text
    done = module_rig.oidc.asked[-1]
    assert (done.state, done.code, done.issuer, done.binding) == ("s1", "c1", "https://idp.example.com", SECRET)
    assert (await browser.get("/session")).json()["subject"] == "users/ann"
    await browser.get("/sign-in/oidc/sso")
    assert module_rig.oidc.asked[-1].binding == SECRET


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("state=void&code=c", 401, "Begin again"),
        ("state=role&code=c", 403, "none of your groups"),
        ("state=away&code=c", 503, "does not answer"),
        ("state=factor&code=c", 401, 'value="ch&quot;1"'),
        ("state=s1&state=s2&code=c", 400, "given twice"),
        ("state=void&error=%3Cscript%3E", 401, "Begin again"),
        ("&".join(f"a{number}=1" for number in range(50)), 400, "cannot be read"),
        ("state=%ff", 400, "cannot be read"),
    ],
    ids=["void", "no-role", "away", "second-factor", "twice", "script", "many", "bytes"],
)
async def test_what_goes_wrong_is_a_page(browser: httpx2.AsyncClient, query: str, status: int, words: str) -> None:
    """In words that help, without what somebody wrote into the address, and without a session."""
    await browser.get("/sign-in/oidc/sso")
    answer = await browser.get(f"{BACK}?{query}")
    assert (answer.status_code, words in answer.text) == (status, True), answer.text
    assert "<script" not in answer.text
    assert "set-cookie" not in answer.headers
    assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_another_browser_ends_nothing(module_rig: Rig, browser: httpx2.AsyncClient) -> None:
    """The address alone, as somebody may send it, does not get as far as auth_svc."""
    answer = await browser.get(f"{BACK}?state=s1&code=c1")
    assert (answer.status_code, "Begin again" in answer.text, module_rig.oidc.asked) == (401, True, [])


async def test_an_unknown_provider_is_told(browser: httpx2.AsyncClient) -> None:
    """As a page, in the reader's language."""
    answer = await browser.get("/sign-in/oidc/other", headers={"accept-language": "de"})
    assert (answer.status_code, "gibt es nicht" in answer.text) == (404, True)


async def test_nobody_is_led_elsewhere(module_rig: Rig, browser: httpx2.AsyncClient) -> None:
    """Whatever the address says."""
    for path in (
        "//evil.test",
        "https://evil.test",
        "/\\evil.test",
        "/\t/evil.test",
        "%2F%2Fevil.test",
        "javascript:alert(1)",
        "///evil.test",
    ):
        await browser.get("/sign-in/oidc/sso", params={"returnTo": path})
        assert module_rig.oidc.asked[-1].return_to == "/"
