"""Messages to people: one notification to very many, critical ones beside it, and what the gates cost a message."""

import asyncio
import itertools
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, cast

import asyncpg
from sqlalchemy import insert, select

from bench.mailer import MailerProcess, batches, mailer, message
from bench.services import seconds_of, seconds_of_server
from bench.webhooks import SETTINGS, WebhookReceiver
from mailer_svc.domain import AddressState, NotificationState
from mailer_svc.domain.people import CategoryKind, MemberKind, SuppressionReason
from mailer_svc.domain.preferences import DeliveryCap, PreferenceChoice, Preferences, QuietHours, encode
from mailer_svc.store.people_tables import (
    addresses,
    categories,
    group_members,
    groups,
    notifications,
    preferences,
    recipients,
    suppressions,
)
from tocsin.api.mailer.v1 import delivery_service_pb2 as pb
from tocsin.clock import SystemClock
from tocsin.database import Database
from tocsin.priority import Priority
from tocsin.testing.waiting import eventually

CRITICAL_EVERY: Final = 0.1
_PIECE: Final = 5_000
_ROUNDS: Final = 3
_DAY: Final = 86_400_000_000
_DIGESTED: Final = 1_000
_NOBODY, _PEOPLE, _DIGESTS = "nobody", "people", "digests"


async def notify_many(*, people: int, url: str) -> dict[str, Any]:
    """One notification to a group of ``people``, by webhook, while a critical message is handed in each tenth of a second.

    Args:
        people: how many.
        url: the mailer's database.

    Returns:
        Seconds until all deliveries were made, and until all had arrived; milliseconds from handing a critical message in until it arrived.
    """
    async with WebhookReceiver() as receiver, _database(url) as database:
        await _fill(database, "bench", people, channel="webhook", address=f"{receiver.url}/u", group="all")
        with tempfile.TemporaryDirectory() as folder:
            async with mailer(Path(folder), url=url, settings=SETTINGS) as process:
                return await _notified(process, receiver, database, people)


async def _notified(process: MailerProcess, receiver: WebhookReceiver, database: Database, people: int) -> dict[str, Any]:
    receiver.watched = "/critical/"
    handed: dict[str, float] = {}
    enough = asyncio.Event()
    critical = asyncio.ensure_future(process.deliver(_critical(receiver.url, handed, enough)))
    try:
        await asyncio.sleep(2.0)
        begun = time.perf_counter()
        whole = message(1, firing="all", recipients=["groups/all"], channels=["webhook"], lane=int(Priority.NORMAL))
        await process.deliver(batches([whole]))
        made = await _completed(database) - begun
        await eventually(lambda: len(receiver.taken) - len(receiver.at) >= people, seconds=600, what="the arrival of everyone's")
        drained = time.perf_counter() - begun
    finally:
        enough.set()
        await critical
    await asyncio.sleep(1.0)
    late = sorted((receiver.at[path] - at) * 1000 for path, at in handed.items() if path in receiver.at)
    return {
        "recipients": people,
        "seconds until all are accepted": round(made, 2),
        "accepted per second": round(people / made),
        "seconds until all have arrived": round(drained, 2),
        "doubled": receiver.taken.total() - len(receiver.taken),
        "critical: sent": len(handed),
        "critical: lost": len(handed) - len(late),
        "critical: p50 ms": round(statistics.median(late), 1),
        "critical: p99 ms": round(late[int(len(late) * 0.99)], 1),
        "critical: worst ms": round(late[-1], 1),
    }


async def _critical(url: str, handed: dict[str, float], enough: asyncio.Event) -> AsyncIterator[pb.DeliverRequest]:
    """A critical message each tenth of a second, until there are ``enough``."""
    loop = asyncio.get_running_loop()
    for key in itertools.count(1_000_000):
        if enough.is_set():
            return
        path = f"/critical/{key}"
        handed[path] = loop.time()
        yield pb.DeliverRequest(messages=[message(key, to=url + path, channel="webhook", lane=int(Priority.CRITICAL))])
        await asyncio.sleep(CRITICAL_EVERY)


async def _completed(database: Database) -> float:
    """When the only notification there is was expanded."""

    async def completed() -> bool:
        async with database.read() as connection:
            return await connection.scalar(select(notifications.c.state)) == int(NotificationState.COMPLETED)

    await eventually(completed, seconds=600, what="the end of the fan-out")
    return time.perf_counter()


