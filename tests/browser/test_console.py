"""The console in a real Chromium: the first minute, a bad night on a phone, a service that dies, and whether everybody can use it."""

import os
import signal
from typing import Any, Final

import pytest

from tests.browser.chromium import Chromium
from tests.browser.console import AXE, DESK, PHONE, RUN_AXE, SHOTS, Journey, press, says, shown, strike
from tests.browser.pictures import APP, places
from tocsin.testing.stack import RunningStack

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600), pytest.mark.asyncio(loop_scope="session")]

PAGES: Final = (
    "", "incidents", "silences", "silences?add",
    "alarms", "alarms/new", "firings", "deliveries", "inbox", "mesh", "access", "audit", "settings",
    "templates", "templates?new", "templates/hostile", "templates/hostile?edit", "recipients", "recipients?new", "recipients/hostile",
    "recipients/hostile?edit", "groups", "groups?new", "groups/hostile", "import",
    "on-call", "on-call?view=month", "on-call?add", "on-call/hostile", "on-call/hostile?edit", "on-call/shop?override", "on-call-setup",
    "policies", "policies?add", "policies/hostile", "policies/hostile?edit",
    "integrations", "integrations?add", "integrations/hostile", "integrations/hostile?edit", "integrations/hostile?try",
    "heartbeats", "heartbeats?add", "heartbeats?key", "readings", "readings?add", "events",
    "access/invite", "access/roles", "access/roles/new", "access/roles/operator", "access/programs", "access/programs/new", "access/keys",
    "access/sign-in", "access/sign-in/new", "tenants", "tenants/new", "providers", "providers/new?kind=smtp", "providers/slack",
    "settings/security", "settings/tenant", "settings/pii", "settings/pii/new",
)  # fmt: skip


async def test_every_page_is_walked() -> None:
    """What the menu leads to is looked at in both sizes and themes; a new page is named here."""
    assert set(places(APP.read_text("utf-8"))) - set(PAGES) == set()


async def test_the_first_minute(browser: Chromium, home: str) -> None:
    """One press: an alarm appears, counts down, rings, and its mail opens as the person sees it."""
    journey = Journey("first-minute")
    page = await shown(browser, home, **DESK)
    journey.step("the first page stands")
    await press(page, "Ring me in 10 seconds")
    await page.until(says("It rings in"))
    journey.step("one press: the alarm is set and counts down")
    await page.until(says("It rang"))
    journey.step("it rang")
    await page.until(says("The mail is here"))
    journey.step("the mail is here")
    await journey.end(page)
    await page.value("[...document.querySelectorAll('a')].find((item) => item.innerText.startsWith('The mail is here')).click()")
    await page.until("location.pathname.startsWith('/console/inbox/') && document.querySelector('.panel h2')?.innerText === 'Ring ring'")
    assert await page.value("violations") == []


async def test_a_bad_night_on_a_phone(browser: Chromium, home: str) -> None:
    """What is wrong comes first; one press says that somebody has it, with a way back, and the timeline tells who."""
    journey = Journey("acknowledge-at-night")
    page = await shown(browser, home, **PHONE)
    journey.step("the phone shows what is wrong first")
    await press(page, "Disk of db-1 is full")
    await page.until("document.querySelector('.panel') !== null")
    journey.step("one press: what is wrong, since when, who was told")
    await press(page, "Acknowledge")
    await page.until(says("You have it."))
    journey.step("one press: you have it, with a way back")
    await page.until("[...document.querySelectorAll('.timeline b')].some((item) => item.innerText === 'Acknowledged')")
    journey.step("the timeline tells who")
    await journey.end(page)
    assert await page.value("document.documentElement.scrollWidth <= window.innerWidth")
    assert await page.value("violations") == []


async def test_a_service_that_dies_is_seen_and_so_is_its_recovery(browser: Chromium, home: str, stack: RunningStack) -> None:
    """The mesh page says so by itself, and says when it is back."""
    page = await shown(browser, f"{home}/mesh", **DESK)
    await page.until(says("0.") + " || " + says("/s"))
    pid = stack.pid("mailer_svc")
    os.kill(pid, signal.SIGSTOP)
    try:
        await page.until("document.querySelector('.box.bad text')?.innerHTML === 'mailer'")
    finally:
        os.kill(pid, signal.SIGCONT)
    await page.until("document.querySelectorAll('.box.good').length === 5")
    assert await page.value("violations") == []


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
async def test_everybody_can_use_it(browser: Chromium, home: str, size: dict[str, Any]) -> None:
    """axe finds nothing on any page, at a desk and on a phone, in either theme, and nothing that a page does is against its policy."""
    source = AXE.read_text()
    found: dict[str, list[str]] = {}
    for path in PAGES:
        page = await shown(browser, f"{home}/{path}".rstrip("/"), **size)
        await page.value(source + "; true")
        for scheme in ("light", "dark"):
            await page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            name = f"{path.replace('/', '-').replace('?', '-') or 'now'}-{size['width']}-{scheme}"
            found[name] = [*await page.value(RUN_AXE), *await page.value("violations")]
            await page.screenshot(SHOTS / f"console-{name}.png")
        await page.call("Page.close")
    assert {name: problems for name, problems in found.items() if problems} == {}


async def test_the_menu_on_a_phone(browser: Chromium, home: str) -> None:
    """What one watches is at the thumb; "Menu" opens the rest, leads there, and closes."""
    page = await shown(browser, home, **PHONE)
    assert not await page.value("document.querySelector('#more').matches(':popover-open')")
    await press(page, "Menu")
    await page.until("document.querySelector('#more').matches(':popover-open')")
    await press(page, "Firings")
    await page.until("location.pathname === '/console/firings' && !document.querySelector('#more').matches(':popover-open')")
    assert await page.value("document.querySelector('.menu').hasAttribute('aria-current')")
    assert await page.value("violations") == []


async def test_by_keyboard_alone(browser: Chromium, home: str) -> None:
    """The palette finds a page by its name; arrows and Enter open a row; Escape closes it."""
    page = await shown(browser, home, **DESK)
    await page.value("document.dispatchEvent(new KeyboardEvent('keydown', { key: 'k', ctrlKey: true, bubbles: true }))")
    await page.until("document.activeElement?.matches('.palette input')")
    await page.call("Input.insertText", text="firings")
    await page.until("document.querySelectorAll('.palette li[role=option]').length === 1")
    await strike(page, "Enter")
    await page.until("location.pathname === '/console/firings' && document.querySelector('.extent .row') !== null")
    await page.value("document.querySelector('.rows').focus()")
    await strike(page, "ArrowDown")
    await page.until("document.activeElement.dataset.row !== undefined")
    await page.value("document.activeElement.click()")
    await page.until("document.querySelector('.panel') !== null")
    await page.value("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    await strike(page, "Escape")
    await page.until("document.querySelector('.panel') === null")
