"""Accounts in a real Chromium: passkeys of a virtual authenticator, apps, recovery codes, administration, a session that ends in a form."""

import asyncio
import json
import sqlite3
import time
from collections.abc import AsyncIterator
from typing import Final

import httpx2
import pytest
import pytest_asyncio

from auth_svc.domain.totp import STEP_SECONDS, totp_code
from tests.browser.chromium import Chromium, Page
from tests.browser.console import DESK, SHOTS, WATCH_VIOLATIONS, press, says
from tocsin.testing.stack import RunningStack

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600), pytest.mark.asyncio(loop_scope="module")]

AUTHENTICATOR: Final = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
CODES: Final = "[...document.querySelectorAll('.codes code')].map((item) => item.innerText)"


class Installation:
    """A Tocsin of this module alone, whose accounts change, and a browser."""

    def __init__(self, stack: RunningStack, browser: Chromium) -> None:
        self.stack = stack
        self.browser = browser
        self.home = stack.info["http"].replace("127.0.0.1", "localhost")
        self.password = (stack.state / "admin-password").read_text()

    async def open(self, path: str) -> Page:
        """A page, signed in by the link of a start unless the browser is."""
        page = await self.browser.open(f"{self.home}/sign-in?returnTo={path}", script=WATCH_VIOLATIONS, **DESK)
        if await page.value("document.querySelector('[name=username]') !== null"):
            link = await asyncio.to_thread(self.stack.command, "open", "--print")
            await page.call("Page.navigate", url=link.stdout.strip().replace("127.0.0.1", "localhost"))
            await page.until("location.pathname.startsWith('/sign-in/link') && document.querySelector('button') !== null")
            await page.value("document.querySelector('button').click()")
            await page.until("!location.pathname.startsWith('/sign-in')")
        await self.go(page, path)
        return page

    async def go(self, page: Page, path: str) -> None:
        """Leads to a page of the console, and waits until it shows what it loaded."""
        await page.call("Page.navigate", url=f"{self.home}{path}")
        await page.until(f"location.pathname + location.search === {json.dumps(path)}")
        await page.until("document.querySelector('main h1') !== null && document.querySelector('[aria-busy=true]') === null")

    async def leave(self, page: Page) -> None:
        """Signs out by the button."""
        await self.go(page, "/console/settings")
        await press(page, "Sign out")
        await page.until("document.querySelector('[name=username]') !== null")

    async def by_password(self, page: Page) -> None:
        """Fills in the form of the sign-in page."""
        await page.call("Page.navigate", url=f"{self.home}/sign-in?returnTo=/console/settings")
        await page.until("location.search.includes('settings') && document.querySelector('[name=username]') !== null")
        await page.value("document.querySelector('[name=username]').value = 'admin@example.com'; true")
        await page.value(f"document.querySelector('[name=password]').value = {json.dumps(self.password)}; true")
        await page.value("document.querySelector('form button').click()")

    async def by_code(self, page: Page, code: str) -> None:
        """Answers the second page by a code."""
        await page.until("document.querySelector('[name=code]') !== null")
        await page.value(f"document.querySelector('[name=code]').value = {json.dumps(code)}; document.querySelector('form button').click()")

    def grow_old(self) -> None:
        """Makes the last proof of every session an hour old."""
        with sqlite3.connect(self.stack.state / "auth_svc.db", timeout=10) as database:
            database.execute("UPDATE sessions SET proven_at = proven_at - 3600000000")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Installation]:
    """One for all, in the order of the tests."""
    folder = tmp_path_factory.mktemp("accounts")
    with RunningStack(state=folder / "state") as stack:
        async with Chromium(profile=folder / "profile") as browser:
            yield Installation(stack, browser)


