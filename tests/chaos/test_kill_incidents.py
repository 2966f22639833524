"""Each service is killed while incidents escalate and people acknowledge: every step is told once, and none is taken after an answer."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.chaos.load import FULL, NOT_NOW, SERVICES, Load, Note
from tests.chaos.test_kill_digests import Kill, kill_in_turn, mail_by, one_of_each
from tocsin.testing.postgres import PostgresServer
from tocsin.testing.smtp import SmtpSink
from tocsin.testing.stack import RunningStack

pytestmark = [pytest.mark.chaos, pytest.mark.thorough, pytest.mark.e2e, pytest.mark.timeout(900 if FULL else 600)]

INCIDENTS, SECONDS, WAIT = (500, 100.0, 8.0) if FULL else (45, 10.0, 3.0)
"""Incidents; for how long they are opened; and seconds between two steps."""
STEPS = ("ann", "bea", "cid")


@pytest.fixture
def settings_of_both(smtp_sink: SmtpSink) -> Mapping[str, str]:
    """Both mailers send to the same server."""
    return mail_by(smtp_sink)


class IncidentLoad(Load):
    """Incidents, of which a third is acknowledged at random moments.

    What the account counts is a person who is told about an incident, such as ``bea i-12``.
    """

    def __init__(self, *clients: httpx2.AsyncClient, sink: SmtpSink) -> None:
        """Makes nothing yet; what arrives, arrives in ``sink``."""
        super().__init__(*clients, mails=self._in_mails)
        self._gateways = clients
        self._sink = sink
        self.answered: dict[str, datetime] = {}

    async def people(self) -> None:
        """Makes the people, and the policy that asks them one after the other."""
        for name in STEPS:
            address = {"channel": "email", "value": f"{name}@example.com", "state": "ACTIVE"}
            made = await self._gateways[0].post("/v1/recipients", json={"name": f"recipients/{name}", "addresses": [address]})
            assert made.is_success, made.text
        steps = [{"targets": [f"recipients/{name}"], "wait": f"{WAIT:g}s"} for name in STEPS]
        made = await self._gateways[0].post("/v1/escalationPolicies", json={"name": "escalationPolicies/p", "steps": steps})
        assert made.is_success, made.text

    async def incident(self, number: int) -> None:
        """Opens one; every third is acknowledged before, between or after its steps."""
        key = f"i-{number}"
        marks = {f"{STEPS[0]} {key}"} if number % 3 == 0 else {f"{name} {key}" for name in STEPS}
        body = {"title": key, "dedupKey": key, "severity": "CRITICAL", "escalationPolicy": "escalationPolicies/p"}
        assert await self.place("/v1/incidents", body, marks)
        if number % 3 == 0:
            await asyncio.sleep(random.uniform(0.0, 3 * WAIT))
            await self._acknowledge(key)

    async def _acknowledge(self, key: str) -> None:
        """Answers as often as it takes; from the answer on no step may be taken."""
        while key not in self.answered:
            client = random.choice(self._gateways)
            try:
                found = await client.get("/v1/incidents", params={"filter": f'dedup_key="{key}"'})
                if found.is_success:
                    name = found.json()["incidents"][0]["name"]
                    answer = await client.post(f"/v1/{name}:acknowledge", json={})
                    assert answer.is_success or answer.status_code in NOT_NOW, answer.text
                    if answer.is_success:
                        self.answered[key] = datetime.now(UTC)
                        return
            except httpx2.HTTPError:
                pass  # the gateway is being killed
            await asyncio.sleep(0.2)

    async def open_all(self) -> None:
        """Opens all incidents at an even pace; returns when those that are to be answered are."""
        async with asyncio.TaskGroup() as group:
            for number in range(INCIDENTS):
                group.create_task(self.incident(number))
                await asyncio.sleep(SECONDS / INCIDENTS)

    async def _in_mails(self) -> list[str]:
        return [
            f"{received.recipients[0].partition('@')[0]} {received.message['Subject']}"
            for received in self._sink.messages
            if "Status: triggered" in str(received.message.get_body(("plain",)))
        ]

    async def ask_for_unknown(self, found: Sequence[str]) -> None:
        """The steps whose mail the mailer calls unknown."""
        del found
        for each in await self.pages("/v1/deliveries", "deliveries", filter='state="OUTCOME_UNKNOWN"'):
            self.account.unknown.add(f"{each['recipient'].removeprefix('recipients/')} {each['subject']}")

    async def timelines(self) -> dict[str, list[dict[str, Any]]]:
        """The events of every incident, by its key."""
        found = await self.pages("/v1/incidents", "incidents")
        return {item["dedupKey"]: await self.pages(f"/v1/{item['name']}/events", "events") for item in found}


async def proved(load: IncidentLoad, victims: Sequence[str], kill: Kill, record_property: Note) -> None:
    """Opens, acknowledges and kills; then the timelines, the ledger and the mails are compared."""
    await load.people()
    killed, _ = await asyncio.gather(kill_in_turn(victims, kill), load.open_all())
    assert await load.arrived(seconds=180), load.account
    timelines = await load.timelines()
    late = expect_steps(load, timelines)
    account = await load.settle(seconds=120)
    kinds = Counter(event["kind"] for events in timelines.values() for event in events)
    came = f"{len(load.answered)} acknowledged, {late} steps after that, {dict(kinds)}"
    record_property("account", f"killed {dict(killed)}, answers {dict(load.answers)}, {came}: {account}")
    assert set(killed) == set(victims)
    assert len(timelines) == INCIDENTS
    assert len(load.answered) == (INCIDENTS + 2) // 3
    assert late == 0
    assert account.verdict == "valid", f"{account}\n{account.faults()}"


async def test_killing_each_service_loses_no_step_doubles_none_and_takes_none_after_an_answer(
    tmp_path: Path, smtp_sink: SmtpSink, record_property: Note
) -> None:
    """SIGKILL amid opening, escalating, acknowledging and sending, on SQLite."""
    with RunningStack(state=tmp_path / "state", env=mail_by(smtp_sink)) as stack:
        async with stack.client() as client:

            async def kill(service: str) -> None:
                stack.kill(service)

            await proved(IncidentLoad(client, sink=smtp_sink), SERVICES, kill, record_property)


async def test_killing_replicas_and_their_postgresql_loses_no_step_and_takes_none_after_an_answer(
    pair: tuple[RunningStack, RunningStack], own_postgres_server: PostgresServer, smtp_sink: SmtpSink, record_property: Note
) -> None:
    """Two of each service escalate the same incidents, now one of them dies, now the PostgreSQL under all of them."""
    first, second = pair
    async with first.client() as one, second.client(key=first.api_key) as two:
        kill = one_of_each(pair, own_postgres_server)
        await proved(IncidentLoad(one, two, sink=smtp_sink), (*SERVICES, "postgresql"), kill, record_property)


def expect_steps(load: IncidentLoad, timelines: dict[str, list[dict[str, Any]]]) -> int:
    """Adds to the account the steps that were taken before an answer; how many were taken after it."""
    late = 0
    for key, events in timelines.items():
        steps = [event for event in events if event["kind"] == "STEP"]
        assert [event["step"] for event in steps] == list(range(1, len(steps) + 1)), f"{key}: a step is there twice, or is missing"
        marks = {f"{STEPS[event['step'] - 1]} {key}" for event in steps}
        load.account.attempted |= marks
        load.account.accepted |= marks
        answered = load.answered.get(key)
        late += sum(answered is not None and datetime.fromisoformat(event["time"]) > answered for event in steps)
        assert answered is not None or len(steps) == len(STEPS)
    return late
