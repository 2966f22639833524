"""Load on a running stack, as a careful client makes it, and the account of what came of it.

A scenario begins with `Load.steady`, which shows that the stack works, then makes alarms (`Load.run`) while it breaks something, and ends
with `Load.settle`, which waits for what was promised and gives the account.
"""

import asyncio
import itertools
import json
import os
import random
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import httpx2

from tests.chaos.account import Account

FULL = os.environ.get("CHAOS") == "full"
SERVICES = ("auth_svc", "scheduler_svc", "processor_svc", "mailer_svc", "gateway")
"""What `RunningStack.kill` takes."""
Note = Callable[[str, object], None]
"""The fixture ``record_property``; what is noted as "account" is printed at the end of a run."""
NOT_NOW = frozenset({429, 503, 504})
"""What a good request may be answered with while something is broken."""
NO_ANSWER = 0

_PAGE = 1000
_STEADY = 10
_ABREAST = 80
"""Attempts at a time and client: beyond 100 they would queue in httpx2's pool, which takes longer the more they are."""


class LoadIdentity(NamedTuple):
    """What makes a repeated request the same one: its ``requestId``, or an Idempotency-Key; nothing, where its content does."""

    text: str = ""
    is_key: bool = False

    @property
    def parameters(self) -> dict[str, str]:
        """Of the query."""
        return {"requestId": self.text} if self.text and not self.is_key else {}

    @property
    def headers(self) -> dict[str, str]:
        """Of the request."""
        return {"Idempotency-Key": self.text} if self.is_key else {}

    @property
    def not_now(self) -> frozenset[int]:
        """What it may be answered with while something is broken; 409 while the first request with the key is under way."""
        return NOT_NOW | {409} if self.is_key else NOT_NOW


