"""Each service is killed while messages join digests: every message goes out in one digest, none is lost, none goes out in two."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.chaos.load import FULL, SERVICES, Load, Note
from tocsin.testing.postgres import PostgresServer
from tocsin.testing.smtp import Received, SmtpSink
from tocsin.testing.stack import RunningStack

pytestmark = [pytest.mark.chaos, pytest.mark.thorough, pytest.mark.e2e, pytest.mark.timeout(900 if FULL else 600)]

PEOPLE, MESSAGES, ROUNDS, PAUSE = (100, 100, 5, 4.0) if FULL else (20, 20, 1, 1.5)
"""Recipients; messages to all of them, half by alarms and half by notifications; kills of each service, and seconds between two kills."""
WINDOW = "8s" if FULL else "3s"
EVERYBODY = {f"p{number}" for number in range(PEOPLE)}

Kill = Callable[[str], Awaitable[object]]


def mail_by(sink: SmtpSink) -> Mapping[str, str]:
    """Settings of a stack that sends its mail to ``sink``."""
    return {
        "TOCSIN_MAILER_SMTP_HOST": "127.0.0.1",
        "TOCSIN_MAILER_SMTP_PORT": str(sink.port),
        "TOCSIN_MAILER_SMTP_TLS": "none",
        "TOCSIN_MAILER_LEASE_SECONDS": "5",
    }


@pytest.fixture
def settings_of_both(smtp_sink: SmtpSink) -> Mapping[str, str]:
    """Both mailers send to the same server."""
    return mail_by(smtp_sink)


class DigestLoad(Load):
    """Messages to everybody in a group that wait for each other.

    What the account counts is a message to a person, such as ``p7 m-12``.
    """

    def __init__(self, *clients: httpx2.AsyncClient, sink: SmtpSink) -> None:
        """Makes nothing yet; what arrives, arrives in ``sink``."""
        super().__init__(*clients, mails=self._in_mails)
        self._sink = sink
        self._read: list[str] = []
        self._mails_read = 0

    async def people(self, client: httpx2.AsyncClient) -> None:
        """Makes the people, their group, and the category whose messages wait."""
        for name in EVERYBODY:
            address = {"channel": "email", "value": f"{name}@example.com", "state": "ACTIVE"}
            made = await client.post("/v1/recipients", json={"name": f"recipients/{name}", "addresses": [address]})
            assert made.is_success, made.text
        for path, body in (
            ("/v1/groups", {"name": "groups/all"}),
            ("/v1/groups/all:addMembers", {"members": [f"recipients/{name}" for name in EVERYBODY]}),
            ("/v1/categories", {"name": "categories/news", "kind": "TRANSACTIONAL", "digestWindow": WINDOW}),
        ):
            made = await client.post(path, json=body)
            assert made.is_success, made.text

    async def message(self, number: int) -> None:
        """One message to everybody: of an alarm, or a notification."""
        subject = f"m-{number}"
        marks = {f"{name} {subject}" for name in EVERYBODY}
        body: dict[str, Any] = {"recipients": ["groups/all"], "category": "categories/news", "subject": subject, "text": "News."}
        if number % 2:
            await self.place("/v1/notifications", body, marks)
        else:
            due = datetime.now(UTC) + timedelta(seconds=random.uniform(0.2, 2.0))
            trigger = {"at": due.isoformat(), "catchUp": {"mode": "LATEST"}}
            await self.place("/v1/alarms", {"trigger": trigger, "action": {"notify": body}}, marks)

    async def run_messages(self, *, seconds: float, first: int) -> None:
        """Sends all messages at an even pace."""
        async with asyncio.TaskGroup() as group:
            for number in range(first, MESSAGES):
                group.create_task(self.message(number))
                await asyncio.sleep(seconds / MESSAGES)

    async def _in_mails(self) -> list[str]:
        for received in self._sink.messages[self._mails_read :]:
            self._read += told(received)
            self._mails_read += 1
        return self._read

    async def ask_for_unknown(self, found: Sequence[str]) -> None:
        """The messages of those digests that the mailer calls unknown."""
        del found
        ended = {each["name"] for each in await self.pages("/v1/deliveries", "deliveries", filter='state="OUTCOME_UNKNOWN"')}
        for member in await self.members() if ended else ():
            if member["digest"] in ended:
                self.account.unknown.add(f"{member['recipient'].removeprefix('recipients/')} {member['subject']}")

    async def members(self) -> list[dict[str, Any]]:
        """The messages that went out in digests."""
        return await self.pages("/v1/deliveries", "deliveries", filter='state="DIGESTED"')


def told(received: Received) -> list[str]:
    """What a mail tells, and whom: a digest's text names the subjects of its messages, and one of a single message is that message."""
    (to,) = received.recipients
    text = received.message.get_body(("plain",))
    said = f"{received.message['Subject']}\n{text.get_content() if text else ''}"
    return [f"{to.partition('@')[0]} {subject}" for subject in re.findall(r"\bm-[0-9]+\b", said)]


