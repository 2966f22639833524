"""The console in a real Chromium: the first minute, a bad night on a phone, a service that dies, and whether everybody can use it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
import pytest_asyncio

from tests.browser.chromium import Chromium, Page
from tocsin.testing.stack import RunningStack

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300), pytest.mark.asyncio(loop_scope="module")]

SHOTS: Final = Path(__file__).resolve().parents[2] / "build" / "browser"
AXE: Final = Path(__file__).resolve().parents[2] / "console" / "node_modules" / "axe-core" / "axe.min.js"
DESK: Final[dict[str, Any]] = {"width": 1280, "height": 800}
PHONE: Final[dict[str, Any]] = {"width": 390, "height": 844}
PAGES: Final = ("", "incidents", "alarms", "alarms/new", "firings", "deliveries", "inbox", "mesh", "access", "audit", "settings")
WATCH_VIOLATIONS: Final = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective + " " + event.blockedURI));
window.addEventListener("error", (event) => violations.push(String(event.message)));
window.addEventListener("unhandledrejection", (event) => violations.push(String(event.reason)));
"""
RUN_AXE: Final = """
axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
  violations.map(({ id, nodes }) => id + ": " + nodes.map((node) => node.html).join(" | ").slice(0, 300)))
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the stack."""
    return tmp_path_factory.mktemp("console")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(state: Path) -> AsyncIterator[RunningStack]:
    """Tocsin, with something to look at."""
    with RunningStack(state=state / "state") as running:
        with httpx2.Client(base_url=running.info["http"], headers={"authorization": f"Bearer {running.api_key}"}) as client:
            name = "<img src=x onerror=alert(1)> \u0645\u0631\u062d\u0628\u0627 \U0001f514 " + "x" * 150
            alarm = {"displayName": name, "trigger": {"every": "2s"}, "action": {"task": {"handler": "noop"}}}
            client.post("/v1/alarms", json=alarm).raise_for_status()
            client.post("/v1/incidents", json={"title": "Disk of db-1 is full", "severity": "CRITICAL"}).raise_for_status()
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(state: Path) -> AsyncIterator[Chromium]:
    """A browser."""
    async with Chromium(profile=state / "profile") as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(stack: RunningStack, browser: Chromium, state: Path) -> str:
    """Where the console is, with the browser signed in by the link that a start prints."""
    link = await asyncio.to_thread(_link, state)
    page = await browser.open(link.replace("127.0.0.1", "localhost"), **DESK)
    await page.value("document.querySelector('button').click()")
    await page.until("!location.pathname.startsWith('/sign-in')")
    return f"{stack.info['http'].replace('127.0.0.1', 'localhost')}/console"


def _link(state: Path) -> str:
    command = [sys.executable, "-m", "tocsin.cli", "open", "--print", "--state", str(state / "state")]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout.strip()


async def shown(browser: Chromium, url: str, **size: Any) -> Page:
    """A page of the console, once it shows what it loaded."""
    page = await browser.open(url, script=WATCH_VIOLATIONS, **size)
    await page.until("document.querySelector('main h1') !== null && document.querySelector('[aria-busy=true]') === null")
    return page


async def press(page: Page, words: str) -> None:
    """Presses the button, or the link, that says so."""
    found = f"[...document.querySelectorAll('button, a')].find((item) => item.innerText.trim() === {json.dumps(words)})"
    await page.until(f"{found} !== undefined")
    await page.value(f"{found}.click()")


def says(words: str) -> str:
    """An expression that is true once the page says so."""
    return f"document.body.innerText.includes({json.dumps(words)})"


async def test_the_first_minute(browser: Chromium, home: str) -> None:
    """One press: an alarm appears, counts down, rings, and its mail opens as the person sees it."""
    page = await shown(browser, home, **DESK)
    await press(page, "Ring me in 10 seconds")
    await page.until(says("It rings in"))
    await page.until(says("It rang"))
    await page.until(says("The mail is here"))
    await page.screenshot(SHOTS / "console-first-minute.png")
    await page.value("[...document.querySelectorAll('a')].find((item) => item.innerText.startsWith('The mail is here')).click()")
    await page.until("location.pathname.startsWith('/console/inbox/') && document.querySelector('.panel h2')?.innerText === 'Ring ring'")
    assert await page.value("violations") == []


async def test_a_bad_night_on_a_phone(browser: Chromium, home: str) -> None:
    """What is wrong comes first; one press says that somebody has it, with a way back, and the timeline tells who."""
    page = await shown(browser, home, **PHONE)
    await press(page, "Disk of db-1 is full")
    await page.until("document.querySelector('.panel') !== null")
    await press(page, "Acknowledge")
    await page.until(says("You have it."))
    await page.until("[...document.querySelectorAll('.timeline b')].some((item) => item.innerText === 'Acknowledged')")
    await page.screenshot(SHOTS / "console-acknowledged.png")
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_everybody_can_use_it(browser: Chromium, home: str, scheme: str) -> None:
    """axe finds nothing on any page in either theme, and nothing that a page does is against its policy."""
    source = AXE.read_text()
    found: dict[str, list[str]] = {}
    for path in PAGES:
        page = await shown(browser, f"{home}/{path}".rstrip("/"), **DESK)
        await page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        await page.value(source + "; true")
        found[path] = [*await page.value(RUN_AXE), *await page.value("violations")]
        await page.screenshot(SHOTS / f"console-{path.replace('/', '-') or 'now'}-{scheme}.png")
        await page.call("Page.close")
    assert {path: problems for path, problems in found.items() if problems} == {}


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
    for kind in ("keyDown", "keyUp"):
        await page.call("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r")
    await page.until("location.pathname === '/console/firings' && document.querySelector('.extent .row') !== null")
    await page.value("document.querySelector('.rows').focus()")
    for kind in ("keyDown", "keyUp"):
        await page.call("Input.dispatchKeyEvent", type=kind, key="ArrowDown", code="ArrowDown", windowsVirtualKeyCode=40)
    await page.until("document.activeElement.dataset.row !== undefined")
    await page.value("document.activeElement.click()")
    await page.until("document.querySelector('.panel') !== null")
    await page.value("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    for kind in ("keyDown", "keyUp"):
        await page.call("Input.dispatchKeyEvent", type=kind, key="Escape", code="Escape", windowsVirtualKeyCode=27)
    await page.until("document.querySelector('.panel') === null")
