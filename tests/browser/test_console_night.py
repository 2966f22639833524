"""A bad night and a maintenance by the console: what is open and who is next, silences, alarms of a filter, and where the focus goes."""

import json
from typing import Any, Final

import httpx2
import pytest

from tests.browser.chromium import Chromium
from tests.browser.console import DESK, PHONE, WATCH_VIOLATIONS, press, says, shown, strike
from tocsin.testing.stack import RunningStack

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600), pytest.mark.asyncio(loop_scope="session")]

PANEL: Final = "document.querySelector('.panel') !== null && document.querySelector('[aria-busy=true]') === null"
HEADING: Final = "document.querySelector('.panel h2')"
WORDS: Final = "document.querySelector('.panel textarea').value"
GERMAN: Final = "localStorage.setItem('tocsin.language', 'de');"


def client(stack: RunningStack) -> httpx2.Client:
    """A program that looks at what the console did."""
    return httpx2.Client(base_url=stack.info["http"], headers={"authorization": f"Bearer {stack.api_key}"}, timeout=60)


def made(stack: RunningStack, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """What the API makes of a body."""
    with client(stack) as api:
        return api.post(path, json=body).raise_for_status().json()


async def test_another_language_is_there_from_the_start(browser: Chromium, home: str) -> None:
    """A page that is opened by somebody who wants German says everything in German; the next page as well."""
    page = await browser.open(home, script=WATCH_VIOLATIONS + GERMAN, **DESK)
    await page.until(says("Alle Dienste"))
    await page.call("Page.navigate", url=f"{home}/silences")
    await page.until(says("Neue Stummschaltung"))
    assert await page.value("document.documentElement.lang") == "de"
    assert await page.value("violations") == []
    await page.value("localStorage.removeItem('tocsin.language')")
    await page.call("Page.close")


async def test_a_flood_is_silenced_from_its_incident(browser: Chromium, home: str, stack: RunningStack) -> None:
    """On a phone: the incident says who is next; what is like it is silenced by its labels, for a time, with a way back."""
    steps = [{"targets": ["rotations/shop"], "wait": "300s"}, {"targets": ["recipients/ann", "rotations/shop"], "wait": "3600s"}]
    made(stack, "/v1/escalationPolicies", {"name": "escalationPolicies/flood", "displayName": "Flood", "steps": steps})
    body = {"title": "Search is slow", "labels": {"service": "search", "host": "web-1"}, "escalationPolicy": "escalationPolicies/flood"}
    incident = made(stack, "/v1/incidents", body)["name"]
    page = await shown(browser, f"{home}/{incident}", **PHONE)
    await page.until(says("Ann Example") + " && " + says("Shop ("))
    await press(page, "Silence similar")
    await page.until(f"{PANEL} && document.querySelector('.panel textarea') !== null")
    assert sorted((await page.value(WORDS)).splitlines()) == ["host=web-1", "service=search"]
    await page.value("document.querySelector('.panel textarea').focus(); document.querySelector('.panel textarea').select()")
    await page.call("Input.insertText", text="search")
    await page.until(says("Each line needs a label"))
    assert await page.value("document.querySelector('.panel [type=submit]').disabled")
    await page.value("document.querySelector('.panel textarea').select()")
    await page.call("Input.insertText", text="service=search")
    await press(page, "4 h")
    await page.value("document.querySelector('.panel [type=submit]').click()")
    await page.until(says("Nobody is told of these until") + f" && location.pathname === '/console/{incident}'")
    await press(page, "Undo")
    await page.until(says("The silence has ended."))
    with client(stack) as api:
        (silence,) = api.get("/v1/silences").raise_for_status().json()["silences"]
    assert [(item["label"], item.get("value")) for item in silence["matchers"]] == [("service", "search")]
    assert (silence["state"], silence["comment"]) == ("EXPIRED", "Search is slow")
    await press(page, "Silences")
    await page.until("document.querySelector('.extent .row') !== null && " + says("Over"))
    assert await page.value("document.documentElement.scrollWidth <= window.innerWidth")
    assert await page.value("violations") == []
    await page.call("Page.close")


async def test_what_somebody_has_stays_on_the_first_page(browser: Chromium, home: str, stack: RunningStack) -> None:
    """The worst is there, however many came after it; acknowledged, it is still open, and stands behind those that nobody has."""
    incident = made(stack, "/v1/incidents", {"title": "Queue grows", "severity": "CRITICAL"})["name"]
    for number in range(12):
        made(stack, "/v1/incidents", {"title": f"Host web-{number} does not answer", "severity": "WARNING"})
    page = await shown(browser, home, **PHONE)
    link = f"item.querySelector('a').getAttribute('href') === '/console/{incident}'"
    row = f"[...document.querySelectorAll('.urgent li')].find((item) => {link})"
    await page.until(f"{row} !== undefined")
    await page.value(f"{row}.querySelector('button').click()")
    await page.until(f"{row}.innerText.includes('Acknowledged') && {row}.querySelector('button') === null")
    assert await page.value("violations") == []
    await page.call("Page.close")


async def test_alarms_of_a_service_pause_for_maintenance(browser: Chromium, home: str, stack: RunningStack) -> None:
    """The label of one leads to all that have it; they pause and resume together, after a question that says how many they are."""
    names = [f"Import {number}" for number in range(3)]
    for name in names:
        body = {
            "displayName": name,
            "labels": {"service": "import"},
            "trigger": {"every": "3600s"},
            "action": {"task": {"handler": "noop"}},
        }
        made(stack, "/v1/alarms", body)
    page = await shown(browser, f"{home}/alarms", **DESK)
    await press(page, names[0])
    await page.until(PANEL)
    await page.value("[...document.querySelectorAll('.facts a')].find((item) => item.innerText.trim() === 'service=import').click()")
    await page.until("document.querySelectorAll('.extent .row').length === 3 && document.querySelector('.panel') === null")
    for word, state in (("Pause", "PAUSED"), ("Resume", "ACTIVE")):
        await page.value(
            f"[...document.querySelectorAll('.actions button')].find((item) => item.innerText === '{word} all of these').focus()"
        )
        await strike(page, "Enter")
        await page.until("document.querySelector('dialog[open]')?.innerText.includes('all 3')")
        await strike(page, "Tab")
        await page.until("document.activeElement.matches('dialog .risky')")
        await strike(page, "Enter")
        await page.until(says(f"3 {word.lower().removesuffix('e')}ed."))
        await page.until(f"document.querySelector('dialog') === null && document.activeElement.innerText === '{word} all of these'")
        with client(stack) as api:
            filtered = {"filter": 'labels.service="import"'}
            found = api.get("/v1/alarms", params=filtered).raise_for_status().json()["alarms"]
        assert {alarm["state"] for alarm in found} == {state}
    await press(page, "Resume all of these")
    await page.until(says("None of them is paused."))
    assert await page.value("violations") == []
    await page.call("Page.close")


async def test_a_name_that_is_typed_is_no_expression(browser: Chromium, home: str) -> None:
    """Whoever types a word means a name, or an address, and is told nothing of a grammar."""
    for path, typed, filtered in (("alarms", "Backup", 'text="Backup"'), ("deliveries", "ann@example.com", 'to="ann@example.com"')):
        page = await shown(browser, f"{home}/{path}", **DESK)
        await page.value("document.querySelector('.filter input').focus()")
        await page.call("Input.insertText", text=typed)
        await strike(page, "Enter")
        await page.until(f"new URLSearchParams(location.search).get('filter') === {json.dumps(filtered)}")
        await page.until("document.querySelector('[aria-busy=true]') === null && document.querySelector('.failure') === null")
        await page.call("Page.close")


async def test_the_focus_goes_to_what_opens_and_back(browser: Chromium, home: str) -> None:
    """Opened by Enter, a panel has the focus, which Tab moves on within it; closed by Escape, the row has it again."""
    page = await shown(browser, f"{home}/deliveries", **DESK)
    await page.until("document.querySelector('.extent .row') !== null")
    await page.value("document.querySelector('.extent .row a').focus()")
    row = await page.value("document.activeElement.dataset.row")
    await strike(page, "Enter")
    await page.until(f"{HEADING} !== null && document.activeElement === {HEADING}")
    await strike(page, "Tab")
    await page.until("document.activeElement.closest('.panel') !== null")
    await strike(page, "Escape")
    await page.until(f"document.querySelector('.panel') === null && document.activeElement.dataset.row === {json.dumps(row)}")
    assert await page.value("violations") == []
    await page.call("Page.close")
