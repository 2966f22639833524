"""What the tests of the console have in common: sizes of screens, pages that are shown, buttons and keys that are pressed."""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from tests.browser.chromium import Chromium, Page

SHOTS: Final = Path(__file__).resolve().parents[2] / "build" / "browser"
AXE: Final = Path(__file__).resolve().parents[2] / "console" / "node_modules" / "axe-core" / "axe.min.js"
DESK: Final[dict[str, Any]] = {"width": 1280, "height": 800}
PHONE: Final[dict[str, Any]] = {"width": 390, "height": 844}
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


HOSTILE_NAME: Final = "<img src=x onerror=alert(1)> \u0645\u0631\u062d\u0628\u0627 \U0001f514 ".ljust(200, "x")
"""Markup, a text from right to left, an emoji, and 200 characters in all."""
HOSTILE_HTML: Final = (
    "<style>@import url(https://evil.example/a.css); body { position: fixed; inset: 0; z-index: 9999; background: red }</style>"
    "<div style='position: fixed; inset: 0; z-index: 9999; background: url(https://evil.example/b.png)'>{{ name }}</div>"
    "<img src='https://evil.example/c.png' alt='c'><a href='https://evil.example/' target='_top'>out</a>"
)
"""What the mailer takes of a mail, and what would cover the page, or tell who reads it, if the page let it."""
KEYS: Final = {
    "Tab": {"code": "Tab", "windowsVirtualKeyCode": 9},
    "Enter": {"code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"},
    "Escape": {"code": "Escape", "windowsVirtualKeyCode": 27},
    "ArrowRight": {"code": "ArrowRight", "windowsVirtualKeyCode": 39},
    "ArrowDown": {"code": "ArrowDown", "windowsVirtualKeyCode": 40},
}
"""Keys as `Input.dispatchKeyEvent` takes them."""


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


async def strike(page: Page, key: str) -> None:
    """Presses a key, and lets it go."""
    for kind in ("keyDown", "keyUp"):
        await page.call("Input.dispatchKeyEvent", type=kind, key=key, **KEYS[key])


async def tab_to(page: Page, expression: str, *, most: int = 150) -> None:
    """Presses Tab until the expression is true, such as that the focus is where it should be."""
    for _ in range(most):
        if await page.value(f"Boolean({expression})"):
            return
        await strike(page, "Tab")
    raise AssertionError(f"{most} times Tab do not lead to {expression}")


async def type_anew(page: Page, text: str) -> None:
    """Replaces what the field with the focus holds."""
    await page.value("document.activeElement.select()")
    await page.call("Input.insertText", text=text)


def sign_in_link(state: Path) -> str:
    """A link that signs a browser in, once, at the stack of a folder."""
    command = [sys.executable, "-m", "tocsin.cli", "open", "--print", "--state", str(state)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout.strip()


async def signed_in(browser: Chromium, origin: str, state: Path) -> None:
    """Signs the browser in at an origin of its own, such as that of a front, at the stack of a folder."""
    link = await asyncio.to_thread(sign_in_link, state)
    page = await browser.open(origin + link[link.index("/sign-in") :], **DESK)
    await page.value("document.querySelector('button').click()")
    await page.until("!location.pathname.startsWith('/sign-in')")
    await page.call("Page.close")


class Journey:
    """What somebody does, and when it was done: a line for each step, and a picture at the end, in build/browser."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._started = time.monotonic()
        self._lines: list[str] = []

    def step(self, words: str) -> None:
        """Notes that this was done, or seen."""
        self._lines.append(f"{time.monotonic() - self._started:5.1f} s  {words}")

    async def end(self, page: Page) -> None:
        """Tells it (`pytest -s` shows it, and so does the file)."""
        await page.screenshot(SHOTS / f"console-{self._name}.png")
        text = "\n".join([self._name, *self._lines, ""])
        (SHOTS / f"console-{self._name}.txt").write_text(text)
        sys.stdout.write(text)
