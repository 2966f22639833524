"""How many bytes services keep of tenants with a quota, on each database."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import BigInteger, Column, LargeBinary, MetaData, Table, Text, insert

from tocsin.alerts import AlertKind
from tocsin.database import Database
from tocsin.errors import QuotaExceeded, Unavailable
from tocsin.mesh.policy import policies
from tocsin.tenants import BookedTenant, Quotas, TenantBook
from tocsin.tenants.quotas import QuotaAlerts
from tocsin.tenants.storage import Bytes, StorageMeter
from tocsin.testing.alerts import RecordedAlerts
from tocsin.testing.clock import FakeClock

METADATA = MetaData()
THINGS = Table(
    "metered_things",
    METADATA,
    Column("id", BigInteger, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("body", LargeBinary),
)
PARTS = Table("metered_parts", METADATA, Column("thing", BigInteger, primary_key=True), Column("text", Text, nullable=False))


class Office:
    """A service with its database, a peer, and what the operator has settled."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.database = database
        self.limit = 0
        self.told: Bytes | None = {}
        self.alerts = RecordedAlerts()
        self.meter = StorageMeter(
            database=database,
            metadata=METADATA,
            book=lambda: TenantBook({"t1": BookedTenant(quotas=Quotas(storage_bytes=self.limit))}),
            peers={"other_svc": self._ask},
            clock=clock,
            alerts=QuotaAlerts(self.alerts),
            parts=[(PARTS, PARTS.c.thing, THINGS.c.id)],
        )

    async def _ask(self) -> Bytes:
        if self.told is None:
            raise Unavailable
        return self.told

    def refused(self, method: str, *, tenant: str = "t1") -> bool:
        """Whether a call is refused because too much is kept."""
        (policy,) = (each for each in policies().values() if each.method == method)
        try:
            self.meter.require(policy, tenant)
        except QuotaExceeded:
            return True
        return False


@pytest.fixture
async def office(database_url: str, clock: FakeClock) -> AsyncIterator[Office]:
    """With two tenants of one thing each; that of the first has a part."""
    database = Database(url=database_url, clock=clock, schema="public")
    await database.start()
    async with database.transaction() as connection:
        await connection.run_sync(METADATA.drop_all)
        await connection.run_sync(METADATA.create_all)
        rows = [{"id": number, "tenant": f"t{number}", "body": b"\x07\x91" * 400} for number in (1, 2)]
        await connection.execute(insert(THINGS), rows)
        await connection.execute(insert(PARTS), [{"thing": 1, "text": "x" * 500}])
    yield Office(database, clock)
    await database.stop()


async def test_what_is_kept_is_counted_and_no_more_is_made(office: Office) -> None:
    """With what others keep; what runs goes on, and so does whoever has no quota; more quota frees at once."""
    office.limit, office.told = 2000, {"t1": 300}
    await office.meter.measure()
    own = office.meter.own
    assert set(own) == {"t1"}
    assert 1300 <= own["t1"] <= 1400  # a row has a few bytes besides
    assert office.meter.used("t1") == own["t1"] + 300
    assert not office.refused("CreateAlarm")
    office.told = {"t1": 900}
    await office.meter.measure()
    assert [alert.kind for alert in office.alerts.all] == [AlertKind.QUOTA_NEAR, AlertKind.QUOTA_REACHED]
    made = ("CreateAlarm", "ImportAlarms", "CreateTemplate", "SetRecord")
    assert {method: office.refused(method) for method in made} == dict.fromkeys(made, True)
    runs = ("FireAlarm", "DeleteAlarm", "PublishEvent", "TriggerIncident", "AcknowledgeIncident", "CreateSilence", "CreateRotationOverride")
    assert {method: office.refused(method) for method in runs} == dict.fromkeys(runs, False)
    assert not office.refused("CreateAlarm", tenant="t2")
    office.limit = 5000
    assert not office.refused("CreateAlarm")


async def test_a_service_that_is_away_counts_as_it_said_last(office: Office) -> None:
    """And without any quota nobody counts."""
    office.limit, office.told = 2000, {"t1": 900}
    await office.meter.measure()
    office.told = None
    await office.meter.measure()
    assert office.refused("CreateAlarm")
    office.limit = 0
    await office.meter.measure()
    assert (office.meter.own, office.meter.used("t1")) == ({}, 0)
