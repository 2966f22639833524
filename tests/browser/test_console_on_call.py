"""On call and integrations in the console, in a real Chromium: by keyboard alone, by dragging, and with payloads that would do harm."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx2
import pytest

from tests.browser.chromium import Chromium, Page
from tests.browser.console import DESK, HOSTILE_NAME, PHONE, SHOTS, WATCH_VIOLATIONS, press, says, shown, strike, tab_to
from tocsin.testing.stack import RunningStack

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600), pytest.mark.asyncio(loop_scope="session")]

FOCUS: Final = "document.activeElement"
LOSES_AN_ANSWER: Final = """
const real = window.fetch;
let lost = false;
window.fetch = async (...call) => {
  const request = call[0] instanceof Request ? call[0] : new Request(...call);
  const answer = await real(...call);
  if (lost || request.method !== "POST" || !request.url.endsWith("/v1/escalationPolicies")) return answer;
  lost = true;
  throw new TypeError("Failed to fetch");
};
"""
"""The first answer to a new policy is lost on its way, as when a connection breaks."""


def client(stack: RunningStack) -> httpx2.Client:
    """A program that looks at what the console did."""
    return httpx2.Client(base_url=stack.info["http"], headers={"authorization": f"Bearer {stack.api_key}"})


def asked(api: httpx2.Client, path: str) -> Any:
    """What the API answers."""
    return api.get(path).raise_for_status().json()


async def write(page: Page, label: str, text: str) -> None:
    """Goes to the field of that label by Tab, and types."""
    await tab_to(page, f"{FOCUS}.labels?.[0]?.innerText.startsWith({json.dumps(label)})")
    await page.call("Input.insertText", text=text)


async def fill(page: Page, selector: str, text: str) -> None:
    """Puts a text into a field, as typing it would."""
    await page.until(f"document.querySelector({json.dumps(selector)}) !== null")
    await page.value(f"document.querySelector({json.dumps(selector)}).focus(); {FOCUS}.select()")
    await page.call("Input.insertText", text=text)


async def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Presses the mouse at one point and lets it go at another."""
    steps = [("mousePressed", start), ("mouseMoved", ((start[0] + end[0]) / 2, start[1])), ("mouseMoved", end), ("mouseReleased", end)]
    for kind, (x, y) in steps:
        await page.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)


async def test_on_call_is_set_up_by_keyboard_alone(browser: Chromium, home: str, stack: RunningStack) -> None:
    """A team, somebody new, Enter: rotation, policy, integration and the test's incident are there once, though an answer was lost."""
    page = await browser.open(f"{home}/on-call-setup", script=WATCH_VIOLATIONS + LOSES_AN_ANSWER, **DESK)
    await page.until(f"{FOCUS}?.closest('label')?.innerText.startsWith('Name of the team')")
    await page.call("Input.insertText", text="Night \U0001f319 <i>watch</i>")
    await tab_to(page, f"{FOCUS}.innerText?.includes('Somebody who is not in the list')")
    await strike(page, "Enter")
    await page.until(f"{FOCUS}.closest('label')?.innerText.startsWith('Name')")
    await page.call("Input.insertText", text="Nora Example")
    await write(page, "E-mail address", "nora@example.com")
    await strike(page, "Enter")
    await page.until(says("cannot be reached"))
    await page.until(says("What is done above exists, and stays."))
    await page.screenshot(SHOTS / "console-setup-failed.png")
    await tab_to(page, f"{FOCUS}.innerText === 'Try again'")
    await strike(page, "Enter")
    await page.until(says("It works"))
    await page.until(says("Whoever is on call was told."))
    await page.screenshot(SHOTS / "console-setup-done.png")
    await tab_to(page, f"{FOCUS}.innerText === 'the incident is open'")
    await strike(page, "Enter")
    await page.until(
        "location.pathname.startsWith('/console/incidents/') && document.querySelector('.panel h2')?.innerText.startsWith('Night')"
    )
    assert await page.value("violations") == []
    with client(stack) as api:
        policies = [item for item in asked(api, "/v1/escalationPolicies")["escalationPolicies"] if item["displayName"].startswith("Night ")]
        rotations = [item for item in asked(api, "/v1/rotations")["rotations"] if item["displayName"].startswith("Night ")]
        integrations = [item for item in asked(api, "/v1/integrations")["integrations"] if item["displayName"].startswith("Night ")]
    assert [len(found) for found in (policies, rotations, integrations)] == [1, 1, 1], "each is there once"
    assert integrations[0]["escalationPolicy"] == policies[0]["name"]
    assert policies[0]["steps"][0]["targets"] == [rotations[0]["name"]]


