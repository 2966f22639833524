"""Records on each database."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime

import pytest

from processor_svc.domain import RecordNotFound
from processor_svc.store import SqlRecordStore
from tocsin.database import Database
from tocsin.testing.clock import FakeClock

NOW = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
async def store(database_url: str, clock: FakeClock) -> AsyncGenerator[SqlRecordStore]:
    """A store on a fresh, migrated database."""
    database = Database(url=database_url, clock=clock, schema="processor_svc", migrations="processor_svc")
    await database.start()
    store = SqlRecordStore(database=database)
    await store.start()
    yield store
    await store.stop()
    await database.stop()


async def test_a_record_is_read_back_as_it_was_stored(store: SqlRecordStore) -> None:
    """Value and time are exact, whatever the text."""
    value = "naïve ☎ \U0001f514 'quoted'"
    await store.set_record(tenant="t1", key="k", value=value, now=NOW)
    record = await store.get_record(tenant="t1", key="k")
    assert (record.value, record.update_time) == (value, NOW)


async def test_a_second_value_replaces_the_first(store: SqlRecordStore) -> None:
    """There is one value under a key."""
    await store.set_record(tenant="t1", key="k", value="1", now=NOW)
    await store.set_record(tenant="t1", key="k", value="2", now=NOW)
    assert (await store.get_record(tenant="t1", key="k")).value == "2"


async def test_tenants_do_not_see_each_other(store: SqlRecordStore) -> None:
    """Another tenant's record can be neither read, listed nor removed."""
    await store.set_record(tenant="t1", key="k", value="1", now=NOW)
    with pytest.raises(RecordNotFound):
        await store.get_record(tenant="t2", key="k")
    assert await store.list_records(tenant="t2", after="", limit=10) == []
    with pytest.raises(RecordNotFound):
        await store.delete_record(tenant="t2", key="k")
    assert (await store.get_record(tenant="t1", key="k")).value == "1"


async def test_pages_go_by_the_bytes_of_the_key(store: SqlRecordStore) -> None:
    """The order is the same on every database, capitals before small letters."""
    for key in ("b", "B", "a", "A", "_"):
        await store.set_record(tenant="t1", key=key, value="", now=NOW)
    first = await store.list_records(tenant="t1", after="", limit=3)
    rest = await store.list_records(tenant="t1", after=first[-1].key, limit=3)
    assert [record.key for record in (*first, *rest)] == ["A", "B", "_", "a", "b"]


async def test_a_removed_record_is_gone(store: SqlRecordStore) -> None:
    """Removing twice is an error the second time."""
    await store.set_record(tenant="t1", key="k", value="1", now=NOW)
    await store.delete_record(tenant="t1", key="k")
    with pytest.raises(RecordNotFound):
        await store.delete_record(tenant="t1", key="k")
