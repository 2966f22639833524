"""Services are killed while alerts come by a webhook and are grouped: each alert is in one group, each message goes out once."""

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.chaos.load import FULL, NOT_NOW, Load, LoadIdentity, Note
from tests.chaos.test_kill_digests import Kill, kill_in_turn, mail_by, one_of_each
from tocsin.testing.postgres import PostgresServer
from tocsin.testing.smtp import Received, SmtpSink
from tocsin.testing.stack import RunningStack

pytestmark = [pytest.mark.chaos, pytest.mark.thorough, pytest.mark.e2e, pytest.mark.timeout(900 if FULL else 600)]

CLUSTERS, ALERTS, SECONDS = (90, 20, 80.0) if FULL else (9, 5, 7.0)
"""Groups; alerts of each; and for how long these come."""
WAIT, INTERVAL, REPEAT, ANSWER = (3, 6, 25, 10) if FULL else (1, 2, 4, 3)
"""Seconds that a group waits, between two of its messages, until one is repeated, and until the next step."""
STEPS = (("ann", "bea"), ("cid",))
KEY_CALLED = "development"
"""What people call the API key that answers."""
VICTIMS = ("scheduler_svc", "processor_svc", "mailer_svc", "gateway")


@pytest.fixture
def settings_of_both(smtp_sink: SmtpSink) -> Mapping[str, str]:
    """Both mailers send to the same server."""
    return mail_by(smtp_sink)


class GroupLoad(Load):
    """Alerts of clusters, each of which is one group; a third each is acknowledged, ends by its alerts, and is resolved by a person.

    What the account counts is a message to a person, such as ``bea g3-a0 / 2 more alerts / 1``; the number tells equal ones apart.
    """

    def __init__(self, *clients: httpx2.AsyncClient, sink: SmtpSink) -> None:
        """Makes nothing yet; what arrives, arrives in ``sink``."""
        super().__init__(*clients, mails=self._in_mails)
        self._gateways = clients
        self._sink = sink
        self._door = ""
        self.answered: dict[str, datetime] = {}

    async def people(self) -> None:
        """Makes the people, the policy, the route that groups, and the integration by which alerts come."""
        for name in itertools.chain(*STEPS):
            address = {"channel": "email", "value": f"{name}@example.com", "state": "ACTIVE"}
            await self._create("/v1/recipients", {"name": f"recipients/{name}", "addresses": [address]})
        steps = [{"targets": [f"recipients/{name}" for name in names], "wait": f"{ANSWER}s"} for names in STEPS]
        await self._create("/v1/escalationPolicies", {"name": "escalationPolicies/p", "steps": steps})
        times = {"wait": f"{WAIT}s", "interval": f"{INTERVAL}s", "repeat": f"{REPEAT}s"}
        await self._create(
            "/v1/incidentRoutes",
            {"name": "incidentRoutes/c", "groupBy": ["cluster"], "escalationPolicy": "escalationPolicies/p", **times},
        )
        made = await self._create("/v1/integrations", {"name": "integrations/am", "kind": "ALERTMANAGER"})
        self._door = f"/v1/integrations/{made['key']}/alertmanager"

    async def _create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        made = await self._gateways[0].post(path, json=body)
        assert made.is_success, made.text
        return made.json()

    async def cluster(self, number: int) -> None:
        """All alerts of a cluster, several at a time, and its end."""
        await self._send(number, [0])  # its title is that of the group
        async with asyncio.TaskGroup() as group:
            if number % 3 == 0:
                group.create_task(self._acknowledge(number))
            group.create_task(self._send_others(number))
        await asyncio.sleep(random.uniform(0.0, 2 * INTERVAL))
        if number % 3 == 1:
            await self._send(number, list(range(ALERTS)), status="resolved")
            self.answered[f"g{number}"] = datetime.now(UTC)
        elif number % 3 == 2:
            await self._answer(number, "resolve")

    async def _send_others(self, number: int) -> None:
        places = iter(range(1, ALERTS))
        while chosen := list(itertools.islice(places, random.randint(1, 4))):
            await asyncio.sleep(random.uniform(0.0, 2 * SECONDS / ALERTS))
            await self._send(number, chosen)

    async def _send(self, number: int, places: Iterable[int], *, status: str = "firing") -> None:
        """What Alertmanager sends, until it is answered."""
        alerts = [
            {
                "status": status,
                "labels": {"alertname": "Down", "cluster": f"c{number}", "host": f"h{place}", "severity": "critical"},
                "annotations": {"summary": f"g{number}-a{place}"},
                "startsAt": "2026-11-29T10:00:20Z",
                "fingerprint": f"g{number}-a{place}",
            }
            for place in places
        ]
        payload = {"version": "4", "status": status, "alerts": alerts}
        for attempt in itertools.count():
            await asyncio.sleep(random.uniform(0.1, 1.0) if attempt else 0.0)
            if await self._attempt(self._door, payload, LoadIdentity()):
                break

    async def _acknowledge(self, number: int) -> None:
        await asyncio.sleep(random.uniform(0.0, SECONDS / 2))
        await self._answer(number, "acknowledge")

    async def _answer(self, number: int, deed: str) -> None:
        """Answers as often as it takes; from the answer on no message may go out that it stops."""
        while True:
            client = random.choice(self._gateways)
            try:
                found = await client.get("/v1/incidents", params={"filter": f'dedup_key="{key_of(number)}"'})
                if found.is_success and (groups := found.json()["incidents"]):
                    answer = await client.post(f"/v1/{groups[0]['name']}:{deed}", json={})
                    assert answer.is_success or answer.status_code in NOT_NOW, answer.text
                    if answer.is_success:
                        self.answered[f"g{number}"] = datetime.now(UTC)
                        return
            except httpx2.HTTPError:
                pass  # the gateway is being killed
            await asyncio.sleep(0.2)

    async def send_all(self) -> None:
        """All clusters; returns when no message can be due any more."""
        async with asyncio.TaskGroup() as group:
            for number in range(CLUSTERS):
                group.create_task(self.cluster(number))
        await asyncio.sleep(WAIT + INTERVAL + ANSWER)

    async def _in_mails(self) -> list[str]:
        return numbered(map(mark_of, self._sink.messages))

    async def ask_for_unknown(self, found: Sequence[str]) -> None:
        """The messages whose mail the mailer calls unknown: of one person about one group, whichever they were."""
        del found
        for each in await self.pages("/v1/deliveries", "deliveries", filter='state="OUTCOME_UNKNOWN"'):
            about = f"{each['recipient'].removeprefix('recipients/')} {each['subject']} / "
            self.account.unknown |= {mark for mark in self.account.attempted if mark.startswith(about)}

    async def groups(self) -> list[tuple[dict[str, Any], list[dict[str, Any]], list[str]]]:
        """Every incident with its timeline and the fingerprints of its alerts."""
        found = list[tuple[dict[str, Any], list[dict[str, Any]], list[str]]]()
        for item in await self.pages("/v1/incidents", "incidents"):
            alerts = await self.pages(f"/v1/{item['name']}/alerts", "alerts")
            titles = [alert["title"] for alert in alerts]
            found.append((item, await self.pages(f"/v1/{item['name']}/events", "events"), titles))
        return found


