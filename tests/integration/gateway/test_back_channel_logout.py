"""An issuer tells the gateway who has signed out, and a browser that signs out goes on to its issuer."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from tests.integration.gateway.support import Rig, change, lines

pytestmark = pytest.mark.asyncio(loop_scope="module")

LOGOUT = "/sign-in/oidc/sso/logout"
WATCH = "/v1/books:watch"
FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest_asyncio.fixture(loop_scope="module")
async def issuer(module_rig: Rig) -> AsyncIterator[httpx2.AsyncClient]:
    """A program of somebody who has no credential here."""
    module_rig.oidc.asked.clear()
    module_rig.oidc.elsewhere = ""
    async with module_rig.client(token=None) as made:
        yield made


def token_of(rig: Rig, session: str) -> str:
    """An access token of a session."""
    return rig.mint.mint(tenant="acme", subject="users/ann", scopes=("books:read",), claims={"sid": session})


async def one_and_silence(_: Any) -> AsyncIterator[Any]:
    """A watch."""
    yield change("a", "t1")
    await asyncio.sleep(60)


async def test_a_token_is_passed_on(module_rig: Rig, issuer: httpx2.AsyncClient) -> None:
    """With the provider of the path; what else an issuer sends has no effect. The answer is empty, and nobody keeps it."""
    answer = await issuer.post(LOGOUT, data={"logout_token": "a,b", "more": "1"})
    assert (answer.status_code, answer.content, answer.headers["cache-control"]) == (200, b"", "no-store")
    [asked] = module_rig.oidc.asked
    assert (asked.provider, asked.logout_token) == ("sso", "a,b")


@pytest.mark.parametrize(
    ("content", "headers", "words"),
    [
        (b"", FORM, "must be there once"),
        (b"logout_token=", FORM, "must be there once"),
        (b"logout_token=a&logout_token=b", FORM, "must be there once"),
        (b"id_token=a", FORM, "must be there once"),
        (b"&".join(b"a%d=1" % number for number in range(30)), FORM, "cannot be read"),
        (b"logout_token=%ff", FORM, "cannot be read"),
        (b"\xff", FORM, "cannot be read"),
        (b'{"logout_token": "a"}', {"content-type": "application/json"}, "x-www-form-urlencoded"),
        (b"logout_token=a", {}, "x-www-form-urlencoded"),
        (b"logout_token=a", {**FORM, "content-encoding": "gzip"}, "x-www-form-urlencoded"),
        (b"logout_token=replayed", FORM, "used before. (jti)"),
    ],
)
async def test_what_is_no_good_token_is_refused(issuer: httpx2.AsyncClient, content: bytes, headers: dict[str, str], words: str) -> None:
    """By 400, with an error as OAuth has them (Back-Channel Logout 1.0, 2.8), and never more."""
    answer = await issuer.post(LOGOUT, content=content, headers=headers)
    error = answer.json()
    assert (answer.status_code, error["error"], answer.headers["cache-control"]) == (400, "invalid_request", "no-store")
    assert words in error["error_description"]


async def test_what_the_issuer_cannot_mend_keeps_its_status(issuer: httpx2.AsyncClient) -> None:
    """An unknown provider, too large a body, and keys that cannot be had: the last one is worth another try."""
    unknown = await issuer.post("/sign-in/oidc/other/logout", data={"logout_token": "a"})
    assert (unknown.status_code, unknown.json()["error_description"]) == (400, "There is no such identity provider.")
    large = await issuer.post(LOGOUT, content=b"logout_token=" + b"x" * 70_000, headers=FORM)
    assert large.status_code == 413
    away = await issuer.post(LOGOUT, data={"logout_token": "away"})
    assert (away.status_code, away.json()["error"], away.headers["retry-after"]) == (503, "temporarily_unavailable", "5")
    assert (await issuer.get(LOGOUT)).status_code == 405


async def test_tokens_and_streams_end_at_once(module_rig: Rig, issuer: httpx2.AsyncClient) -> None:
    """Of the session that has ended alone: a token that is good for minutes is refused, and its watch ends by its own last event."""
    module_rig.shelf.changes = one_and_silence
    ended, other = token_of(module_rig, "e1"), token_of(module_rig, "o1")
    async with module_rig.client(ended) as client, module_rig.client(other) as neighbour:
        assert (await client.get("/v1/shelves/1/books/1")).status_code == 200
        async with client.stream("GET", WATCH) as watch, neighbour.stream("GET", WATCH) as going_on:
            pieces = watch.aiter_text()
            await anext(pieces)
            await issuer.post(LOGOUT, data={"logout_token": "e1,e2"})
            async with asyncio.timeout(60):
                text = "".join([piece async for piece in pieces])
            assert [each["reason"] for each in lines(text)[-1]["error"]["details"] if "reason" in each] == ["TOKEN_SESSION_ENDED"]
            assert not going_on.is_closed
        refused = await client.get("/v1/shelves/1/books/1")
        assert (refused.status_code, "session of this token has ended" in refused.text) == (401, True)
        assert (await neighbour.get("/v1/shelves/1/books/1")).status_code == 200
        with_a_new_stream = await client.get(WATCH)
        assert with_a_new_stream.status_code == 401


async def test_a_browser_goes_on_to_its_issuer(module_rig: Rig, issuer: httpx2.AsyncClient) -> None:
    """By a page after a form, by what a script is told, and not at all if there is no such place."""
    own = {"origin": module_rig.url}
    module_rig.oidc.elsewhere = "https://idp.example.com/logout?a=1&b=%22"
    await issuer.get("/sign-in/oidc/sso")
    await issuer.get("/sign-in/oidc/sso/callback", params={"state": "s1", "code": "c"})
    out = await issuer.post("/sign-out", headers={**own, **FORM})
    assert (out.status_code, "You are signed out" in out.text) == (200, True)
    assert '<meta http-equiv="refresh" content="0; url=https://idp.example.com/logout?a=1&amp;b=%22">' in out.text
    assert (await issuer.get("/session")).status_code == 401
    await issuer.get("/sign-in/oidc/sso/callback", params={"state": "s1", "code": "c"})
    told = await issuer.request("DELETE", "/session", headers=own)
    assert (told.status_code, told.json()) == (200, {"endSessionUrl": module_rig.oidc.elsewhere})
    assert (await issuer.request("DELETE", "/session", headers=own)).status_code == 204
