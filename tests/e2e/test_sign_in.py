"""Signing in by an identity provider, through five real processes and a real issuer: in a browser's steps, and from the command line."""

import asyncio
import json
import re
import secrets
import sys
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
import pytest_asyncio

from tests.issuer import CLIENT, SECRET, LocalIssuer
from tocsin.testing.stack import RunningStack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600), pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def issuer() -> AsyncIterator[LocalIssuer]:
    """An issuer on this machine."""
    async with LocalIssuer() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory, issuer: LocalIssuer) -> AsyncIterator[RunningStack]:
    """A stack that may ask it, with a provider called sso that makes operators of its staff."""
    state = tmp_path_factory.mktemp("sign-in") / "state"
    with RunningStack(state=state, env={"TOCSIN_EGRESS_ALLOW": "127.0.0.1"}) as running:
        provider = {
            "displayName": "Example",
            "issuer": issuer.url,
            "clientId": CLIENT,
            "clientSecret": SECRET,
            "groupsClaim": ["groups"],
            "roleRules": [{"group": "staff", "role": "roles/operator"}],
            "allowedDomains": ["example.com"],
            "createUsers": True,
            "listed": True,
        }
        async with running.client() as client:
            made = await client.post("/v1/identityProviders?identityProviderId=sso", json=provider)
            assert made.status_code == 200, made.text
        yield running


async def test_a_browser_goes_there_and_comes_back_with_a_session(stack: RunningStack, issuer: LocalIssuer) -> None:
    """The button, the issuer, the way back, a cookie; what the person is at the issuer says what they may do here."""
    async with httpx2.AsyncClient(base_url=stack.info["http"], trust_env=False) as browser:
        page = (await browser.get("/sign-in")).text
        assert "Example" in page
        there = await browser.get("/sign-in/oidc/sso", headers={"sec-fetch-site": "same-origin"})
        assert there.status_code in (302, 303), there.text
        back = issuer.authorize(there.headers["location"])
        answered = await browser.get("/sign-in/oidc/sso/callback", params=back, headers={"sec-fetch-site": "cross-site"})
        assert answered.status_code == 200, answered.text
        session = await browser.get("/session", headers={"sec-fetch-site": "same-origin"})
        assert session.status_code == 200, session.text
        assert "alarms:write" in session.json()["scopes"]
        assert "users:write" not in session.json()["scopes"]
        again = await browser.get("/sign-in/oidc/sso/callback", params=back, headers={"sec-fetch-site": "cross-site"})
        assert again.status_code >= 400


async def test_the_command_line_signs_in_by_a_browser_of_this_machine(stack: RunningStack, issuer: LocalIssuer) -> None:
    """`tocsin account login --oidc` shows where to go, waits at a port of its own, and has a token that works."""
    argv = [sys.executable, "-m", "tocsin.cli", "account", "login", "--oidc", "sso", "--no-browser", "--json", "--state", str(stack.state)]
    running = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    assert running.stdout is not None
    assert running.stderr is not None
    said = ""
    while (found := re.search(r"https?://\S+/authorize\?\S+", said)) is None:
        line = await asyncio.wait_for(running.stderr.readline(), 60)
        assert line, said
        said += line.decode()
    issuer.signed_in(f"bob-{secrets.token_hex(4)}", email="bob@example.com", email_verified=True, name="Bob", groups=["staff"])
    url = found.group(0)
    redirect = parse_qs(urlsplit(url).query)["redirect_uri"][0]
    assert redirect.startswith("http://127.0.0.1:")
    async with httpx2.AsyncClient(trust_env=False) as browser:
        shown = await browser.get(redirect, params=issuer.authorize(url))
    assert shown.status_code == 200, shown.text
    out, _ = await asyncio.wait_for(running.communicate(), 60)
    assert running.returncode == 0
    token = json.loads(out)["accessToken"]
    async with stack.client(key=token) as client:
        assert (await client.get("/v1/alarms")).status_code == 200
