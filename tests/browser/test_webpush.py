"""The example's page in a real Chromium: it subscribes at a running Tocsin, and what that sends becomes a notification.

Chromium has no push service without Google's servers. So the page's subscription names a local push server, which takes what the mailer
encrypted; it is decrypted with the subscription's keys, and handed to the service worker as the browser would.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.chromium import Chromium, Page
from tocsin.testing.browser import PushReceiver
from tocsin.testing.http import HttpSink
from tocsin.testing.stack import RunningStack
from tocsin.testing.waiting import eventually

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

SHOTS = Path(__file__).resolve().parents[2] / "build" / "browser"
PHONE: dict[str, Any] = {"width": 390, "height": 844}
SUBSCRIBE = """
PushManager.prototype.subscribe = async ({ applicationServerKey, userVisibleOnly }) => {
  window.subscribedWith = { key: Array.from(applicationServerKey), userVisibleOnly };
  return { toJSON: () => (SUBSCRIPTION) };
};
"""
NOTIFICATIONS = """
navigator.serviceWorker.ready.then((worker) => worker.getNotifications()).then((found) => found.map(
  ({ title, body, tag, data }) => ({ title, body, tag, data })))
"""


@pytest.fixture
async def stack(tmp_path: Path, page_url: str, push_server: tuple[HttpSink, Path]) -> AsyncIterator[RunningStack]:
    """Tocsin as it runs, with Web Push, for which this machine is the internet."""
    settings = {
        "TOCSIN_MAILER_WEBPUSH_SUBJECT": "mailto:ops@example.com",
        "TOCSIN_GATEWAY_CORS_ALLOW_ORIGINS": page_url,
        "TOCSIN_EGRESS_ALLOW": "127.0.0.0/8",
        "SSL_CERT_FILE": str(push_server[1]),
    }
    with RunningStack(state=tmp_path / "state", env=settings) as running:
        yield running


async def say(page: Page, words: str) -> None:
    """Returns once the page says so."""
    await page.until(f"document.querySelector('[role=status]').textContent === {json.dumps(words)}")


async def test_a_phone_is_notified(stack: RunningStack, page_url: str, push_server: tuple[HttpSink, Path], chromium: Chromium) -> None:
    """Subscribe, send, encrypt, push server, decrypt, service worker, notification; one that comes twice is shown once."""
    sink, _ = push_server
    receiver = PushReceiver()
    script = SUBSCRIBE.replace("SUBSCRIPTION", json.dumps(receiver.subscription(f"{sink.url}/push/1")))
    await chromium.call("Browser.grantPermissions", origin=page_url, permissions=["notifications"])
    page = await chromium.open(page_url, script=script, **PHONE)
    await page.value(f"document.forms[0].gateway.value = {json.dumps(stack.info['http'])}")
    await page.value(f"document.forms[0].key.value = {json.dumps(stack.api_key)}")
    await page.value("document.forms[0].subscribe.click()")
    await say(page, "This device is subscribed.")
    async with stack.client() as client:
        key = (await client.get("/v1/push/key")).json()["publicKey"]
    assert await page.value("btoa(String.fromCharCode(...subscribedWith.key))") == _base64(key)
    await page.value("document.forms[0].try.click()")
    await say(page, "On its way.")

    async def pushed() -> bool:
        return bool(sink.requests)

    await eventually(pushed, what="the push server has the message")
    (request,) = sink.requests
    assert (request.headers["content-encoding"], request.headers["urgency"]) == ("aes128gcm", "high")
    assert f"k={key}" in request.headers["authorization"]
    text = receiver.decrypt(request.body).decode()
    worker = await chromium.event("ServiceWorker.workerRegistrationUpdated", lambda found: bool(found["registrations"]))
    registration = worker["registrations"][0]
    for _ in range(2):
        await page.call("ServiceWorker.deliverPushMessage", origin=page_url, registrationId=registration["registrationId"], data=text)
    await page.until("document.querySelectorAll('li').length === 2")
    (shown,) = await page.value(NOTIFICATIONS)
    data: dict[str, Any] = shown["data"]
    assert (shown["title"], shown["body"], shown["tag"]) == ("It works", "This came by Web Push.", data["delivery"])
    async with stack.client() as client:
        delivery = (await client.get(f"/v1/{data['delivery']}")).json()
    assert (delivery["state"], delivery["channel"]) == ("SENT", "push")
    await page.screenshot(SHOTS / "webpush.png")


async def test_what_is_no_message_is_shown_all_the_same(page_url: str, chromium: Chromium) -> None:
    """A browser takes away the right to push from who shows nothing: an empty or odd message shows the name alone."""
    await chromium.call("Browser.grantPermissions", origin=page_url, permissions=["notifications"])
    page = await chromium.open(page_url, **PHONE)
    await page.until("Notification.permission === 'granted'")
    await page.value("navigator.serviceWorker.register('sw.js').then(() => navigator.serviceWorker.ready).then(() => 1)")
    worker = await chromium.event("ServiceWorker.workerRegistrationUpdated", lambda found: bool(found["registrations"]))
    number = worker["registrations"][0]["registrationId"]
    await page.call("ServiceWorker.deliverPushMessage", origin=page_url, registrationId=number, data="<html>")
    await page.until("document.querySelectorAll('li').length === 1")
    shown = await page.value(NOTIFICATIONS)
    assert [(one["title"], one["body"]) for one in shown] == [("Tocsin", "")]


def _base64(text: str) -> str:
    plain = text.replace("-", "+").replace("_", "/")
    return plain + "=" * (-len(plain) % 4)