async def test_an_override_by_form_is_taken_back_by_undo(browser: Chromium, home: str, stack: RunningStack) -> None:
    """By keyboard: a shift is opened by Enter, somebody is picked by a part of the name; undo takes it back."""
    page = await shown(browser, f"{home}/on-call/shop", **DESK)
    await tab_to(page, f"{FOCUS}.matches('.calendar .shift')")
    await strike(page, "ArrowRight")
    await strike(page, "Enter")
    await page.until("location.search.includes('override') && document.querySelector('.panel form') !== null")
    await write(page, "Who", "eve")
    await strike(page, "Enter")
    await page.until("document.querySelector('.chips')?.innerText.includes('Eve Example')")
    await write(page, "Why", "a swap")
    await strike(page, "Enter")
    await page.until(says("The override is set."))
    with client(stack) as api:
        (made,) = asked(api, "/v1/rotations/shop/overrides")["overrides"]
    assert (made["kind"], made["recipients"], made["comment"]) == ("REPLACE", ["recipients/eve"], "a swap")
    await page.until("document.querySelector('.shift.override') !== null")
    await page.screenshot(SHOTS / "console-override.png")
    await press(page, "Undo")
    await page.until("document.querySelector('.shift.override') === null")
    with client(stack) as api:
        assert asked(api, "/v1/rotations/shop/overrides")["overrides"] == []
    assert await page.value("violations") == []


async def test_who_is_on_call_changes_while_somebody_looks(browser: Chromium, home: str, stack: RunningStack) -> None:
    """By an override that a program makes and takes back, and when one begins: nobody touches the page."""
    page = await shown(browser, f"{home}/on-call", **DESK)
    has = "document.querySelector('table.duty a[href*=\"/on-call/shop\"]')?.closest('tr').cells[1].innerText"
    await page.until(f"{has} !== undefined")
    before = await page.value(has)

    def override(api: httpx2.Client, ahead: int) -> str:
        begin = datetime.now(UTC) + timedelta(seconds=ahead)
        times = {"startTime": begin.isoformat(), "endTime": (begin + timedelta(hours=1)).isoformat()}
        body = {"kind": "REPLACE", "recipients": ["recipients/ann", "recipients/eve"], "comment": "a swap", **times}
        return api.post("/v1/rotations/shop/overrides", json=body).raise_for_status().json()["name"]

    with client(stack) as api:
        for ahead in (0, 3):
            made = override(api, ahead)
            await page.until(f"{has}.includes(', ')")
            api.delete(f"/v1/{made}").raise_for_status()
            await page.until(f"{has} === {json.dumps(before)}")
    assert await page.value("violations") == []


async def test_an_override_by_dragging_over_the_calendar(browser: Chromium, home: str, stack: RunningStack) -> None:
    """From noon of a day to the evening of the next, on which the clocks change: the form has these times, and so has the override."""
    page = await shown(browser, f"{home}/on-call?at=2027-03-22", **DESK)
    zones = "document.querySelector('.bar select')"
    await page.value(f"{zones}.value = 'Europe/Berlin'; {zones}.dispatchEvent(new Event('change', {{ bubbles: true }}))")
    await page.until(says("The clocks go forward on Sunday"))
    lane = "document.querySelector('[data-track=\"rotations/shop\"]')"
    await page.value(f"{lane}.scrollIntoView({{ block: 'center' }})")
    left, top, width, height = await page.value(f"(({{ x, y, width, height }}) => [x, y, width, height])({lane}.getBoundingClientRect())")
    noon, evening = left + width * 5.5 / 7, left + width * (6 + 18 / 23) / 7
    await drag(page, (noon, top + height / 2), (evening, top + height / 2))
    await page.until("document.querySelector('.panel form') !== null")
    query = dict(pair.split("=", 1) for pair in str(await page.value("decodeURIComponent(location.search)")).split("&") if "=" in pair)
    assert (query["from"], query["to"]) == ("2027-03-27T11:00:00.000Z", "2027-03-28T17:00:00.000Z"), (
        "12:00 of Saturday to 19:00 of a Sunday of 23 hours"
    )
    await fill(page, ".panel input[list]", "Bob Example")
    await strike(page, "Enter")
    await press(page, "Set the override")
    await page.until(says("The override is set."))
    with client(stack) as api:
        (made,) = asked(api, "/v1/rotations/shop/overrides")["overrides"]
        assert (made["startTime"], made["endTime"], made["recipients"]) == (
            "2027-03-27T11:00:00Z",
            "2027-03-28T17:00:00Z",
            ["recipients/bob"],
        )
        api.delete(f"/v1/{made['name']}").raise_for_status()
    assert await page.value("violations") == []


