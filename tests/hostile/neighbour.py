"""A tenant that does nothing odd, beside one that does: its alarm must go on as if it were alone."""

import asyncio
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import httpx2

from tocsin.testing.stack import RunningStack
from tocsin.testing.waiting import eventually

PASSWORD: Final = secrets.token_hex(12)
_PAGE: Final = 1000


async def sign_up(stack: RunningStack) -> str:
    """The access token of the owner of a fresh tenant."""
    email = f"{secrets.token_hex(6)}@example.com"
    async with stack.client() as client:
        (await client.post("/v1/auth:register", json={"email": email, "password": PASSWORD})).raise_for_status()
        answer = await client.post("/v1/auth:token", json={"email": email, "password": PASSWORD})
        answer.raise_for_status()
    return str(answer.json()["accessToken"])


@dataclass(frozen=True, slots=True)
class Suffered:
    """What the neighbour noticed.

    Attributes:
        firings: how often its alarm was due.
        mails: how many mails came of that.
        latest: the greatest lateness of a firing, in seconds.
        unfinished: firings that did not succeed.
        unaccounted: due times without a row in the ledger and rows without a due time.
    """

    firings: int
    mails: int
    latest: float
    unfinished: list[dict[str, Any]]
    unaccounted: int

    @property
    def fine(self) -> bool:
        """Whether every due time became one mail; how late is for the caller to judge."""
        return self.firings > 0 and self.mails == self.firings and not self.unfinished and not self.unaccounted


class Neighbour:
    """An alarm that fires every second and mails."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client
        self._mark = f"neighbour-{secrets.token_hex(4)}"
        self._alarm = ""

    async def begin(self) -> None:
        """Makes the alarm; returns when it has fired."""
        body = {
            "displayName": self._mark,
            "trigger": {"every": "1s", "catchUp": {"mode": "ALL"}},
            "action": {"notify": {"to": ["ann@example.com"], "subject": self._mark, "text": "t"}},
        }
        answer = await self._client.post("/v1/alarms", json=body)
        answer.raise_for_status()
        self._alarm = answer.json()["name"]
        await eventually(self._has_fired)

    async def end(self) -> Suffered:
        """Pauses the alarm, waits until all of its firings have ended, and tells what it noticed."""
        (await self._client.post(f"/v1/{self._alarm}:pause", json={})).raise_for_status()
        await eventually(self._all_ended, seconds=60)
        firings = await self._firings()
        fired = [firing for firing in firings if "fireTime" in firing]
        latest = max((_seconds(firing["fireTime"]) - _seconds(firing["dueTime"]) for firing in fired), default=float("inf"))
        expected = sum(firing.get("state") == "SUCCEEDED" for firing in firings)
        mails = await self._mails(expected)
        unfinished = [firing for firing in firings if firing.get("state") != "SUCCEEDED"]
        return Suffered(len(firings), mails, latest, unfinished, await self._unaccounted(firings))

    async def _has_fired(self) -> bool:
        return bool(await self._firings())

    async def _all_ended(self) -> bool:
        return all("completeTime" in firing for firing in await self._firings())

    async def _unaccounted(self, firings: list[dict[str, Any]]) -> int:
        start = min(firing["dueTime"] for firing in firings)
        answer = await self._client.get("/v1/firings:audit", params={"startTime": start, "alarm": self._alarm})
        answer.raise_for_status()
        summary = answer.text.splitlines()[-1]
        found = httpx2.Response(200, text=summary).json()["summary"]
        return int(found.get("missing", 0)) + int(found.get("unexpected", 0))

    async def _mails(self, expected: int) -> int:
        count = 0
        for _ in range(600):
            messages = await self._pages("/v1/inbox/messages", "messages")
            count = sum(message["subject"] == self._mark for message in messages)
            if count >= expected:
                break
            await asyncio.sleep(0.2)
        return count

    async def _firings(self) -> list[dict[str, Any]]:
        return await self._pages("/v1/firings", "firings", filter=f'alarm="{self._alarm}"')

    async def _pages(self, path: str, field: str, **params: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            answer = await self._client.get(path, params={**params, "pageSize": _PAGE, "pageToken": token})
            answer.raise_for_status()
            found += answer.json().get(field, [])
            token = answer.json().get("nextPageToken", "")
            if not token:
                return found


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()
