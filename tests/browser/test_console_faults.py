"""The console when things go wrong: slow answers, refusals, a server that is gone or new, many tabs, wrong clocks, harmful names."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
import pytest_asyncio

from tests.browser.chromium import Chromium, Page
from tests.browser.console import DESK, PHONE, press, says, shown, signed_in
from tests.browser.front import Fault, Front
from tests.browser.pictures import APP, places
from tocsin.testing.stack import RunningStack
from tocsin.testing.waiting import eventually

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600), pytest.mark.asyncio(loop_scope="session")]

RTL: Final = "\u202e\u0645\u0631\u062d\u0628\u0627\u2066"
HOSTILE: Final = f"<img src=x onerror=alert(1)>{RTL} \U0001f514\U0001f468\u200d\U0001f469\u200d\U0001f467 {'x' * 200}"[:200]
OPENED: Final = (
    "alarms/new",
    "recipients/hostile",
    "groups/hostile",
    "templates/hostile",
    "on-call/hostile",
    "policies/hostile",
    "integrations/hostile",
)
"""Pages with something open whose name wants to do harm; every page of the menu is visited as well."""
HOUR: Final = 3600
WRONG_CLOCK: Final = """
const Real = Date;
globalThis.Date = class extends Real {{
  constructor(...given) {{ given.length ? super(...given) : super(Real.now() + {seconds} * 1000); }}
  static now() {{ return Real.now() + {seconds} * 1000; }}
}};
window.rightNow = () => Real.now();
"""
FITS: Final = "[document.documentElement, document.querySelector('main')].every((item) => item.scrollWidth <= item.clientWidth)"
FAR: Final = r"/\b(in 5\d min|5\d min\. ago|in 1 hr|1 hr\. ago|60 min|3,?[56]\d\d s)/"
"""What a page says of this minute that takes the clock of the browser for the server's."""
FORECAST: Final = "[...document.querySelectorAll('section')].find((item) => item.innerText.startsWith('The next 24 hours'))"
UNDISTURBED: Final = "document.querySelector('.failure') === null"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def front(stack: RunningStack, browser: Chromium, state: Path) -> AsyncIterator[Front]:
    """A stack with harmful names in it, behind a front that makes faults; the browser is signed in there."""
    with Front(stack.info["http"]) as made:
        with httpx2.Client(base_url=stack.info["http"], headers={"authorization": f"Bearer {stack.api_key}"}) as client:
            fill(client)
        await signed_in(browser, made.origin, state / "state")
        yield made


def fill(client: httpx2.Client) -> None:
    """Alarms, a mail, an incident and a key whose names want to do harm."""
    notify = {"notify": {"to": ["ann@example.com"], "subject": HOSTILE, "text": HOSTILE}}
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("/v1/alarms", {"displayName": HOSTILE, "trigger": {"every": "1s", "count": 3}, "action": notify}),
        ("/v1/alarms", {"displayName": "Heart", "trigger": {"every": "2s"}, "action": {"task": {"handler": "noop"}}}),
        ("/v1/incidents", {"title": HOSTILE, "severity": "CRITICAL"}),
        ("/v1/apiKeys", {"displayName": HOSTILE[:100], "scopes": ["alarms:read"]}),
        ("/v1/roles", {"name": "roles/hostile", "displayName": HOSTILE[:100], "description": HOSTILE, "scopes": ["alarms:read"]}),
        ("/v1/serviceAccounts", {"displayName": HOSTILE[:100], "description": HOSTILE, "role": "roles/viewer"}),
    ]
    for path, body in bodies:
        answer = client.post(path, json=body)
        assert answer.is_success, answer.text


@pytest.fixture(autouse=True)
def well_again(front: Front) -> None:
    """Each test begins with a server that is well."""
    front.faults.clear()
    front.rewrite = None


async def closed(*pages: Page) -> None:
    """Closes pages, so that none holds the stream of the next test."""
    for page in pages:
        await page.call("Page.close")