@pytest.mark.parametrize("page", ["policies", "integrations"])
async def test_a_list_is_searched_by_a_word(browser: Chromium, home: str, page: str) -> None:
    """Policies and integrations, by a part of an id or name whatever its case; that nothing matches is said."""
    seen = await shown(browser, f"{home}/{page}", **DESK)
    await fill(seen, ".filter input", "no such thing")
    await strike(seen, "Enter")
    await seen.until(says("Nothing matches the filter."))
    await fill(seen, ".filter input", "OSTIL")
    await strike(seen, "Enter")
    await seen.until(f"location.search.includes('OSTIL') && document.querySelector('.rows a[href*=\"/{page}/hostile\"]') !== null")
    assert await seen.value("violations") == []


async def test_a_gap_comes_first_and_is_covered(browser: Chromium, home: str, stack: RunningStack) -> None:
    """A time without anybody stands at the top; its button opens the form for that time."""
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=3)
    absent = {
        "kind": "REMOVE",
        "recipients": ["recipients/ann", "recipients/bob"],
        "startTime": start.isoformat(),
        "endTime": (start + timedelta(hours=5)).isoformat(),
    }
    with client(stack) as api:
        made = api.post("/v1/rotations/shop/overrides", json=absent).raise_for_status().json()
    page = await shown(browser, f"{home}/on-call", **PHONE)
    await page.until("document.querySelector('.section h2')?.innerText === 'Nobody is on call'")
    assert await page.value("document.documentElement.scrollWidth <= window.innerWidth")
    await press(page, "Cover")
    await page.until("document.querySelector('.panel form') !== null")
    assert f"from={start:%Y-%m-%dT%H:00:00.000Z}" in await page.value("decodeURIComponent(location.search)")
    with client(stack) as api:
        api.delete(f"/v1/{made['name']}").raise_for_status()


async def test_a_mapping_is_tried_on_a_hostile_payload(browser: Chromium, home: str) -> None:
    """What it would do stands there as text while one types; what is no JSON, and what the paths do not find, is named at its field."""
    page = await shown(browser, f"{home}/integrations/hostile?try", **DESK)
    await page.until(f"document.querySelector('.preview b')?.innerText === {json.dumps(HOSTILE_NAME)}")
    payload = {"name": "\u202e<script>alert(1)</script>", "id": {"a": [1] * 50}, "state": "resolved", "__proto__": {"x": 1}}
    await fill(page, ".panel textarea", json.dumps(payload))
    await page.until("document.querySelector('.preview .state')?.innerText === 'Resolves'")
    assert await page.value("document.querySelector('.preview b').innerText") == "\ufffd<script>alert(1)</script>", (
        "nothing turns the text around"
    )
    await fill(page, ".panel textarea", "{")
    await page.until(says("is no JSON"))
    await fill(page, ".panel textarea", '{"other": 1}')
    await page.until("[...document.querySelectorAll('.mapping .wrong')].some((item) => item.innerText.includes('finds anything'))")
    await page.screenshot(SHOTS / "console-mapping.png")
    assert await page.value("document.querySelectorAll('main img, main script').length") == 0
    assert await page.value("violations") == []


async def test_a_new_key_stands_in_the_line(browser: Chromium, home: str, stack: RunningStack) -> None:
    """The line has the real key once it is made anew, and works as it stands."""
    page = await shown(browser, f"{home}/integrations/hostile", **DESK)
    await press(page, "New key")
    await page.until("document.querySelector('dialog[open] .risky') !== null")
    await page.value("document.querySelector('dialog[open] .risky').click()")
    await page.until(says("shown this once"))
    line = await page.value("document.querySelector('.command code').innerText")
    key = line.split("/integrations/")[1].split("/")[0]
    with httpx2.Client(base_url=stack.info["http"]) as sender:
        assert sender.post(f"/v1/integrations/{key}/generic", json={"name": "It works", "id": "1"}).status_code == 200
    await page.until("document.querySelector('.came .state')?.innerText === 'Taken'")


@pytest.mark.parametrize(
    "path",
    [
        "on-call",
        "on-call/hostile",
        "policies",
        "policies/hostile",
        "integrations/hostile",
        "heartbeats",
        "readings",
        "events",
        "on-call-setup",
    ],
)
async def test_long_names_stay_in_their_place_on_a_phone(browser: Chromium, home: str, path: str) -> None:
    """Markup, a text from right to left, an emoji and 200 characters widen no page and become no element."""
    page = await shown(browser, f"{home}/{path}", **PHONE)
    assert await page.value("document.documentElement.scrollWidth <= window.innerWidth")
    assert await page.value("document.querySelectorAll('main img').length") == 0
    assert await page.value("violations") == []
    await page.screenshot(SHOTS / f"console-phone-{path.replace('/', '-')}.png")
    await page.call("Page.close")
