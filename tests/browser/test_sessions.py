"""Signing in with a real Chromium: by the link that a start prints and by a password, and what pages of another port can do with it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser.chromium import Chromium, Page
from tocsin.testing.stack import RunningStack

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


async def fetched(page: Page, path: str, **options: object) -> int:
    """The status of a request that the page makes; 0 if the browser lets it see none."""
    call = f"fetch({json.dumps(path)}, {json.dumps(options)}).then((answer) => answer.status, () => 0)"
    return await page.value(call)


def link_of(stack: RunningStack, tmp_path: Path) -> str:
    """What `tocsin open --print` writes."""
    command = [sys.executable, "-m", "tocsin.cli", "open", "--print", "--state", str(tmp_path / "state")]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout.strip()


ALARM = json.dumps({"trigger": {"every": "1s"}, "action": {"task": {"handler": "noop"}}})
WATCH = """new Promise((tell) => {
  const events = new EventSource("/v1/firings:watch");
  events.onmessage = (event) => { events.close(); tell(event.data); };
})"""
TYPE = """(() => {
  document.querySelector("[name=username]").value = "admin@example.com";
  document.querySelector("[name=password]").value = %s;
  document.querySelector("button").click();
})()"""


async def test_a_newcomer_signs_in_works_and_signs_out(tmp_path: Path, page_url: str, chromium: Chromium) -> None:
    """The link, calls and events without a header, a page of another port that can do nothing, sign-out, then the password."""
    with RunningStack(state=tmp_path / "state", env={"TOCSIN_GATEWAY_CORS_ALLOW_ORIGINS": page_url}) as stack:
        home = stack.info["http"].replace("127.0.0.1", "localhost")
        tab = await chromium.open(f"{home}/docs", width=400, height=800)  # pages that sign in may fetch nothing
        assert await fetched(tab, "/session") == 401
        page = await chromium.open(link_of(stack, tmp_path).replace("127.0.0.1", "localhost"), width=400, height=800)
        await page.value("document.querySelector('button').click()")
        await page.until("!location.pathname.startsWith('/sign-in')")
        assert await fetched(tab, "/session") == 200
        assert await tab.value("document.cookie") == ""
        assert await fetched(tab, "/v1/alarms", method="POST", headers={"content-type": "application/json"}, body=ALARM) == 200
        assert "firing" in await tab.value(WATCH)

        elsewhere = await chromium.open(page_url, width=400, height=800)
        assert await fetched(elsewhere, f"{home}/v1/alarms", credentials="include") == 0
        await fetched(elsewhere, f"{home}/v1/alarms", method="POST", credentials="include", mode="no-cors")
        form = f"<form method=post action='{home}/sign-out'><button>x</button></form>"
        await elsewhere.value(f"document.body.innerHTML = {json.dumps(form)}; document.querySelector('button').click()")
        await elsewhere.until("document.body.innerText.includes('CROSS_SITE_REFUSED')")
        assert await fetched(tab, "/session") == 200

        await page.call("Page.navigate", url=f"{home}/sign-in")
        await page.until("document.querySelector('form[action=\"/sign-out\"]') !== null")
        await page.value("document.querySelector('button').click()")
        await page.until("document.querySelector('input[type=password]') !== null")
        assert await fetched(tab, "/session") == 401
        await page.call("Page.navigate", url=f"{home}/sign-in?returnTo=/docs")
        await page.until("document.querySelector('input[type=password]') !== null && location.search !== ''")
        await page.screenshot(tmp_path / "sign-in.png")
        await page.value(TYPE % json.dumps((tmp_path / "state" / "admin-password").read_text()))
        await page.until("location.pathname === '/docs'")
        assert await fetched(tab, "/session") == 200
