"""Templates and people in the console, in a real Chromium: by keyboard alone, with bad lines, and with texts that would do harm."""

import json

import httpx2
import pytest

from tests.browser.chromium import Chromium, Page
from tests.browser.console import DESK, HOSTILE_NAME, PHONE, SHOTS, press, says, shown, strike, tab_to, type_anew
from tocsin.testing.http import HttpSink
from tocsin.testing.stack import RunningStack

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600), pytest.mark.asyncio(loop_scope="session")]

FOCUS = "document.activeElement"
OVER_THE_HEADING = (
    "document.elementFromPoint(...(({ x, y }) => [x + 5, y + 5])(document.querySelector('h1').getBoundingClientRect())).tagName"
)
RENDERED = "document.querySelector('iframe.mail')?.contentDocument?.body?.innerText"


def client(stack: RunningStack) -> httpx2.Client:
    """A program that looks at what the console did."""
    return httpx2.Client(base_url=stack.info["http"], headers={"authorization": f"Bearer {stack.api_key}"})


async def fill(page: Page, label: str, text: str) -> None:
    """Types into the field of that label."""
    found = f"[...document.querySelectorAll('label')].find((item) => item.innerText.trim().startsWith({json.dumps(label)}))"
    await page.until(f"{found} !== undefined")
    await page.value(f"{found}.querySelector('input, textarea').focus()")
    await type_anew(page, text)


async def test_a_template_is_edited_by_keyboard_alone(browser: Chromium, home: str, stack: RunningStack) -> None:
    """The list, the editor, the preview while one types, and the new version in use: without a mouse."""
    with client(stack) as api:
        api.post("/v1/templates", json={"name": "templates/tea", "subject": "Tea", "text": "Tea", "html": "<p>Tea</p>"}).raise_for_status()
    page = await shown(browser, f"{home}/templates", **DESK)
    await page.until("document.querySelector('[data-row=\"templates/tea\"]') !== null")
    await tab_to(page, f"{FOCUS}.dataset.row === 'templates/tea'")
    await strike(page, "Enter")
    await page.until("document.querySelector('.panel .actions a') !== null")
    await tab_to(page, f"{FOCUS}.matches('.panel .actions a')")
    await strike(page, "Enter")
    await page.until(f"{FOCUS}.closest('.bench label')?.innerText.startsWith('Subject')")
    await type_anew(page, "Tea for {{ name }}")
    await tab_to(page, f"{FOCUS}.closest('label')?.innerText.startsWith('HTML')")
    await type_anew(page, "<p style='color: green'>Tea for <b>{{ name }}</b></p>")
    await page.until(says("Add name"))
    await tab_to(page, f"{FOCUS}.innerText === 'Add name'")
    await strike(page, "Enter")
    await page.until(f"{RENDERED} === 'Tea for name'")
    assert (
        await page.value("getComputedStyle(document.querySelector('iframe.mail').contentDocument.querySelector('p')).color")
        == "rgb(0, 128, 0)"
    )
    await page.screenshot(SHOTS / "console-template-editor.png")
    await tab_to(page, f"{FOCUS}.innerText === 'Save and use'")
    await strike(page, "Enter")
    await page.until(says("Version 2, in use"))
    with client(stack) as api:
        assert api.get("/v1/templates/tea").json()["subject"] == "Tea for {{ name }}"
    await page.until("document.querySelector('.diff .added')?.innerText.includes('Tea for {{ name }}')")
    assert await page.value("violations") == []


async def test_what_is_wrong_with_a_template_is_said_beside_its_field(browser: Chromium, home: str) -> None:
    """A broken text, broken test data: each is told where it is, what was there stays, and nothing typed is lost by a reload."""
    page = await shown(browser, f"{home}/templates?new", **DESK)
    await fill(page, "Code", "broken")
    await fill(page, "Subject", "Hello")
    await fill(page, "Text", "Hello {{ name")
    await page.until("document.querySelector('.bench .field .wrong')?.innerText.includes('line 1')")
    await fill(page, "Text", "Hello {{ name }}")
    await fill(page, "Values, as JSON", '{"variables": {"name": "Ann",}}')
    await page.until(says("Line 1, column 30"))
    await fill(page, "Values, as JSON", '{"variables": {"name": 3}}')
    await page.until(says('variables["name"]: must be a string'))
    await fill(page, "Values, as JSON", '{"variables": {"name": "Ann"}}')
    await page.until(says("Hello Ann"))
    await page.call("Page.reload")
    await page.until(says("Hello Ann"))
    await press(page, "Discard what I typed")
    await page.until(
        "[...document.querySelectorAll('.bench form :is(input, textarea)')].every((item) => item.value === '' || item.type === 'checkbox')"
    )