async def fill(page: Page, label: str, text: str) -> None:
    """Types into the field with this label, in place of what is there; or chooses of it."""
    labelled = f"[...document.querySelectorAll('label')].find((item) => item.innerText.trim().split('\\n')[0] === {json.dumps(label)})"
    found = f"{labelled}?.querySelector('input, textarea, select')"
    await page.until(f"Boolean({found})")
    if await page.value(f"{found}.tagName === 'SELECT'"):
        found = found.replace("?.", ".")
        await page.value(f"{found}.value = {json.dumps(text)}; {found}.dispatchEvent(new Event('change', {{ bubbles: true }}))")
        return
    await page.value(f"{found}.focus(); {found}.select()")
    await page.call("Input.insertText", text=text)


async def send(page: Page) -> None:
    """Presses the button of the form."""
    await page.value("document.querySelector('.form [type=submit]').click()")


def stands(word: str) -> str:
    """An expression that is true once what is open beside the list is in this state."""
    return f"document.querySelector('.panel .large')?.innerText.trim() === {json.dumps(word)}"


async def status(page: Page, path: str) -> int:
    """Of a GET that the page makes."""
    return await page.value(f"fetch({json.dumps(path)}).then((answer) => answer.status)")


async def test_a_passkey_signs_in_alone_and_after_the_password(place: Installation) -> None:
    """Made in the console, shown at the sign-in page; the recovery codes are shown once."""
    page = await place.open("/console/settings/security")
    await page.call("WebAuthn.enable")
    await page.call("WebAuthn.addVirtualAuthenticator", options=AUTHENTICATOR)
    await press(page, "Add a passkey")
    await fill(page, "Name of the passkey", "laptop")
    await press(page, "Make the passkey")
    await page.until("document.querySelectorAll('.codes code').length === 10")
    await page.screenshot(SHOTS / "console-recovery-codes.png")
    await press(page, "I have kept it")
    await page.until(says("laptop") + " && document.querySelector('.codes') === null")
    assert await page.value("violations") == []

    await place.leave(page)
    await page.screenshot(SHOTS / "sign-in-passkey.png")
    await press(page, "Sign in with a passkey")
    await page.until("location.pathname.startsWith('/console') && document.querySelector('main h1') !== null")
    assert await status(page, "/session") == 200

    await place.leave(page)
    await place.by_password(page)
    await press(page, "Use a passkey")
    await page.until("location.pathname === '/console/settings' && document.querySelector('main h1') !== null")
    await place.go(page, "/console/settings/security")
    await press(page, "Rename")
    await fill(page, "Name", "old laptop")
    await press(page, "Save")
    await page.until(says("old laptop"))
    await press(page, "Remove")
    await page.until("document.querySelector('dialog[open]') !== null")
    await page.value("document.querySelector('dialog[open] .risky').click()")
    await page.until(says("Your password alone opens your account."))
    assert await page.value("violations") == []