def key_of(number: int) -> str:
    """The key of the group of a cluster."""
    return f'incidentRoutes/c{{\\"cluster\\":\\"c{number}\\"}}'


def mark_of(received: Received) -> str:
    """Whom a mail tells of which group, and how that stands."""
    text = received.message.get_body(("plain",))
    lines = text.get_content().splitlines() if text else []
    status = next((line.removeprefix("Status: ") for line in lines if line.startswith("Status: ")), "")
    return f"{received.recipients[0].partition('@')[0]} {received.message['Subject']} / {status}"


def numbered(marks: Iterable[str]) -> list[str]:
    """Equal marks told apart: the messages that a group repeats say the same."""
    counts: Counter[str] = Counter()
    told = list[str]()
    for mark in marks:
        counts[mark] += 1
        told.append(f"{mark} / {counts[mark]}")
    return told


def expected_of(title: str, events: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[str]]:
    """Whom the timeline of a group says to have told what; and what those may hear too who were told at the same time."""
    must, may, told = list[str](), list[str](), set[str]()
    for before, event in itertools.pairwise([{}, *events]):
        if event["kind"] == "STEP":
            must += [f"{name} {title} / triggered" for name in STEPS[event["step"] - 1]]
            told |= set(STEPS[event["step"] - 1])
        elif event["kind"] == "UPDATE_SENT":
            said = f"{title} / {event.get('text', '')}"
            if before["kind"] == "ACKNOWLEDGED":
                said = f"Acknowledged by {KEY_CALLED}: {title} / acknowledged by {KEY_CALLED}"
            elif before["kind"] == "RESOLVED":
                said = f"Resolved: {title} / "
            must += [f"{name} {said}" for name in told]
            may += [f"{name} {said}" for names in STEPS for name in names if name not in told]
    return must, may


