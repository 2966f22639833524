"""An account by mail, as its owner sees it: registered, confirmed, forgotten, set anew, signed out everywhere."""

import asyncio
import re
import subprocess
import sys
import time
from typing import Any, Final

import httpx2

from auth_svc.domain.totp import totp_code
from tocsin.testing.smtp import SmtpSink
from tocsin.testing.stack import RunningStack

EMAIL: Final = "zoe@example.com"
OTHER: Final = "zoe@other.example.com"
FIRST, SECOND, THIRD = "correct horse battery staple", "an otter sleeps on its back", "seven hills and a quiet river"
_LINK: Final = re.compile(r"http://127\.0\.0\.1:\d+/account/[\w-]+/to_[\w-]+")


async def accounts_by_mail(stack: RunningStack, mails: SmtpSink) -> None:
    """The whole way, on a stack where strangers may register once a mail has confirmed them."""
    async with httpx2.AsyncClient(base_url=stack.info["http"], trust_env=False, timeout=20.0) as anybody:
        await _register(anybody, mails)
        await _reset(anybody, mails)
        await _by_command(stack, anybody)
        await _second_factor(stack, anybody)
        await _another_address(stack, anybody, mails)
    async with stack.client() as admin:
        await _by_link(admin)


async def _register(client: httpx2.AsyncClient, mails: SmtpSink) -> None:
    """Nobody is there until the button was pressed, however often the link is looked at."""
    mails.clear()
    refused = await client.post("/v1/auth:register", json={"email": EMAIL, "password": "Password2026!!!"})
    assert (refused.status_code, "password: is one of the commonest" in refused.text) == (400, True), refused.text
    made = await client.post("/v1/auth:register", json={"email": EMAIL, "password": FIRST})
    assert made.json() == {"confirmationSent": True}, made.text
    link = await _link(mails, "Confirm your address")
    await client.head(link)
    looked = await client.get(link, headers={"accept-language": "de"})
    assert (looked.status_code, "Ja, bestätigen" in looked.text) == (200, True)
    assert "default-src 'none'" in looked.headers["content-security-policy"]
    assert (await _sign_in(client, FIRST)).status_code == 401
    assert (await client.post(link, content=b"{}", headers={"content-type": "application/json"})).status_code == 200
    assert (await _sign_in(client, FIRST)).status_code == 401
    pressed = await client.post(link, data={"confirm": "yes"})
    assert (pressed.status_code, "Your address is confirmed" in pressed.text) == (200, True)
    assert (await client.get(link)).status_code == 404


async def _reset(client: httpx2.AsyncClient, mails: SmtpSink) -> None:
    """By a page without script, in the reader's language; the old session and password are worth nothing then."""
    session = (await _sign_in(client, FIRST)).json()
    assert session["deviceToken"]
    mails.clear()
    for email in ("stranger@example.com", EMAIL):
        asked = await client.post("/v1/account:requestPasswordReset", json={"email": email, "locale": "de-CH"})
        assert (asked.status_code, asked.json()) == (200, {})
    link = await _link(mails, "Passwort zurücksetzen")
    for form, status, words in (
        ({"password": SECOND, "again": THIRD}, 400, "The two differ"),
        ({"password": "Password2026!!!", "again": "Password2026!!!"}, 400, "commonest"),
        ({"password": SECOND, "again": SECOND}, 200, "Your password is changed"),
        ({"password": THIRD, "again": THIRD}, 404, "does not work"),
    ):
        page = await client.post(link, data=form)
        assert (page.status_code, words in page.text) == (status, True), page.text
        assert SECOND not in page.text
    assert (await client.post("/v1/auth:refresh", json={"refreshToken": session["refreshToken"]})).status_code == 401
    assert (await _sign_in(client, FIRST)).status_code == 401
    assert [mail.recipients for mail in await mails.received(2)] == [(EMAIL,), (EMAIL,)]


async def _by_command(stack: RunningStack, client: httpx2.AsyncClient) -> None:
    """Sign in, see the sessions, change the password, sign out everywhere."""
    token = (await _account(stack, "login", EMAIL, lines=[SECOND])).strip()
    other = (await _sign_in(client, SECOND)).json()
    listed = await _account(stack, "sessions", "--api-key", token)
    assert ("this one" in listed, "127.0.0.1" in listed, listed.count("sessions/")) == (True, True, 2), listed
    assert "current" in await _account(stack, "password", "--api-key", token, lines=["wrong", THIRD], status=2)
    assert "changed" in await _account(stack, "password", "--api-key", token, lines=[SECOND, THIRD])
    assert (await client.post("/v1/auth:refresh", json={"refreshToken": other["refreshToken"]})).status_code == 401
    assert (await _sign_in(client, THIRD)).status_code == 200
    assert "2 sessions ended" in await _account(stack, "sign-out-everywhere", "--api-key", token)


