"""Rows that no version of ours has written."""

import sqlite3
from pathlib import Path

import pytest

from mailer_svc.domain import Priority
from tests.integration.mailer.stored import Store, new
from tests.integration.mailer.support import Rig, State, message
from tocsin.api.mailer.v1 import delivery_service_pb2 as pb
from tocsin.errors import TocsinError

ODD_ROWS = {
    "attempts that overflow": ("UPDATE {table} SET attempts = 2147483647, deferrals = 2147483647, {set} WHERE id = 'd2'", None),
    "a time out of the world": ("UPDATE {table} SET created = 9223372036854775807, {set} WHERE id = 'd2'", None),
    "bytes that are no text": ("UPDATE {table} SET subject = CAST(x'ff' AS TEXT), {set} WHERE id = 'd2'", None),
    "a text for a number": ("UPDATE {table} SET attempts = 'many', {set} WHERE id = 'd2'", "sqlite"),
}


@pytest.mark.parametrize("odd", ODD_ROWS)
async def test_a_row_that_cannot_be_read_stops_no_other(store: Store, odd: str) -> None:
    """Claimed, or handed over by a sender that vanished: the others go their way, and it ends, or is shown to whoever can judge it."""
    statement, only = ODD_ROWS[odd]
    await store.journal.accept([new(number) for number in (1, 2, 3)])
    table = "deliveries" if store.database.dialect == "sqlite" else "mailer_svc.deliveries"
    if only not in (None, store.database.dialect):
        with pytest.raises(TocsinError):  # this database stores no such thing
            async with store.database.transaction() as connection:
                await connection.exec_driver_sql(statement.format(table=table, set="updated = 0"))
        return
    async with store.database.transaction() as connection:
        await connection.exec_driver_sql(statement.format(table=table, set="updated = 0"))
    jobs = await store.claim()
    assert {"d1", "d3"} <= {job.id for job in jobs}
    async with store.database.transaction() as connection:
        await connection.exec_driver_sql(statement.format(table=table, set=f"state = 2, due = {store.clock.micros()}"))
    assert await store.queue.expire_handed_over(now=store.clock.micros(), wait=1, limit=10) == 1
    assert await store.queue.expire_handed_over(now=store.clock.micros(), wait=1, limit=10) == 0
    assert await store.queue.depths() == {Priority.CRITICAL: 0, Priority.NORMAL: 2, Priority.BULK: 0}


async def test_the_greatest_number_of_a_change_keeps_no_mailer_from_starting(store: Store) -> None:
    """Behind it there is no other; whoever starts numbers on behind what a mailer wrote."""
    await store.journal.accept([new(1)])
    table = "events" if store.database.dialect == "sqlite" else "mailer_svc.events"
    async with store.database.transaction() as connection:
        await connection.exec_driver_sql(f"UPDATE {table} SET change = 9223372036854775807")  # noqa: S608
    await store.journal.start()
    await store.journal.accept([new(2)])
    assert [job.id for job in await store.claim()] == ["d1", "d2"]


async def test_a_time_out_of_the_world_is_shown_as_the_nearest(tmp_path: Path) -> None:
    """The list and the delivery go on."""
    rig = Rig(folder=tmp_path)
    await rig.start()
    acks = await rig.deliver(*(message(key, channel="inbox") for key in (1, 2, 3)))
    with sqlite3.connect(next(tmp_path.rglob("mailer_svc.db"))) as database:
        odd = "created = 9223372036854775807, updated = -5"
        database.execute(f"UPDATE deliveries SET {odd} WHERE id = ?", (acks[1].delivery.removeprefix("deliveries/"),))  # noqa: S608  constant
    with rig.user():
        page = await rig.deliveries.ListDeliveries(pb.ListDeliveriesRequest())
    assert {item.name for item in page.deliveries} == {ack.delivery for ack in acks}
    assert (await rig.get(acks[1].delivery)).state == State.SENT
    await rig.stop()