async def test_a_slow_server_shows_the_shape_of_what_comes(browser: Chromium, front: Front) -> None:
    """Five seconds for each answer: the page stands at once and says that it loads; then everything is there, live changes included."""
    front.faults.append(Fault(prefix="/v1/", delay=5))
    page = await browser.open(f"{front.origin}/console/firings", **DESK)
    await page.until("document.querySelector('main h1') !== null")
    assert await page.value("document.querySelector('[aria-busy=true]') !== null")
    await page.until("document.querySelector('.extent .row') !== null")
    first = await page.value("document.querySelector('.extent .row time').title")
    await page.until(f"document.querySelector('.extent .row time').title !== {json.dumps(first)}")
    assert await page.value(UNDISTURBED)
    await closed(page)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(prefix="/v1/alarms", status=503), "A service is away: it is away"),
        (Fault(prefix="/v1/alarms", status=429, headers={"retry-after": "1"}), "Too many requests."),
        (Fault(prefix="/v1/alarms", gone=True), "The server cannot be reached."),
    ],
    ids=["503", "429", "gone"],
)
async def test_what_is_shown_stays_while_a_call_fails(browser: Chromium, front: Front, fault: Fault, words: str) -> None:
    """The list stays, a line says why it is old; the page tries again by itself, and the line goes."""
    page = await shown(browser, f"{front.origin}/console/alarms", **PHONE)
    await page.until(says("Heart"))
    front.faults.append(fault)
    await page.until(f"document.querySelector('.stale')?.innerText.includes({json.dumps(words)})")
    assert await page.value(says("Heart"))
    front.faults.clear()
    await page.until("document.querySelector('.stale') === null")
    assert await page.value(says("Heart"))
    await closed(page)


async def test_too_many_requests_are_not_answered_with_more(browser: Chromium, front: Front) -> None:
    """A 429 that asks for an hour is obeyed: nothing is asked again until something else changes the page."""
    front.faults.append(Fault(prefix="/v1/deliveries", status=429, headers={"retry-after": "3600"}))
    page = await browser.open(f"{front.origin}/console/deliveries", **DESK)
    await page.until("document.querySelector('.failure') !== null")
    front.asked.clear()
    await page.value("new Promise((done) => setTimeout(done, 4000))")
    assert [path for path in front.asked if path.startswith("/v1/deliveries?")] == []
    await closed(page)


async def test_gone_and_back_with_another_version(browser: Chromium, front: Front) -> None:
    """What was typed stays; the page offers the new version, and does not take it by itself; loaded anew, the text is there."""
    page = await shown(browser, f"{front.origin}/console/alarms/new", **DESK)
    await page.value("document.querySelector('.form input').focus()")
    await page.call("Input.insertText", text="Typed before the update")
    front.faults.append(Fault(gone=True))
    front.cut()
    await page.until(says("Connecting"))
    front.rewrite = lambda html: html.replace(b"/assets/main-", b"/assets/next-")
    front.faults.clear()
    await page.until(says("Tocsin was updated."))
    assert await page.value("document.querySelector('.form input').value") == "Typed before the update"
    front.rewrite = None
    await press(page, "Load the new version")
    await page.until("document.querySelector('.form input')?.value === 'Typed before the update'")
    await closed(page)


async def test_a_gap_in_the_stream_loses_nothing(browser: Chromium, front: Front) -> None:
    """The stream is cut five times; the list shows every firing of the meantime, in order, without a hole."""
    page = await shown(browser, f"{front.origin}/console/firings", **DESK)
    for _ in range(5):
        await page.until(says("Live"))
        front.cut()
    before = await page.value("document.querySelectorAll('.extent .row').length")
    await page.until(
        f"document.querySelectorAll('.extent .row').length > {before} || document.querySelectorAll('.extent .row').length > 15"
    )
    times = await page.value("[...document.querySelectorAll('.extent .row time time')].map((item) => Date.parse(item.dateTime))")
    assert times == sorted(times, reverse=True)
    await closed(page)