async def test_a_version_is_promoted_and_sent(browser: Chromium, home: str, stack: RunningStack) -> None:
    """A version that is kept for later is compared, put in use, and sent to whoever asks."""
    with client(stack) as api:
        api.post("/v1/templates", json={"name": "templates/kept", "subject": "Old", "text": "Old"}).raise_for_status()
        api.put("/v1/templates/kept", params={"promote": False}, json={"subject": "New", "text": "New"}).raise_for_status()
    page = await shown(browser, f"{home}/templates/kept?version=2", **PHONE)
    await page.until(says("Version 2, not in use"))
    await page.until("document.querySelector('.diff .gone')?.innerText.includes('Old')")
    await press(page, "Use this version")
    await page.until(says("Version 2, in use"))
    await page.value("document.querySelector('[aria-label=\"Address to send it to\"]').focus()")
    await type_anew(page, "ann@example.com")
    await press(page, "Send")
    await page.until(says("It is on its way"))
    assert await page.value("document.documentElement.scrollWidth <= window.innerWidth")
    await press(page, "Delete")
    await page.until("document.querySelector('dialog[open]') !== null")
    await page.value("document.querySelector('dialog .risky').click()")
    await page.until("location.pathname === '/console/templates'")
    with client(stack) as api:
        assert api.get("/v1/templates/kept").status_code == 404


async def test_an_import_is_checked_before_anything_is_made(browser: Chromium, home: str, stack: RunningStack) -> None:
    """A bad line is told by its number, field and reason, and nothing is made; mended, all of it is."""
    page = await shown(browser, f"{home}/import", **DESK)
    good = "recipients/imported-1,Ann,imported-1@example.com"
    await fill(page, "Or paste it", f"name,displayName,email\n{good}\nrecipients/imported-2,Bob,no address\n")
    await press(page, "Check it")
    await page.until(says("1 refused"))
    row = await page.value("[...document.querySelectorAll('.refusals tbody td')].map((cell) => cell.innerText)")
    assert (row[0], row[1], row[3]) == ("3", "addresses[0].value", "recipients/imported-2,Bob,no address")
    assert not await page.value(says("Import it"))
    await page.screenshot(SHOTS / "console-import.png")
    with client(stack) as api:
        assert api.get("/v1/recipients/imported-1").status_code == 404
    items = [{"name": f"recipients/imported-{n}", "displayName": HOSTILE_NAME} for n in (1, 2)]
    await fill(page, "Or paste it", json.dumps(items, indent=2))
    await press(page, "Check it")
    await page.until(says("2 new"))
    await press(page, "Import it")
    await page.until("document.querySelector('[role=status] h2')?.innerText === 'Imported'")
    with client(stack) as api:
        assert api.get("/v1/recipients/imported-2").json()["displayName"] == HOSTILE_NAME
    assert await page.value("violations") == []


async def test_a_person_and_an_address(browser: Chromium, home: str, stack: RunningStack) -> None:
    """Somebody is made, gets an address, confirms it by the code of the mail, loses it, and has it back by undo."""
    page = await shown(browser, f"{home}/recipients?new", **DESK)
    await fill(page, "Name", "Cleo")
    await fill(page, "Id", "cleo")
    await fill(page, "Time zone", "Europe/Nowhere")
    await page.value("[...document.querySelectorAll('.panel button')].find((item) => item.innerText === 'New person').click()")
    await page.until("document.querySelector('.panel .wrong')?.innerText.includes('Europe/Nowhere')")
    await fill(page, "Time zone", "Europe/Zurich")
    await page.value("[...document.querySelectorAll('.panel button')].find((item) => item.innerText === 'New person').click()")
    await page.until("location.pathname === '/console/recipients/cleo'")
    await page.until("document.querySelector('.panel [aria-label=Address]') !== null")
    await page.value("document.querySelector('.panel [aria-label=Address]').focus()")
    await type_anew(page, "cleo@example.com")
    await press(page, "Add address")
    await press(page, "Send code")
    await page.until(says("A code is on its way to cleo@example.com"))
    await page.value("document.querySelector('[aria-label=Code]').focus()")
    await type_anew(page, _code(stack))
    await press(page, "Confirm")
    await page.until("document.querySelector('.panel .tall .state')?.innerText === 'Confirmed'")
    await page.value("document.querySelector('[aria-label=\"Delete cleo@example.com\"]').click()")
    await page.until(says("cleo@example.com is removed"))
    await press(page, "Undo")
    await page.until(says("cleo@example.com is there again."))
    await page.until("document.querySelector('.panel .tall .state')?.innerText === 'Confirmed'")
    with client(stack) as api:
        assert [item["state"] for item in api.get("/v1/recipients/cleo").json()["addresses"]] == ["ACTIVE"]
    assert await page.value("violations") == []


