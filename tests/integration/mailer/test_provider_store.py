"""Providers of tenants on each database."""

import asyncio
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import select, update

from mailer_svc.domain.providers import ProviderRecord, TooManyProviders
from mailer_svc.ports.providers import UnreadableProvider
from mailer_svc.service.lanes import BrokenProvider, TenantLanes
from mailer_svc.store.people_tables import providers
from mailer_svc.store.providers import SqlProviderStore
from tests.integration.mailer.stored import Store
from tocsin.sealing import SealBroken, Sealer

SEALER = Sealer(lambda: bytes(range(32)))


def record(identity: str, **fields: Any) -> ProviderRecord:
    """A provider of t1; ``fields`` replace its own."""
    values: dict[str, Any] = {
        "id": identity,
        "tenant": "t1",
        "channel": "sms",
        "kind": "twilio",
        "display_name": "Grüße ☎",
        "position": 0,
        "enabled": True,
        "config": {"account": "AC1", "rate": 1.5, "list": [1, "two"]},
        "secrets": {"auth_token": "hunter2-☎"},
        "created": 1,
        "updated": 1,
    }
    return ProviderRecord(**{**values, **fields})


@pytest.fixture
def kept(store: Store) -> SqlProviderStore:
    """The providers of a database."""
    return SqlProviderStore(database=store.database, sealer=SEALER)


async def test_a_provider_comes_back_as_it_was_and_to_its_tenant_alone(kept: SqlProviderStore) -> None:
    """Whatever is in it."""
    stored = await kept.add(record("a"), most=9)
    assert stored == record("a", position=1)
    assert await kept.get(tenant="t1", id="a") == stored
    assert await kept.get(tenant="t2", id="a") is None
    assert await kept.of_tenant(tenant="t2") == []
    assert not await kept.delete(tenant="t2", id="a")
    assert await kept.replace(record("a", tenant="t2", position=1)) is None
    assert await kept.find(id="a") == stored


async def test_no_secret_stands_in_a_row(store: Store, kept: SqlProviderStore) -> None:
    """Whoever reads the database reads none."""
    await kept.add(record("a"), most=9)
    async with store.database.read() as connection:
        row = (await connection.execute(select(providers))).one()
    assert "hunter2" not in str(tuple(row))


async def test_positions_are_those_of_the_lane(kept: SqlProviderStore) -> None:
    """A new one comes last or at its place, a moved one moves the others, and other lanes stay."""
    await kept.add(record("a"), most=9)
    await kept.add(record("b"), most=9)
    await kept.add(record("x", channel="push"), most=9)
    await kept.add(record("c", position=1), most=9)
    await kept.add(record("d", position=77), most=9)
    assert [(one.id, getattr(one, "position", 0)) for one in await kept.of_tenant(tenant="t1")] == [
        ("x", 1),
        ("c", 1),
        ("a", 2),
        ("b", 3),
        ("d", 4),
    ]
    moved = await kept.replace(record("d", position=2, updated=2))
    assert moved is not None
    assert moved.position == 2
    assert [one.id for one in await kept.of_tenant(tenant="t1")] == ["x", "c", "d", "a", "b"]


async def test_a_tenant_has_so_many_and_not_more(kept: SqlProviderStore) -> None:
    """Other tenants are not counted."""
    await kept.add(record("a"), most=2)
    await kept.add(record("b", tenant="t2"), most=2)
    await kept.add(record("c"), most=2)
    with pytest.raises(TooManyProviders):
        await kept.add(record("d"), most=2)
    assert len(await kept.of_tenant(tenant="t1")) == 2


async def test_every_change_changes_the_fingerprint(kept: SqlProviderStore) -> None:
    """Other replicas notice by it."""
    seen = [await kept.fingerprint()]
    stored = await kept.add(record("a"), most=9)
    seen.append(await kept.fingerprint())
    await kept.replace(replace(stored, enabled=False, updated=2))
    seen.append(await kept.fingerprint())
    await kept.add(record("b", updated=3), most=9)
    seen.append(await kept.fingerprint())
    await kept.delete(tenant="t1", id="b")
    seen.append(await kept.fingerprint())
    assert all(one != other for one, other in pairwise(seen))
    assert await kept.everything() == []  # the one that is left is disabled