def judge(load: GroupLoad, groups: Sequence[tuple[dict[str, Any], list[dict[str, Any]], list[str]]]) -> tuple[int, int]:
    """Puts what must have arrived into the account; how many messages came after an answer, and how many alerts nobody heard of."""
    late, unheard = 0, 0
    must, may = list[str](), list[str]()
    for incident, events, alerts in groups:
        cluster = incident["labels"]["cluster"].replace("c", "g")
        assert sorted(alerts) == sorted(f"{cluster}-a{place}" for place in range(ALERTS)), f"{cluster}: {alerts}"
        steps = [event["step"] for event in events if event["kind"] == "STEP"]
        assert steps == list(range(1, len(steps) + 1)), f"{cluster}: a step is there twice, or is missing"
        late += len(after_answer(events, load.answered[cluster], over=incident["state"] == "RESOLVED"))
        unheard += unheard_of(events) if incident["state"] != "RESOLVED" else 0
        asked, allowed = expected_of(incident["title"], events)
        must, may = must + asked, may + allowed
    load.account.accepted |= set(numbered(must))
    load.account.attempted |= set(numbered([*must, *may]))
    return late, unheard


def after_answer(events: Sequence[Mapping[str, Any]], answered: datetime, *, over: bool) -> list[Mapping[str, Any]]:
    """Messages that an answer should have stopped: all of a group that is over; steps and repetitions of one that somebody has."""
    later = [event for event in events if datetime.fromisoformat(event["time"]) > answered]
    stopped = [event for event in later if event["kind"] == "STEP" or "still open" in event.get("text", "")]
    return [event for event in later if event["kind"] in ("STEP", "UPDATE_SENT")] if over else stopped


def unheard_of(events: Sequence[Mapping[str, Any]]) -> int:
    """Alerts that joined after the first message, less those of which later ones tell."""
    told = next((place for place, event in enumerate(events) if event["kind"] == "STEP"), len(events))
    joined = sum(event["kind"] == "ALERT_OPENED" for event in events[told:])
    heard = [event.get("text", "") for event in events if event["kind"] == "UPDATE_SENT" and "more alert" in event.get("text", "")]
    return joined - sum(int(text.partition(" ")[0]) for text in heard)


async def proved(load: GroupLoad, victims: Sequence[str], kill: Kill, record_property: Note) -> None:
    """Sends, answers and kills; then alerts, timelines, the ledger and the mails are compared."""
    await load.people()
    killed, _ = await asyncio.gather(kill_in_turn(victims, kill), load.send_all())
    groups = await load.groups()
    late, unheard = judge(load, groups)
    account = await load.settle(seconds=180)
    kinds = Counter(event["kind"] for _, events, _ in groups for event in events)
    came = f"{sum(len(alerts) for _, _, alerts in groups)} alerts in {len(groups)} groups, {late} messages after an answer, {dict(kinds)}"
    record_property("account", f"killed {dict(killed)}, answers {dict(load.answers)}, {came}: {account}")
    assert set(killed) == set(victims)
    assert len(groups) == len(load.answered) == CLUSTERS
    assert (late, unheard) == (0, 0)
    assert account.verdict == "valid", f"{account}\n{account.faults()}"


async def test_killing_services_loses_no_alert_of_a_group_and_doubles_no_message(
    tmp_path: Path, smtp_sink: SmtpSink, record_property: Note
) -> None:
    """SIGKILL amid webhooks, grouping, telling what is new, answering and sending, on SQLite."""
    with RunningStack(state=tmp_path / "state", env=mail_by(smtp_sink)) as stack:
        async with stack.client() as client:

            async def kill(service: str) -> None:
                stack.kill(service)

            await proved(GroupLoad(client, sink=smtp_sink), VICTIMS, kill, record_property)


async def test_killing_replicas_and_their_postgresql_loses_no_alert_of_a_group_and_doubles_no_message(
    pair: tuple[RunningStack, RunningStack], own_postgres_server: PostgresServer, smtp_sink: SmtpSink, record_property: Note
) -> None:
    """Two of each service tell of the same groups, now one of them dies, now the PostgreSQL under all of them."""
    first, second = pair
    async with first.client() as one, second.client(key=first.api_key) as two:
        kill = one_of_each(pair, own_postgres_server)
        await proved(GroupLoad(one, two, sink=smtp_sink), (*VICTIMS, "postgresql"), kill, record_property)