def _code(stack: RunningStack) -> str:
    """The code of the mail to cleo; the mail is on its way when the console says so."""
    mails: list[dict[str, str]] = []
    with client(stack) as api:
        while not mails:
            listed = api.get("/v1/inbox/messages", params={"pageSize": 50}).json()["messages"]
            mails = [mail for mail in listed if "cleo@example.com" in mail.get("to", [])]
        text = api.get(f"/v1/{mails[0]['name']}").json()["text"]
    return next(word for word in text.split() if len(word.strip(".")) >= 6 and word.strip(".").isdigit()).strip(".")


@pytest.mark.parametrize("path", ["recipients/hostile", "groups/hostile", "templates/hostile"], ids=["recipient", "group", "template"])
async def test_hostile_names_are_text(browser: Chromium, home: str, path: str) -> None:
    """Markup, a text from right to left, an emoji and 200 characters are shown as they are, and nothing grows wider for them."""
    page = await shown(browser, f"{home}/{path}", **PHONE)
    await page.until("document.querySelector('.panel h2') !== null && " + says(HOSTILE_NAME[:30]))
    assert await page.value("document.querySelectorAll('main img').length") == 0
    assert await page.value("document.documentElement.scrollWidth <= window.innerWidth")
    assert await page.value("violations") == []


EVIL = """
const page = document.querySelector("iframe.mail").contentDocument;
page.documentElement.innerHTML = `
  <meta http-equiv="refresh" content="0; url=%(url)s/refresh"><link rel="stylesheet" href="%(url)s/link.css">
  <script>top.hit = 1</script><svg onload="top.hit = 1"></svg><img src="%(url)s/img" onerror="top.hit = 1">
  <form action="%(url)s/form"><input name="x"><button>Send</button></form>
  <form action="/session" method="post" target="_top"><button>x</button></form>
  <iframe src="%(url)s/frame"></iframe><object data="%(url)s/object"></object>
  <video src="%(url)s/video" autoplay></video>
  <a id="top" href="%(url)s/top" target="_top">x</a>
  <a id="new" href="%(url)s/new" target="_blank">x</a><a id="run" href="javascript:top.hit=1">x</a>
  <style>@import url(%(url)s/import.css); body { background: url(%(url)s/css) }</style>`;
const script = page.createElement("script");
script.textContent = "top.hit = 1";
page.body.append(script);
for (const item of page.querySelectorAll("button, a")) item.click();
fetch("/session").then(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))).then(() => null);
"""


async def test_html_does_nothing_outside_its_frame(browser: Chromium, home: str) -> None:
    """Neither what the mailer lets through nor what it would refuse runs, loads, sends, leaves or covers anything."""
    async with HttpSink() as sink:
        page = await shown(browser, f"{home}/templates/hostile?edit", **DESK)
        await page.until(f"{RENDERED}?.includes('name')")
        await page.value(EVIL % {"url": sink.url})
        assert await page.value("window.hit ?? null") is None
        assert await page.value("location.pathname") == "/console/templates/hostile"
        assert await page.value(OVER_THE_HEADING) == "H1"
        assert sink.requests == []
        assert await page.value("violations.filter((item) => !item.startsWith('frame-src'))") == []


async def test_a_hostile_mail_does_nothing_outside_its_frame(browser: Chromium, home: str, stack: RunningStack) -> None:
    """The mail in the inbox is shown, loads nothing from elsewhere, and covers nothing of the page."""
    async with HttpSink() as sink:
        html = f"<style>body {{ position: fixed; inset: 0; z-index: 9999 }}</style><img src='{sink.url}/pixel' alt='x'><p>Seen</p>"
        with client(stack) as api:
            body = {"to": ["pixel@example.com"], "subject": "Pixel", "text": "x", "html": html}
            api.post("/v1/notifications", json=body).raise_for_status()
        page = await shown(browser, f"{home}/inbox", **DESK)
        await press(page, "Pixel")
        await page.until("document.querySelector('iframe.mail') !== null")
        await page.value("new Promise((done) => document.querySelector('iframe.mail').addEventListener('load', done)).then(() => null)")
        assert await page.value(OVER_THE_HEADING) == "H1"
        assert sink.requests == []
