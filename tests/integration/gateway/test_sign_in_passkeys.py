"""Passkeys on the sign-in page: the script, what it asks, and what the forms that it fills lead to."""

from collections.abc import AsyncIterator

import httpx2
import pytest
import pytest_asyncio

from tests.integration.gateway.support import Rig

pytestmark = pytest.mark.asyncio(loop_scope="module")

OWN = {"sec-fetch-site": "same-origin"}


@pytest_asyncio.fixture(loop_scope="module")
async def rig(module_rig: Rig) -> Rig:
    """The gateway of this module, as if nothing had been."""
    module_rig.sign_ins.asked.clear()
    module_rig.sign_ins.sessions.clear()
    return module_rig


@pytest_asyncio.fixture(loop_scope="module")
async def stranger(rig: Rig) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser that has not signed in."""
    async with rig.client(token=None) as made:
        yield made


async def test_the_script_is_a_file_of_its_own(rig: Rig, stranger: httpx2.AsyncClient) -> None:
    """Of the right type, and asked for again without being sent again."""
    script = await stranger.get("/sign-in/passkeys.js")
    assert (script.status_code, script.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    again = await stranger.get("/sign-in/passkeys.js", headers={"if-none-match": script.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_a_passkey_alone_signs_in(rig: Rig, stranger: httpx2.AsyncClient) -> None:
    """The page asks what to ask it by, as this browser; one that opens nothing leads to the form."""
    await stranger.post("/session", json={"username": "ann", "password": "right"}, headers=OWN)  # it is known from now on
    await stranger.post("/sign-out", headers={**OWN, "content-type": "application/x-www-form-urlencoded"})
    begun = await stranger.post("/sign-in/passkey", json={"challenge": ""}, headers=OWN)
    assert begun.json() == {"challenge": "c2", "options": '{"challenge": "c2"}'}
    assert rig.sign_ins.asked[-1].device_token.startswith("td_")
    form = {"grantType": "passkey", "challenge": "c2", "passkeyResponse": "{}"}
    wrong = await stranger.post("/session?returnTo=/docs", data=form, headers=OWN)
    assert (wrong.status_code, "does not open an account" in wrong.text, 'name="username"' in wrong.text) == (401, True, True)
    right = await stranger.post("/session?returnTo=/docs", data={**form, "passkeyResponse": '{"id": "ann"}'}, headers=OWN)
    assert (right.status_code, right.headers["location"]) == (303, "/docs")


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"[]", OWN, 400),
        (b'{"challenge": 1}', OWN, 400),
        (b"{", OWN, 400),
        (b'{"challenge": ""}', {"sec-fetch-site": "cross-site"}, 403),
        (b'{"challenge": ""}', {**OWN, "content-type": "text/plain"}, 415),
        (b'{"challenge": "' + b"x" * 2000 + b'"}', OWN, 413),
    ],
    ids=["no object", "no string", "no JSON", "from elsewhere", "no type", "too long"],
)
async def test_what_is_no_question_for_a_passkey(
    rig: Rig, stranger: httpx2.AsyncClient, body: bytes, headers: dict[str, str], status: int
) -> None:
    """It is refused, and nobody is asked."""
    rig.sign_ins.asked.clear()
    answer = await stranger.post("/sign-in/passkey", content=body, headers={"content-type": "application/json", **headers})
    assert (answer.status_code, rig.sign_ins.asked) == (status, [])


async def test_who_has_a_passkey_is_asked_for_it(rig: Rig, stranger: httpx2.AsyncClient) -> None:
    """After the password, beside the code; after a wrong code too."""
    page = await stranger.post("/session", data={"username": "cay", "password": "right"}, headers=OWN)
    assert ('data-passkey="c3"' in page.text, 'action="/session?passkey=1"' in page.text) == (True, True)
    answer = {"grantType": "second_factor", "challenge": "c3", "code": "1"}
    wrong = await stranger.post("/session?passkey=1", data=answer, headers=OWN)
    assert 'data-passkey="c3"' in wrong.text
    without = await stranger.post("/session", data={"username": "bob", "password": "right"}, headers=OWN)
    assert "data-passkey" not in without.text