async def kill_in_turn(victims: Sequence[str], kill: Kill) -> Counter[str]:
    """Kills each of ``victims``, again and again in the full form; returns how often each was killed."""
    killed: Counter[str] = Counter()
    for _ in range(ROUNDS):
        for victim in random.sample(victims, len(victims)):
            await asyncio.sleep(PAUSE * random.uniform(0.5, 1.0))
            try:
                await kill(victim)
            except ProcessLookupError:  # it is being restarted already
                continue
            killed[victim] += 1
    return killed


def one_of_each(stacks: Sequence[RunningStack], server: PostgresServer) -> Kill:
    """How one of the replicas of a service is killed, or the PostgreSQL under all of them, which is away for a moment."""

    async def kill(victim: str) -> None:
        if victim == "postgresql":
            await asyncio.to_thread(server.kill)
            await asyncio.sleep(random.uniform(0.0, 2.0))
            await asyncio.to_thread(server.start)
        else:
            random.choice(stacks).kill(victim)

    return kill


async def proved(load: DigestLoad, sink: SmtpSink, victims: Sequence[str], kill: Kill, record_property: Note) -> None:
    """Sends and kills; then each message that was accepted is in one mail, and in one digest of the mailer's own account."""
    await asyncio.gather(load.message(0), load.message(1))
    assert await load.arrived(seconds=60), "the stack was broken before it was touched"
    seconds = ROUNDS * PAUSE * len(victims)
    killed, _ = await asyncio.gather(kill_in_turn(victims, kill), load.run_messages(seconds=seconds, first=2))
    account = await load.settle(seconds=180)
    members = await load.members()
    digests = {member["digest"] for member in members}
    came = f"{len(members)} members of {len(digests)} digests, {sink.taken} mails"
    record_property("account", f"killed {dict(killed)}, answers {dict(load.answers)}, {came}: {account}")
    assert set(killed) == set(victims)
    assert len(account.accepted) == len(account.attempted) == PEOPLE * MESSAGES
    assert account.verdict == "valid", f"{account}\n{account.faults()}"
    assert Counter((member["recipient"], member["subject"]) for member in members) == {
        (f"recipients/{name}", f"m-{number}"): 1 for name in EVERYBODY for number in range(MESSAGES)
    }
    assert len(digests) >= PEOPLE


async def test_killing_each_service_loses_no_member_of_a_digest_and_doubles_none(
    tmp_path: Path, smtp_sink: SmtpSink, record_property: Note
) -> None:
    """SIGKILL amid firing, fan-out, joining, closing and sending, on SQLite."""
    with RunningStack(state=tmp_path / "state", env=mail_by(smtp_sink)) as stack:
        async with stack.client() as client:

            async def kill(service: str) -> None:
                stack.kill(service)

            load = DigestLoad(client, sink=smtp_sink)
            await load.people(client)
            await proved(load, smtp_sink, SERVICES, kill, record_property)


async def test_killing_replicas_and_their_postgresql_loses_no_member_of_a_digest_and_doubles_none(
    pair: tuple[RunningStack, RunningStack], own_postgres_server: PostgresServer, smtp_sink: SmtpSink, record_property: Note
) -> None:
    """Two of each service close the same digests, now one of them dies, now the PostgreSQL under all of them."""
    first, second = pair
    async with first.client() as one, second.client(key=first.api_key) as two:
        load = DigestLoad(one, two, sink=smtp_sink)
        await load.people(one)
        kill = one_of_each(pair, own_postgres_server)
        await proved(load, smtp_sink, (*SERVICES, "postgresql"), kill, record_property)
