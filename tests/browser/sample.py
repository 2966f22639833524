"""Fills a stack with what a small company might have: something of everything that the console shows."""

import asyncio
from datetime import timedelta
from typing import Any, Final

import httpx2

from tocsin.clock import SystemClock, from_micros
from tocsin.testing.waiting import eventually

PEOPLE: Final = {"ann": "Ann Baker", "bea": "Béatrice Moreau", "chen": "Chen Wei", "dana": "Dana Levi"}
ALARMS: Final[tuple[dict[str, Any], ...]] = (
    {"displayName": "Check the shop", "trigger": {"every": "1s", "count": 40}, "labels": {"team": "web"}},
    {"displayName": "Rotate the logs", "trigger": {"cron": "*/10 8-18 * * *"}, "labels": {"team": "core"}},
    {"displayName": "Invoices of the day", "trigger": {"daily": {"time": "18:00"}}, "labels": {"team": "billing"}},
    {"displayName": "Backup of db-1", "trigger": {"cron": "0 2 * * *"}, "labels": {"team": "core"}, "priority": "CRITICAL"},
    {"displayName": "Weekly report", "trigger": {"cron": "0 9 * * 1"}, "labels": {"team": "billing"}},
    {"displayName": "Sync the stock", "trigger": {"cron": "*/15 * * * *"}, "labels": {"team": "web"}},
    {"displayName": "Refresh exchange rates", "trigger": {"every": "3600s"}, "labels": {"team": "billing"}},
    {"displayName": "Certificate of shop.example.com", "trigger": {"cron": "0 6 * * *"}, "labels": {"team": "core"}},
)
INCIDENTS: Final[tuple[dict[str, Any], ...]] = (
    {"title": "Checkout answers with errors", "severity": "ERROR", "labels": {"service": "shop"}},
    {"title": "The queue of thumbnails grows", "severity": "WARNING", "labels": {"service": "images"}},
    {"title": "Disk of db-1 is full", "severity": "CRITICAL", "labels": {"service": "db"}, "url": "https://wiki.example.com/db-1"},
)
MESSAGES: Final = (
    ("ann@example.com", "Invoice 2214 is paid", "Thank you. The receipt is attached."),
    ("bea@example.com", "Your stock report", "All 214 articles are in stock."),
    ("chen@example.com", "Welcome to the team", "Your first day is Monday, 9 o'clock, at the front desk."),
    ("sales@example.com", "Five orders wait for a reply", "The oldest is from yesterday evening."),
)
STRICT: Final = '<p>Dear Dana,</p><p>your order <b>4711</b> has left us.</p><p><a href="https://shop.example.com/4711">Where it is</a></p>'