class Load:
    """Alarms that ring once, and mails that they are to become.

    Attributes:
        account: what was attempted and accepted; complete after `settle`.
        answers: attempts by status; `NO_ANSWER` for a connection that broke or an answer that took too long.
    """

    def __init__(
        self,
        *clients: httpx2.AsyncClient,
        mails: Callable[[], Awaitable[Sequence[str]]] | None = None,
        ahead: tuple[float, float] = (0.5, 5.0 if FULL else 2.5),
        patience: float = 300.0 if FULL else 120.0,
        notify: dict[str, Any] | None = None,
    ) -> None:
        """Makes nothing yet.

        Args:
            clients: signed in, one a gateway; attempts take them in turn.
            mails: tells the subjects of everything that has arrived; the development inbox unless given.
            ahead: seconds between the attempt and the due time, drawn evenly.
            patience: seconds for which the client tries to place one alarm.
            notify: the action beside its ``subject`` (`Load` sets that); a text to one address unless given.
        """
        self._clients = clients
        self._mails = mails or self.inbox
        self._ahead = ahead
        self._patience = patience
        self._notify = notify or {"to": ["ann@example.com"], "text": "Rings once."}
        self._turn = 0
        self._keyed = False
        self._room = asyncio.Semaphore(_ABREAST * len(clients))
        self._begun = datetime.now(UTC)
        self.account = Account()
        self.answers: Counter[int] = Counter()

    @property
    def refused(self) -> int:
        """Attempts that were answered with "not now"."""
        return sum(count for status, count in self.answers.items() if status in NOT_NOW)

    async def steady(self, alarms: int = _STEADY) -> None:
        """The steady state: some alarms become mails at once.

        Raises:
            AssertionError: they do not, and whatever follows would prove nothing.
        """
        await asyncio.gather(*(self.create(f"steady-{number}", ahead=0.1) for number in range(alarms)))
        assert await self.arrived(seconds=30), f"the stack was broken before it was touched: {self.account}"

    async def run(self, *, alarms: int, seconds: float, first: int = 0) -> None:
        """Makes alarms at an even pace; returns when each was accepted or given up.

        Args:
            alarms: how many.
            seconds: for how long.
            first: the number of the first one; a second run needs another.
        """
        async with asyncio.TaskGroup() as group:
            async for number in _paced(alarms / seconds):
                if number == alarms:
                    break
                group.create_task(self.create(f"chaos-{first + number}"))

    @asynccontextmanager
    async def during(self, *, rate: float) -> AsyncGenerator[None]:
        """Makes alarms at an even pace for as long as the body runs, then waits until each was accepted or given up.

        Args:
            rate: alarms a second.
        """
        ending = asyncio.Event()
        making = asyncio.create_task(self._make(rate, ending))
        try:
            yield
        except BaseException:
            making.cancel()
            await asyncio.wait([making])
            raise
        ending.set()
        await making

    async def _make(self, rate: float, ending: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            async for number in _paced(rate):
                if ending.is_set():
                    break
                group.create_task(self.create(f"during-{number}"))

    async def create(self, mark: str, *, ahead: float | None = None) -> bool:
        """Makes one alarm as a careful client does: the same request id until there is an answer. Returns whether it was accepted."""
        due = datetime.now(UTC) + timedelta(seconds=random.uniform(*self._ahead) if ahead is None else ahead)
        body = {
            "displayName": mark,
            "trigger": {"at": due.isoformat(), "catchUp": {"mode": "LATEST"}},
            "action": {"notify": {**self._notify, "subject": mark}},
        }
        return await self.place("/v1/alarms", body, {mark})

    async def place(self, path: str, body: dict[str, Any], marks: set[str]) -> bool:
        """Posts ``body`` as a careful client does: the same request id until there is an answer. Returns whether it was accepted.

        Every second request has an Idempotency-Key instead, which the gateway makes its request id.

        Args:
            path: what takes a ``requestId``.
            body: the request.
            marks: what is to come out of it, for the account.
        """
        self._keyed = not self._keyed
        identity = LoadIdentity(str(uuid.uuid4()), is_key=self._keyed)
        self.account.attempted |= marks
        end, wait = asyncio.get_running_loop().time() + self._patience, 0.1
        while asyncio.get_running_loop().time() < end:
            if await self._attempt(path, body, identity):
                self.account.accepted |= marks
                return True
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))
            wait = min(2.0, 2 * wait)
        return False

    async def _attempt(self, path: str, body: dict[str, Any], identity: LoadIdentity) -> bool:
        self._turn += 1
        client = self._clients[self._turn % len(self._clients)]
        try:
            async with self._room:
                answer = await client.post(path, json=body, params=identity.parameters, headers=identity.headers)
        except httpx2.HTTPError:
            self.answers[NO_ANSWER] += 1
            return False
        self.answers[answer.status_code] += 1
        # Anything else but "not now" would be a defect: the request is a good one.
        assert answer.is_success or answer.status_code in identity.not_now, f"{answer.status_code} {answer.text}"
        return answer.is_success

    async def settle(self, *, seconds: float = 60.0, quiet: float = 3.0 if FULL else 1.0) -> Account:
        """Waits until everything accepted has arrived, or time is up, and then a little longer for what must not arrive.

        Args:
            seconds: how long to wait for what was promised.
            quiet: how long to wait for a second copy.
        """
        await self.arrived(seconds=seconds)
        await asyncio.sleep(quiet)
        found = await self._mails()
        await self.ask_for_unknown(found)
        self.account.delivered.clear()
        self.account.deliver(found)
        self.account.unaccounted = await self.audit()
        if self.account.lost:
            self.account.whereabouts = await self.look_for_lost()
        return self.account

    async def look_for_lost(self) -> str:
        """How far everything came, for a failure's report: deliveries and firings by state, and the firings that are not over."""
        deliveries = Counter(delivery["state"] for delivery in await self.pages("/v1/deliveries", "deliveries"))
        firings = await self.pages("/v1/firings", "firings")
        open_firings = [firing for firing in firings if "completeTime" not in firing]
        states = Counter(str(firing.get("state")) for firing in firings)
        return f"deliveries {dict(deliveries)}, firings {dict(states)}, such as {open_firings[:3]}"

    async def audit(self) -> int:
        """Due times without a row in the ledger, and rows without a due time, as the scheduler recomputes them from the rules."""
        answer = await self._clients[0].get("/v1/firings:audit", params={"startTime": self._begun.isoformat()})
        answer.raise_for_status()
        summary = json.loads(answer.text.splitlines()[-1])["summary"]
        return int(summary.get("missing", 0)) + int(summary.get("unexpected", 0))

    async def arrived(self, *, seconds: float) -> bool:
        """Whether all that was accepted has arrived, or is known to be unknown, within so many seconds."""
        end = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end:
            try:
                found = set(await self._mails())
                missing = self.account.accepted - found
                if missing:
                    await self.ask_for_unknown(())
                    missing -= self.account.unknown
            except httpx2.HTTPError:
                missing = self.account.accepted
            if not missing:
                return True
            await asyncio.sleep(1.0 if FULL else 0.25)
        return False

    async def inbox(self) -> list[str]:
        """The subject of every mail in the development inbox."""
        return [message["subject"] for message in await self.pages("/v1/inbox/messages", "messages")]

    async def ask_for_unknown(self, found: Sequence[str]) -> None:
        """Adds to the account what the mailer calls unknown.

        Args:
            found: subjects of what arrived: of those that did so twice, the timeline is read, for one whose resend policy wants it is sent
                again after an unknown outcome.
        """
        ended = await self.pages("/v1/deliveries", "deliveries", filter='state="OUTCOME_UNKNOWN"')
        self.account.unknown |= {delivery["subject"] for delivery in ended}
        twice = {subject for subject, times in Counter(found).items() if times > 1}
        for delivery in await self.pages("/v1/deliveries", "deliveries") if twice else ():
            if delivery["subject"] in twice and await self._was_unknown(delivery["name"]):
                self.account.unknown.add(delivery["subject"])

    async def _was_unknown(self, delivery: str) -> bool:
        answer = await self._clients[0].get(f"/v1/{delivery}")
        answer.raise_for_status()
        return any("unknown" in event.get("detail", "") for event in answer.json()["timeline"])

    async def pages(self, path: str, field: str, **params: str) -> list[dict[str, Any]]:
        """Everything that a list has, page by page.

        Raises:
            httpx2.HTTPError: there is no answer, or not a good one.
        """
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            answer = await self._clients[0].get(path, params={**params, "page_size": _PAGE, "page_token": token})
            answer.raise_for_status()
            page = answer.json()
            found += page.get(field, [])
            token = page.get("nextPageToken", "")
            if not token:
                return found


async def _paced(rate: float) -> AsyncGenerator[int]:
    """0, 1, 2..., so many a second by the clock: what a busy machine made late is made up for."""
    begun = asyncio.get_running_loop().time()
    for number in itertools.count():
        yield number
        await asyncio.sleep(max(0.0, begun + (number + 1) / rate - asyncio.get_running_loop().time()))