async def test_a_replacement_by_a_clock_behind_changes_the_fingerprint(kept: SqlProviderStore) -> None:
    """One goes and an older one comes: neither the number nor the newest time tells."""
    await kept.add(record("new", updated=9), most=9)
    await kept.add(record("a", updated=5), most=9)
    before = await kept.fingerprint()
    await kept.delete(tenant="t1", id="a")
    await kept.add(record("b", updated=4), most=9)
    assert await kept.fingerprint() != before


@pytest.mark.parametrize("values", [{"secrets": "v1.AAAA"}, {"config": "{"}, {"secrets": ""}])
async def test_an_unreadable_row_costs_itself(store: Store, kept: SqlProviderStore, values: dict[str, str]) -> None:
    """The others are read."""
    await kept.add(record("a"), most=9)
    good = await kept.add(record("b"), most=9)
    async with store.database.transaction() as connection:
        await connection.execute(update(providers).where(providers.c.id == "a").values(values))
    broken, found = await kept.everything()
    assert found == good
    assert isinstance(broken, UnreadableProvider)
    assert (broken.id, broken.tenant, broken.channel) == ("a", "t1", "sms")
    assert broken.problem
    with pytest.raises(SealBroken):
        await kept.get(tenant="t1", id="a")
    with pytest.raises(SealBroken):
        await kept.find(id="a")


class Kinds:
    """Makes providers that do nothing, and counts them."""

    def __init__(self) -> None:
        self.made: list[BrokenProvider] = []

    def make(self, record: ProviderRecord) -> BrokenProvider:
        """A provider."""
        self.made.append(BrokenProvider(name=record.id, problem="a test's"))
        return self.made[-1]


async def test_readers_at_once_make_each_provider_once(store: Store, kept: SqlProviderStore) -> None:
    """A change that is taken up by its caller and by the round that looks for changes."""
    kinds: Any = Kinds()
    lanes = TenantLanes(store=kept, kinds=kinds, clock=store.clock)
    await kept.add(record("a"), most=9)
    await asyncio.gather(*(lanes.refresh() for _ in range(5)))
    assert [provider.name for provider in kinds.made] == ["a"]
    assert list(lanes.of("t1", "sms")) == list(lanes.everybody("sms")) == kinds.made
    assert lanes.serves("sms", "t1")
    assert not lanes.serves("sms", "t2")
    await lanes.stop()


class BadKinds(Kinds):
    """Makes providers of which some cannot be made, started or stopped, by their ids."""

    def make(self, record: ProviderRecord) -> BrokenProvider:
        """A provider."""
        if record.id == "unmade":
            raise KeyError(record.id)
        provider = super().make(record)
        if record.id == "unstarted":
            provider.start = _failing
        if record.id == "unstopped":
            provider.stop = _failing
        return provider


async def _failing() -> None:
    raise RuntimeError("a test's")


async def test_a_provider_that_fails_in_any_way_costs_no_other(store: Store, kept: SqlProviderStore) -> None:
    """Those after it are made, those that are gone are closed, and its own tenant is told what is wrong."""
    lanes = TenantLanes(store=kept, kinds=BadKinds(), clock=store.clock)  # pyright: ignore[reportArgumentType]
    for identity in ("unmade", "unstarted", "unstopped", "z"):
        await kept.add(record(identity, tenant=identity), most=9)
    await lanes.refresh()
    assert [len(lanes.of(tenant, "sms")) for tenant in ("unmade", "unstarted", "unstopped", "z")] == [1, 1, 1, 1]
    assert "KeyError" in lanes.status("unmade").fault
    assert "RuntimeError" in lanes.status("unstarted").fault
    assert lanes.status("z").fault == lanes.status("unstopped").fault == "a test's"
    await lanes.stop()
