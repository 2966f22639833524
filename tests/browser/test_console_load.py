"""The console with much to show: ten thousand rows, a thousand changes at once. How fast it is, `make bench ARGS=console` says."""

import json
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from tests.browser import many
from tests.browser.chromium import Chromium
from tests.browser.console import DESK, WATCH_VIOLATIONS, says, signed_in
from tests.browser.front import STREAM, Front
from tocsin.testing.stack import RunningStack

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600), pytest.mark.asyncio(loop_scope="session")]

CHANGES: Final = 1000
NODES: Final = 3000
"""Most elements of the page, however long its list is; a row has eight or so."""
FEW: Final = 100
"""Far fewer than changes: what a thousand of them may cause, of each kind of thing."""
STEPS: Final = 25
LOOK: Final = """
new Promise((done) => {{
  const box = document.querySelector(".rows");
  box.scrollTop = (box.scrollHeight * {step}) / {steps};
  requestAnimationFrame(() => requestAnimationFrame(() => {{
    const [top, bottom] = [box.getBoundingClientRect().top, box.getBoundingClientRect().bottom];
    const rows = [...document.querySelectorAll(".extent .row")];
    const inSight = rows.some((row) => row.getBoundingClientRect().top < bottom && row.getBoundingClientRect().bottom > top);
    done([rows.length, document.querySelectorAll("*").length, inSight]);
  }}));
}})
"""
"""Scrolls to a part of the list; how many rows and elements there are then, and whether any row is in sight."""
# What the stream tells all tabs, how often the list is drawn again, and tasks that held the page for longer than 50 ms.
COUNT: Final = """
window.heard = [];
window.batches = 0;
window.drawn = 0;
window.longTasks = 0;
new BroadcastChannel("tocsin.live").onmessage = ({ data }) => {
  heard.push(...data.changes.map((change) => Number(change.resumeToken)));
  batches++;
};
new PerformanceObserver((list) => (longTasks += list.getEntries().length)).observe({ type: "longtask" });
addEventListener("DOMContentLoaded", () => new MutationObserver(() => drawn++).observe(document.body, { childList: true, subtree: true }));
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def front(stack: RunningStack, browser: Chromium, state: Path) -> AsyncIterator[Front]:
    """Stands before the stack and answers in its place; the browser is signed in there."""
    with Front(stack.info["http"]) as made:
        await signed_in(browser, made.origin, state / "state")
        yield made


async def test_ten_thousand_rows_are_a_hundred_elements(browser: Chromium, front: Front) -> None:
    """Scrolled from the first to the last, the list draws what is in sight and a little around it; the last row is there."""
    front.answers["/v1/firings"] = ("application/json", many.pages())
    page = await browser.open(f"{front.origin}/console/firings", script=WATCH_VIOLATIONS, **DESK)
    await page.until(f"document.querySelector('.rows') !== null && {many.TO_THE_END}")
    for step in range(STEPS + 1):
        rows, nodes, in_sight = await page.value(LOOK.format(step=step, steps=STEPS))
        assert 10 < rows < 100, step
        assert nodes < NODES, step
        assert in_sight, step
    last = json.dumps(many.name(many.ROWS - 1))
    await page.until(f"document.querySelector('[data-row={last}]') !== null")
    assert await page.value("document.querySelector('[role=table]').getAttribute('aria-rowcount')") == str(many.ROWS + 1)
    assert await page.value("violations") == []
    await page.call("Page.close")


async def test_a_thousand_changes_all_arrive(browser: Chromium, front: Front) -> None:
    """Each once and in its order, in far fewer steps than there are changes; the list shows the newest, and takes what is typed."""
    told, over = threading.Event(), threading.Event()
    newest = 0

    def changes(path: str) -> Iterator[bytes]:
        nonlocal newest
        del path
        told.wait()
        newest = CHANGES
        for start in range(1, CHANGES + 1, 10):
            yield b"".join(many.event(number) for number in range(start, start + 10))
        over.wait()

    front.answers |= {"/v1/firings": ("application/json", many.pages(lambda: newest)), STREAM: ("text/event-stream", changes)}
    page = await browser.open(f"{front.origin}/console/firings", script=WATCH_VIOLATIONS + COUNT, **DESK)
    try:
        await page.until(f"document.querySelector('[data-row={json.dumps(many.name(0))}]') !== null")
        await page.value("window.drawn = 0; window.longTasks = 0; document.querySelector('.filter input').focus()")
        told.set()
        await page.call("Input.insertText", text="typed meanwhile")
        await page.until(f"heard.length >= {CHANGES}")
        assert await page.value("heard") == list(range(1, CHANGES + 1))
        await page.until(f"document.querySelector('[data-row={json.dumps(many.name(-CHANGES))}]') !== null")
        assert await page.value("document.querySelector('.filter input').value") == "typed meanwhile"
        for steps in ("batches", "drawn", "longTasks"):
            assert await page.value(steps) < FEW, steps
        assert await page.value(says("Live"))
        assert await page.value("violations") == []
    finally:
        over.set()
        front.answers.clear()
    await page.call("Page.close")