class Sample:
    """Makes it all through the public API."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def fill(self) -> None:
        """Makes everything, and waits until it shows."""
        await self._people()
        await self._on_call()
        await self._alarms()
        await self._messages()
        await self._incidents()
        await self._access()
        await eventually(self._has_fired, seconds=60, what="firings and mails to look at")

    async def _ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        answer = await self._client.request(method, path, json=body)
        answer.raise_for_status()
        return answer.json()

    async def _people(self) -> None:
        await self._ask("POST", "/v1/groups", {"name": "groups/support", "displayName": "Support"})
        await self._ask("POST", "/v1/categories", {"name": "categories/reports", "displayName": "Reports", "channels": ["email"]})
        for name, full in PEOPLE.items():
            address = {"channel": "email", "value": f"{name}@example.com", "state": "ACTIVE"}
            person = {
                "name": f"recipients/{name}",
                "displayName": full,
                "addresses": [address],
                "timeZone": "Europe/Berlin",
                "locale": "en",
            }
            await self._ask("POST", "/v1/recipients", person)
        words = {"subject": "Order {{ order }} is on its way", "text": "Dear {{ name }}, it has left us."}
        html = "<p>Dear {{ name }},</p><p>it has left us.</p>"
        await self._ask("POST", "/v1/templates", {"name": "templates/order-sent", **words, "html": html})
        await self._ask("POST", "/v1/suppressions", {"channel": "inbox", "address": "gone@example.com", "detail": "asked by phone"})

    async def _on_call(self) -> None:
        monday = from_micros(SystemClock().micros()) - timedelta(days=14)
        layer = {
            "displayName": "Week",
            "participants": [{"recipients": [f"recipients/{name}"]} for name in PEOPLE],
            "turnUnit": "WEEKS",
            "turnCount": 1,
            "start": f"{monday:%Y-%m-%dT}09:00",
        }
        rotation = {"name": "rotations/primary", "displayName": "Primary", "timeZone": "Europe/Berlin", "layers": [layer]}
        await self._ask("POST", "/v1/rotations", rotation)
        steps = [{"targets": ["rotations/primary"], "wait": "300s"}, {"targets": ["recipients/bea"], "wait": "600s"}]
        await self._ask("POST", "/v1/escalationPolicies", {"name": "escalationPolicies/nights", "displayName": "Nights", "steps": steps})
        body = {"displayName": "Prometheus", "kind": "ALERTMANAGER", "escalationPolicy": "escalationPolicies/nights"}
        made = await self._ask("POST", "/v1/integrations", body)
        alert = {
            "status": "firing",
            "labels": {"alertname": "HighLatency", "severity": "warning"},
            "annotations": {"summary": "Search is slow"},
        }
        payload = {"version": "4", "status": "firing", "groupKey": "latency", "groupLabels": {}, "commonLabels": {}, "alerts": [alert]}
        await self._ask("POST", f"/v1/integrations/{made['key']}/alertmanager", payload)

    async def _alarms(self) -> None:
        for body in ALARMS:
            await self._ask("POST", "/v1/alarms", {"action": {"task": {"handler": "noop"}}, **body})
        heartbeat = {"trigger": {"heartbeat": {"key": "backup-db-1", "every": "86400s", "grace": "3600s"}}, "labels": {"public": "yes"}}
        notify = {"notify": {"to": ["ann@example.com"], "subject": "The backup of db-1 is late", "text": "Nobody heard of it."}}
        await self._ask("POST", "/v1/alarms", {"displayName": "Backup of db-1 was heard", "action": notify, **heartbeat})
        await self._ask("POST", "/v1/pings/backup-db-1", {})
        broken = {"displayName": "Import of prices", "trigger": {"every": "3s", "count": 2}, "retry": {"maxAttempts": 1}}
        await self._ask("POST", "/v1/alarms", {**broken, "action": {"task": {"handler": "prices.import"}}})
        paused = await self._ask("POST", "/v1/alarms", {"displayName": "Newsletter", "trigger": {"cron": "0 10 * * 4"}, "action": notify})
        await self._ask("POST", f"/v1/{paused['name']}:pause", {})
        warm = {"trigger": {"threshold": {"metric": "cellar.temperature", "comparison": "GREATER_THAN", "value": 24}}}
        await self._ask("POST", "/v1/alarms", {"displayName": "The cellar is warm", "action": notify, **warm})
        await self._ask("POST", "/v1/readings", {"metric": "cellar.temperature", "value": 21.5, "source": "sensor-3"})
        paid = {"displayName": "Thank for the order", "trigger": {"event": {"topic": "orders.paid"}}, "action": notify}
        await self._ask("POST", "/v1/alarms", paid)
        await self._ask("POST", "/v1/events", {"topic": "orders.paid", "data": {"total": 120}, "source": "shop"})
        page = {"enabled": True, "slug": "acme", "title": "Acme status", "labels": {"public": "yes"}}
        await self._ask("PUT", "/v1/statusPage", page)

    async def _messages(self) -> None:
        for to, subject, text in MESSAGES:
            await self._ask("POST", "/v1/notifications", {"to": [to], "subject": subject, "text": text})
        order = {"to": ["dana@example.com"], "subject": "Order 4711 is on its way", "text": "It has left us.", "html": STRICT}
        await self._ask("POST", "/v1/notifications", order)
        suppressed = {"to": ["gone@example.com"], "subject": "Your report", "text": "Attached."}
        await self._ask("POST", "/v1/notifications", suppressed)

    async def _incidents(self) -> None:
        made = [await self._ask("POST", "/v1/incidents", {"escalationPolicy": "escalationPolicies/nights", **body}) for body in INCIDENTS]
        await self._ask("POST", f"/v1/{made[0]['name']}:acknowledge", {})
        await self._ask(
            "POST", f"/v1/{made[0]['name']}:note", {"note": "The payment provider answers with 502; its status page says so too."}
        )
        await self._ask("POST", f"/v1/{made[1]['name']}:resolve", {})
        end = from_micros(SystemClock().micros()) + timedelta(hours=4)
        matchers = [{"label": "service", "value": "backup-*"}, {"label": "severity", "value": "critical", "negate": True}]
        disks = {"matchers": matchers, "comment": "Disks are replaced", "endTime": f"{end:%Y-%m-%dT%H:%M:%SZ}"}
        await self._ask("POST", "/v1/silences", disks)
        window = {"cron": "0 2 * * SUN", "duration": "7200s", "timeZone": "Europe/Berlin"}
        nights = {"matchers": [{"label": "service", "value": "reports"}], "comment": "Maintenance of the database", "recurrence": window}
        await self._ask("POST", "/v1/silences", nights)

    async def _access(self) -> None:
        await self._ask("POST", "/v1/invitations", {"email": "eve@example.com", "role": "roles/operator"})
        await self._ask("POST", "/v1/apiKeys", {"displayName": "Deploy pipeline", "scopes": ["alarms:read", "alarms:write"]})

    async def _has_fired(self) -> bool:
        firings, mails = await asyncio.gather(
            self._ask("GET", "/v1/firings?pageSize=100"), self._ask("GET", "/v1/inbox/messages?pageSize=100")
        )
        return len(firings["firings"]) >= 15 and len(mails["messages"]) >= len(MESSAGES)