async def gates(*, messages: int, url: str) -> dict[str, Any]:
    """Accepts ``messages`` of a tenant without people, of one with people who have preferences, caps and suppressions, and into digests.

    All are kept in the inbox, so that nothing but accepting is measured. The tenants take turns; of each the least of three rounds counts.

    Args:
        messages: of each tenant in a round.
        url: the mailer's database.

    Returns:
        Microseconds of processor time a message, those of PostgreSQL among them, and the differences.
    """
    async with _database(url) as database:
        await _fill(database, _PEOPLE, messages, channel="email", address="p", wants=True)
        await _fill(database, _DIGESTS, _DIGESTED, channel="email", address="d", wants=True)
        with tempfile.TemporaryDirectory() as folder:
            async with mailer(Path(folder), url=url, settings={"DEFAULT_CHANNEL": "inbox"}) as process, _backend(url) as backend:
                used: dict[str, list[float]] = {tenant: [] for tenant in (_NOBODY, _PEOPLE, _DIGESTS)}
                for turn in range(_ROUNDS):
                    for tenant, found in used.items():
                        found.append(await _accepting(process, backend, [_of(tenant, turn, key) for key in range(messages)]))
    least = {tenant: min(found) * 1e6 / messages for tenant, found in used.items()}
    return {
        "us a message without people": round(least[_NOBODY], 1),
        "us a message with people": round(least[_PEOPLE], 1),
        "us a message into digests": round(least[_DIGESTS], 1),
        "preferences and suppressions add us": round(least[_PEOPLE] - least[_NOBODY], 1),
        "digests add us": round(least[_DIGESTS] - least[_PEOPLE], 1),
        "all of them add us": round(least[_DIGESTS] - least[_NOBODY], 1),
    }


async def _accepting(process: MailerProcess, backend: int | None, messages: list[pb.OutgoingMessage]) -> float:
    """Seconds of processor time."""

    def used() -> float:
        return seconds_of(process.pid) + (0.0 if backend is None else seconds_of_server(backend))

    before = used()
    taken = await process.deliver(batches(messages))
    assert taken == len(messages), f"{len(messages) - taken} messages were refused"
    return used() - before


def _of(tenant: str, turn: int, key: int) -> pb.OutgoingMessage:
    if tenant == _DIGESTS:
        return message(key, tenant=tenant, firing=f"{turn}-{key}", to=f"d{key % _DIGESTED}@example.com", category="categories/digest")
    return message(key, tenant=tenant, firing=f"{turn}-{key}", to=f"p{key}@example.com")


@asynccontextmanager
async def _database(url: str) -> AsyncGenerator[Database]:
    """The mailer's database, migrated, beside the mailer."""
    database = Database(url=url, clock=SystemClock(), schema="mailer_svc", migrations="mailer_svc")
    await database.start()
    try:
        yield database
    finally:
        await database.stop()


async def _fill(database: Database, tenant: str, people: int, *, channel: str, address: str, group: str = "", wants: bool = False) -> None:
    """Puts people with an address each into the database, who are in ``group``; with ``wants`` they want something, and one of 100 nothing.

    Their addresses are ``address`` with their number; behind it comes a domain for email.
    """
    now = SystemClock().micros()
    domain = "@example.com" if channel == "email" else ""
    document = encode(Preferences((PreferenceChoice(enabled=False, category="news"),), QuietHours(), DeliveryCap(1000, _DAY)))
    common = {"tenant": tenant, "created": now, "updated": now}
    digest = {"id": "digest", "display_name": "", "kind": int(CategoryKind.TRANSACTIONAL), "channels": "[]", "digest_window": _DAY}
    async with database.transaction() as connection:
        await connection.execute(insert(categories), [common | digest])
        if group:
            await connection.execute(insert(groups), [common | {"id": group, "display_name": ""}])
    for first in range(0, people, _PIECE):
        numbers = range(first, min(first + _PIECE, people))
        ids = [f"r{number:06}" for number in numbers]
        values = [f"{address}{number}{domain}" for number in numbers]
        person = {"display_name": "", "name_key": "", "locale": "", "time_zone": "Europe/Berlin", "attributes": "{}"}
        place = {"channel": channel, "state": int(AddressState.ACTIVE), "reason": "", "code_hash": "", "last_seen": now}
        no_code = {"code_expires": 0, "code_attempts": 0, "code_sent": 0}
        rows: list[tuple[Any, list[dict[str, Any]]]] = [
            (recipients, [common | person | {"id": each} for each in ids]),
            (
                addresses,
                [
                    common | place | no_code | {"id": f"{tenant}-{each}", "recipient": each, "value": value}
                    for each, value in zip(ids, values, strict=True)
                ],
            ),
        ]
        if group:
            member = {"tenant": tenant, "group_id": group, "kind": int(MemberKind.RECIPIENT)}
            rows.append((group_members, [member | {"member": each} for each in ids]))
        if wants:
            rows.append((preferences, [{"tenant": tenant, "recipient": each, "document": document, "updated": now} for each in ids]))
            why = {"category": "", "reason": int(SuppressionReason.MANUAL), "source": "", "detail": "", "until": None, "created": now}
            refused = zip(ids[::100], values[::100], strict=True)
            rows.append(
                (suppressions, [why | {"tenant": tenant, "channel": channel, "address": value, "id": each} for each, value in refused])
            )
        async with database.transaction() as connection:
            for table, found in rows:
                await connection.execute(insert(table), found)


@asynccontextmanager
async def _backend(url: str) -> AsyncGenerator[int | None]:
    """A backend of PostgreSQL, which lives as long as the context; None on SQLite."""
    if url.startswith("sqlite"):
        yield None
        return
    connection = cast("Any", await asyncpg.connect(url))  # pyright: ignore[reportUnknownMemberType]  it has no types
    try:
        yield await connection.fetchval("SELECT pg_backend_pid()")
    finally:
        await connection.close()