async def _second_factor(stack: RunningStack, client: httpx2.AsyncClient) -> None:
    """An app is added by command; then a password is answered by a challenge at each door, and a code or a recovery code opens it."""
    token = (await _account(stack, "login", EMAIL, lines=[THIRD])).strip()
    secret, codes = await _add_app(stack, token)
    asked = await _sign_in(client, THIRD)
    problem = asked.json()
    assert (asked.status_code, problem["details"][0]["reason"]) == (401, "SECOND_FACTOR_REQUIRED"), problem
    challenge = problem["details"][0]["metadata"]["challenge"]
    wrong = await client.post("/v1/auth:token", json={"challenge": challenge, "code": "abc"})
    assert (wrong.status_code, wrong.json()["details"][0]["reason"]) == (401, "SECOND_FACTOR_REFUSED")
    right = await client.post("/v1/auth:token", json={"challenge": challenge, "code": codes[0]})
    assert right.status_code == 200, right.text
    oauth = await client.post("/token", data={"username": EMAIL, "password": THIRD})
    assert (oauth.status_code, oauth.json()["error"], oauth.json()["methods"]) == (400, "mfa_required", "totp,recovery_code")
    code = totp_code(secret, int(time.time()) // 30 + 1)  # the next one: that of now has confirmed the app
    assert (await _account(stack, "login", EMAIL, lines=[THIRD, code])).startswith("ey")
    listed = await _account(stack, "factors", "--api-key", token)
    assert ("TOTP" in listed, "9 recovery codes left" in listed) == (True, True), listed
    assert "Proven" in await _account(stack, "prove", "--api-key", token, lines=[codes[1]])
    factor = (await client.get("/v1/factors", headers={"authorization": f"Bearer {token}"})).json()["factors"][0]["name"]
    assert "pocket" in await _account(stack, "rename-factor", factor, "pocket", "--api-key", token)
    assert "removed" in await _account(stack, "remove-factor", factor, "--api-key", token)
    assert (await _sign_in(client, THIRD)).status_code == 200


async def _another_address(stack: RunningStack, client: httpx2.AsyncClient, mails: SmtpSink) -> None:
    """By command and the button of the mail; the address of before takes it back, and that is told to the owner by a security alert."""
    token = (await _account(stack, "login", EMAIL, lines=[THIRD])).strip()
    policy = await _run(stack, "security", "policy", "--low", "never", "--kind", "NEW_CLIENT=never", "--api-key", token)
    assert ("owners" in policy, "NEW_CLIENT" in policy) == (True, True), policy
    mails.clear()
    assert "on its way" in await _account(stack, "address", OTHER, "--api-key", token)
    link = await _link(mails, "Confirm your new address", to=OTHER)
    mails.clear()
    pressed = await client.post(link, data={"confirm": "yes"})
    assert (pressed.status_code, "Your address is changed" in pressed.text) == (200, True), pressed.text
    back = await _link(mails, "Your address was changed")
    mails.clear()
    pressed = await client.post(back, data={"confirm": "yes"})
    assert (pressed.status_code, "has this address again" in pressed.text) == (200, True), pressed.text
    assert (await _sign_in(client, THIRD)).status_code == 401
    subjects = {mail.message["Subject"]: mail.recipients for mail in await mails.received(2)}
    assert subjects == {"Reset your password": (EMAIL,), f"{EMAIL}: security alert": (EMAIL,)}


async def _add_app(stack: RunningStack, token: str) -> tuple[str, list[str]]:
    """The secret of an app that is added by command, and the recovery codes."""
    line = [sys.executable, "-m", "tocsin.cli", "account", "totp", "--name", "phone", "--api-key", token, "--url", stack.info["http"]]
    running = await asyncio.create_subprocess_exec(*line, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert running.stdin is not None
    assert running.stdout is not None
    secret = (await asyncio.wait_for(running.stdout.readline(), 60)).decode().rpartition(" ")[2].strip()
    said, _ = await asyncio.wait_for(running.communicate(totp_code(secret, int(time.time()) // 30).encode() + b"\n"), 60)
    codes = re.findall(r"^[A-Z2-7]{4}(?:-[A-Z2-7]{4}){3}$", said.decode(), re.MULTILINE)
    assert (running.returncode, len(codes)) == (0, 10), said
    return secret, codes


async def _by_link(admin: httpx2.AsyncClient) -> None:
    """An administrator makes a link, and it signs in once."""
    user = (await admin.get("/v1/users")).json()["users"][0]["name"]
    token = (await admin.post(f"/v1/{user}:createSignInLink", json={})).json()["token"]
    statuses = [(await admin.post("/v1/auth:exchangeLink", json={"token": token})).status_code for _ in range(2)]
    assert statuses == [200, 400]
    assert len((await admin.get(f"/v1/{user}/sessions")).json()["sessions"]) == 1
    assert (await admin.get("/v1/sessions")).status_code == 403  # an API key has none


async def _sign_in(client: httpx2.AsyncClient, password: str) -> httpx2.Response:
    return await client.post("/v1/auth:token", json={"email": EMAIL, "password": password})


async def _link(mails: SmtpSink, subject: str, *, to: str = EMAIL) -> str:
    (mail,) = await mails.received(1)
    assert (mail.recipients, mail.message["Subject"]) == ((to,), subject)
    text: Any = mail.message.get_body(("plain",))
    found = _LINK.search(text.get_content())
    assert found, text.get_content()
    return found.group()


async def _account(stack: RunningStack, *arguments: str, lines: list[str] | None = None, status: int = 0) -> str:
    """What `tocsin account` says, given lines on standard input."""
    return await _run(stack, "account", *arguments, lines=lines, status=status)


async def _run(stack: RunningStack, *arguments: str, lines: list[str] | None = None, status: int = 0) -> str:
    line = [sys.executable, "-m", "tocsin.cli", *arguments, "--url", stack.info["http"]]
    done = await asyncio.to_thread(
        subprocess.run, line, input="".join(f"{each}\n" for each in lines or ()), capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode == 0) == (status == 0), done.stdout + done.stderr
    return done.stdout + done.stderr