@pytest.mark.parametrize("tabs", [2, 10])
async def test_all_tabs_share_one_stream(browser: Chromium, front: Front, tabs: int) -> None:
    """Each tab shows what changes; the server has one stream."""
    pages = [await shown(browser, f"{front.origin}/console/firings", **DESK) for _ in range(tabs)]
    await eventually(lambda: front.streams == 1, seconds=30, what="one stream")
    newest = "document.querySelector('.extent .row time time').dateTime"
    first = [await page.value(newest) for page in pages]
    for page, before in zip(pages, first, strict=True):
        await page.call("Page.bringToFront")
        await page.until(f"{newest} > {json.dumps(before)}")
    await eventually(lambda: front.streams == 1, seconds=30, what="one stream again")
    await closed(*pages)


@pytest.mark.parametrize(("seconds", "word"), [(-HOUR, "slow"), (HOUR, "fast")], ids=["slow", "fast"])
async def test_a_clock_that_is_an_hour_off(browser: Chromium, front: Front, seconds: int, word: str) -> None:
    """Times are the server's: an alarm in ten seconds counts down from ten, the chart begins with this hour, and a list goes on live."""
    script = WRONG_CLOCK.format(seconds=seconds)
    page = await browser.open(f"{front.origin}/console", script=script, **DESK)
    await page.until(says("Heart"))
    await press(page, "Ring me in 10 seconds")
    await page.until(says("It rings in"))
    left = await page.value("Number(/It rings in (\\d+) s/.exec(document.body.innerText)[1])")
    assert 0 < left <= 11
    await page.until(says("It rang"))
    assert not await page.value(f"{FAR}.test([...document.querySelectorAll('section')].at(-1).innerText)")
    # The first bar of the forecast is the minute of now, by the clock that is right.
    away = await page.value(f"rightNow() - Date.parse({FORECAST}.querySelector('th').textContent)")
    assert abs(away) < 600_000
    await page.value("document.querySelector('a[href=\"/console/firings\"]').click()")
    await page.until("document.querySelector('.extent .row time time') !== null")
    first = await page.value("document.querySelector('.extent .row time time').dateTime")
    await page.until(f"document.querySelector('.extent .row time time').dateTime > {json.dumps(first)}")
    assert not await page.value(f"{FAR}.test(document.querySelector('.extent').innerText)")
    await page.call("Page.navigate", url=f"{front.origin}/console/alarms/new")
    await page.until("document.querySelector('[name=rule]') !== null")
    await page.value("document.querySelector('[name=rule]').click()")  # once
    await page.until("document.querySelector('[type=datetime-local]') !== null")
    assert abs(await page.value("Date.parse(document.querySelector('[type=datetime-local]').value) - rightNow()") - HOUR * 1000) < 600_000
    await page.value("document.querySelector('a[href=\"/console/settings\"]').click()")
    # An answer says when it was written, and may have been on its way for seconds.
    await page.until(" || ".join(says(f"This computer's clock is {HOUR + off} s {word}.") for off in range(-9, 10)))
    await page.value("document.querySelector('a[href=\"/console/settings/security\"]').click()")
    await page.until(says("This one"))
    assert not await page.value(f"{FAR}.test(document.body.innerText)")
    await closed(page)


async def test_names_that_want_to_do_harm(browser: Chromium, front: Front) -> None:
    """Markup, text from right to left, emoji and 200 characters on every page: text, on its line, within the page."""
    wrong: list[str] = []
    for path in (*places(APP.read_text("utf-8")), *OPENED):
        page = await shown(browser, f"{front.origin}/console/{path}".rstrip("/"), **DESK)
        for size in (DESK, PHONE):
            await page.call("Emulation.setDeviceMetricsOverride", **size, deviceScaleFactor=2, mobile=True)
            await page.value("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            fits = await page.value(FITS)
            wrong += [] if fits else [f"{path}: wider than {size['width']} px"]
        text = await page.value("document.body.innerText")
        wrong += [f"{path}: says {word}" for word in ("undefined", "[object Object]", "NaN") if word in text]
        wrong += [] if await page.value("document.querySelector('main img') === null") else [f"{path}: has an image"]
        wrong += [f"{path}: {violation}" for violation in await page.value("violations") if not violation.startswith("frame-src")]
        await closed(page)
    assert wrong == []