async def test_an_app_and_a_recovery_code(place: Installation) -> None:
    """The secret behind the QR code makes codes that sign in; a recovery code signs in once."""
    page = await place.open("/console/settings/security")
    await press(page, "Add an app")
    await press(page, "Show the code")
    await page.until("document.querySelector('img.qr')?.naturalWidth > 20")
    secret = (await page.value("document.querySelector('.scan code').title")).strip()
    await page.screenshot(SHOTS / "console-enrol-app.png")
    await fill(page, "Code", "000000" if totp_code(secret, int(time.time()) // STEP_SECONDS) != "000000" else "111111")
    await press(page, "Confirm")
    await page.until("document.querySelector('.failure, .wrong') !== null")
    assert await page.value("document.querySelector('.stale') === null"), "a wrong code does not end the session"
    step = int(time.time()) // STEP_SECONDS
    await fill(page, "Code", totp_code(secret, step))
    await press(page, "Confirm")
    await page.until("document.querySelectorAll('.codes code').length === 10")
    codes: list[str] = await page.value(CODES)
    assert await page.value("violations") == []

    await place.leave(page)
    await place.by_password(page)
    await place.by_code(page, totp_code(secret, step + 1))
    await page.until("location.pathname === '/console/settings' && document.querySelector('main h1') !== null")
    for code, works in ((codes[0], True), (codes[0], False), (codes[1], True)):
        if await status(page, "/session") == 200:
            await place.leave(page)
            await place.by_password(page)
        await place.by_code(page, code)
        expected = "location.pathname === '/console/settings'" if works else says("The code is wrong, or has expired.")
        await page.until(f"({expected}) && document.readyState === 'complete'")
    await place.go(page, "/console/settings/security")
    await page.until(says("8 recovery codes left"))

    place.grow_old()
    await press(page, "New recovery codes")
    await page.until("document.querySelector('dialog[open] .risky') !== null")
    await page.value("document.querySelector('dialog[open] .risky').click()")
    await page.until(says("Is it you?"))
    await page.screenshot(SHOTS / "console-proof.png")
    await fill(page, "Code of your app, or a recovery code", codes[2])
    await press(page, "Go on")
    await page.until("document.querySelectorAll('.codes code').length === 10")
    assert await page.value(CODES) != codes
    assert await page.value("violations") == []


async def test_nothing_typed_is_lost_when_the_session_ends(place: Installation) -> None:
    """The page says so and stays; who has signed in again in another tab goes on where they were; so does who reloads."""
    page = await place.open("/console/access/roles/new")
    await fill(page, "Id", "auditor")
    await fill(page, "What for", "Looks, and touches nothing.")
    await press(page, "Read everything")
    other = await place.open("/console/settings")
    await place.leave(other)
    await send(page)
    await page.until(says("Your session has ended.") + " && " + "document.querySelector('.form textarea, .form input').value === 'auditor'")
    await page.screenshot(SHOTS / "console-session-ended.png")
    again = await place.open("/console/settings")
    assert await status(again, "/session") == 200
    await page.call("Page.bringToFront")
    await page.value("window.dispatchEvent(new Event('focus'))")
    await page.until("document.querySelector('.stale') === null")
    await place.go(page, "/console/access/roles/new")
    await page.until("document.querySelector('.form input').value === 'auditor'")
    await send(page)
    await page.until("location.pathname === '/console/access/roles/auditor' && " + says("Looks, and touches nothing."))


async def test_a_program_gets_a_key_that_rotates(place: Installation) -> None:
    """A service account with a role of the tenant's own; its key is shown once, and the old secret works on for a while."""
    page = await place.open("/console/access/programs/new")
    await fill(page, "Name", "deploys")
    await fill(page, "Role", "roles/auditor")
    await send(page)
    await page.until("document.querySelector('.panel .large') !== null && " + says("There is no API key."))
    await press(page, "New key")
    await fill(page, "What the key is for", "nightly")
    await send(page)
    secrets = []
    for press_next in ("New secret", ""):
        await page.until("document.querySelector('.once code')?.title.startsWith('tk_')")
        secrets.append(await page.value("document.querySelector('.once code').title"))
        await press(page, "I have kept it")
        if press_next:
            await press(page, press_next)
            await page.value("document.querySelector('li .form [type=submit]').click()")
    await page.until(says("old secret ends"))
    await page.screenshot(SHOTS / "console-service-account.png")
    assert secrets[0] != secrets[1]
    async with httpx2.AsyncClient(base_url=place.home) as client:
        told = [await client.get("/v1/alarms", headers={"authorization": f"Bearer {secret}"}) for secret in secrets]
    assert [answer.status_code for answer in told] == [200, 200]
    await place.go(page, "/console/audit")
    await page.until(says("nightly") + " || " + says("Administrator"))
    assert await page.value("violations") == []


async def test_a_tenant_from_its_making_to_its_end(place: Installation) -> None:
    """The link for its owner is shown once; it is suspended with a reason, bounded, and deleted by its name; that is taken back."""
    page = await place.open("/console/tenants/new")
    await fill(page, "Name", "Acme")
    await fill(page, "Address of the first owner", "owner@acme.example")
    await page.value("document.querySelector('.form input[type=checkbox]').click()")
    await send(page)
    await page.until("document.querySelector('.once code')?.title.includes('/account/invitation/')")
    await press(page, "I have kept it")
    await page.until(says("What is used"))
    await press(page, "Quotas")
    await fill(page, "Alarms", "10")
    await press(page, "Save")
    await page.until(says("of 10"))
    await press(page, "Suspend")
    await fill(page, "Why", "The bill is not paid.")
    await send(page)
    await page.until(says("The bill is not paid.") + " && " + says("Suspended"))
    await press(page, "Resume")
    await page.until(stands("Active"))
    await press(page, "Delete")
    await page.until("document.querySelector('.form [type=submit]')?.disabled")
    await fill(page, "To go on, type the name: Acme", "Acme")
    await page.until("!document.querySelector('.form [type=submit]').disabled")
    await send(page)
    await page.until(
        "document.querySelector('.panel .large')?.innerText.trim() === 'Being deleted' && " + says("waits; it can be taken back")
    )
    await page.screenshot(SHOTS / "console-tenant-deleting.png")
    await press(page, "Take the deletion back")
    await page.until(stands("Active"))
    assert await page.value("violations") == []


async def test_a_provider_is_made_tried_and_left_out(place: Installation) -> None:
    """Its form is that of its kind; a test tells what the provider says; leaving it out can be undone."""
    page = await place.open("/console/providers/new?kind=ntfy")
    await fill(page, "Name", "our ntfy")
    await fill(page, "Url", "https://ntfy.invalid")
    await send(page)
    await page.until("document.querySelector('.panel .large') !== null && " + says("our ntfy"))
    await fill(page, "To", "alarms")
    await press(page, "Send")
    await page.until("document.querySelector('.panel .failure[role=status]') !== null")
    await page.screenshot(SHOTS / "console-provider-test.png")
    await press(page, "Deactivate")
    await page.until(stands("Off"))
    await press(page, "Undo")
    await page.until(f"!({stands('Off')})")
    assert await page.value("violations") == []


async def test_a_policy_on_personal_data(place: Installation) -> None:
    """It is made, tried on a text, deleted, and taken back."""
    page = await place.open("/console/settings/pii/new")
    await fill(page, "Id", "cards")
    await page.value(
        "[...document.querySelectorAll('.choice label')].find((item) => item.innerText.trim() === 'Card').querySelector('input').click()"
    )
    await send(page)
    await page.until(f"location.pathname.endsWith('/pii/cards') && {stands('Redact')}")
    await fill(page, "Text; it is not stored", "card 4111 1111 1111 1111")
    await press(page, "Look")
    await page.until("document.querySelector('pre')?.innerText === 'card [card]'")
    await press(page, "Delete")
    await page.until("location.pathname === '/console/settings/pii'")
    await press(page, "Undo")
    await page.until("document.querySelector('[data-row=\"pii/policies/cards\"]') !== null")
    assert await page.value("violations") == []


async def test_who_is_told_of_security_alerts(place: Installation) -> None:
    """A wrong address is named and what was typed stays; what is saved is what the API has."""
    page = await place.open("/console/settings/tenant")
    submit = "document.querySelector('form:has(textarea)').requestSubmit()"
    await fill(page, "Told", "owners\nnot@an@address")
    await page.value(submit)
    await page.until("document.querySelector('form:has(textarea) [role=alert]') !== null")
    assert await page.value("document.querySelector('textarea').value") == "owners\nnot@an@address"
    await fill(page, "Told", "owners\nsecurity@example.com")
    await fill(page, "Low severity", "NEVER")
    await page.value(submit)
    await page.until(says("Saved."))
    async with place.stack.client() as client:
        policy = (await client.get("/v1/security/alertPolicy")).json()
    assert (policy["to"], policy["low"]) == (["owners", "security@example.com"], "NEVER")
    assert await page.value("violations") == []
