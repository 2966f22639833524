"""The book of tenants at hand: pages, versions, the file, and who keeps it being away."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tocsin.api.auth.v1 import user_service_pb2 as pb
from tocsin.errors import Unavailable
from tocsin.mesh.policy import policies
from tocsin.tenants import BookedTenant, Quotas, TenantBook, TenantDeleted, TenantState, TenantSuspended
from tocsin.tenants.feed import TenantFeed
from tocsin.testing.clock import FakeClock

WATCH, EXPORT, CREATE, READ = (
    policies()[f"/tocsin.api.scheduler.v1.{method}"]
    for method in ("FiringService/WatchFirings", "AlarmService/ExportAlarms", "AlarmService/CreateAlarm", "AlarmService/GetAlarm")
)


class Office:
    """Keeps a book, in pages of two."""

    def __init__(self) -> None:
        self.version = 1
        self.tenants: dict[str, pb.BookedTenant] = {}
        self.defaults = pb.TenantQuotas()
        self.away = False
        self.asked: list[tuple[int, str]] = []
        self.change_at = ""

    def settle(self, tenant: str, state: "pb.Tenant.State.ValueType", reason: str = "", *, purging: bool = False, **quotas: int) -> None:
        """Changes one."""
        self.version += 1
        booked = pb.BookedTenant(tenant=tenant, state=state, suspend_reason=reason, quotas=pb.TenantQuotas(**quotas), purging=purging)
        self.tenants[tenant] = booked

    async def fetch(self, version: int, token: str) -> pb.GetTenantBookResponse:
        """What the RPC answers."""
        self.asked.append((version, token))
        if self.away:
            raise Unavailable
        if token and token == self.change_at:
            self.change_at, self.version = "", self.version + 1
        answer = pb.GetTenantBookResponse(version=self.version, defaults=self.defaults)
        if version == self.version and not token:
            return answer
        rest = [self.tenants[tenant] for tenant in sorted(self.tenants) if tenant > token]
        answer.tenants.extend(rest[:2])
        answer.next_page_token = rest[1].tenant if len(rest) > 2 else ""
        return answer


@asynccontextmanager
async def running(office: Office, clock: FakeClock, file: Path | None) -> AsyncGenerator[TenantFeed]:
    """A feed that has asked."""
    feed = TenantFeed(fetch=office.fetch, clock=clock, file=file)
    await feed.refresh()
    yield feed
    await feed.stop()


async def test_the_book_comes_whole_and_once(clock: FakeClock, tmp_path: Path) -> None:
    """Every page of one version; while nothing changes, one short question."""
    office = Office()
    for number in range(5):
        office.settle(f"t{number}", pb.Tenant.SUSPENDED, f"reason {number}", alarms=number)
    office.defaults.alarms, office.change_at = 7, "t1"
    async with running(office, clock, tmp_path / "book.bin") as feed:
        book = feed.book()
        assert (book.version, len(book.stopped), book.of("t3").reason) == (office.version, 5, "reason 3")
        assert (book.of("t4").quotas.alarms, book.of("t0").quotas.alarms, book.of("nobody").quotas.alarms) == (4, 0, 7)
        asked = len(office.asked)
        await feed.refresh()
        assert (len(office.asked), feed.book()) == (asked + 1, book)
        office.defaults.alarms = 8
        await feed.refresh()
        assert (feed.book().of("nobody").quotas.alarms, len(feed.book().stopped)) == (8, 5)


async def test_the_last_book_holds_while_nobody_answers(clock: FakeClock, tmp_path: Path) -> None:
    """In memory, and from the file at the next start; a file that is damaged is none."""
    office, file = Office(), tmp_path / "book.bin"
    office.settle("bad", pb.Tenant.SUSPENDED, "abuse")
    async with running(office, clock, file) as feed:
        office.away = True
        await feed.refresh()
        assert feed.book().of("bad").reason == "abuse"
    later = TenantFeed(fetch=office.fetch, clock=clock, file=file)
    await later.start()
    assert later.book().stopped == {"bad"}
    await later.stop()
    file.write_bytes(b"\xff\xff")
    damaged = TenantFeed(fetch=office.fetch, clock=clock, file=file)
    await damaged.start()
    assert damaged.book().version == 0
    await damaged.stop()


@pytest.mark.parametrize(
    ("state", "refused"),
    [
        (pb.Tenant.ACTIVE, set[str]()),
        (pb.Tenant.SUSPENDED, {"WatchFirings", "CreateAlarm"}),
        (9, {"WatchFirings", "CreateAlarm"}),
        (pb.Tenant.DELETING, {"WatchFirings", "CreateAlarm"}),
    ],
)
async def test_what_a_tenant_may_in_each_state(clock: FakeClock, state: "pb.Tenant.State.ValueType", refused: set[str]) -> None:
    """One that is suspended or about to be purged reads and exports; of a state that only a later version knows, likewise."""
    office = Office()
    office.settle("t", state)
    async with running(office, clock, None) as feed:
        for policy in (WATCH, EXPORT, CREATE, READ):
            feed.require(policy, "other")
            if policy.method not in refused:
                feed.require(policy, "t")
                continue
            with pytest.raises(TenantDeleted if state == pb.Tenant.DELETING else TenantSuspended):
                feed.require(policy, "t")


async def test_streams_end_with_the_book_and_exports_do_not(clock: FakeClock) -> None:
    """Each with its refusal; one that ended before is forgotten."""
    office = Office()
    async with running(office, clock, None) as feed:

        async def serve(policy: object, tenant: str) -> None:
            async with feed.bound(policy, tenant):  # pyright: ignore[reportArgumentType]  a policy of the table above
                await asyncio.Event().wait()

        watch, export, other = (
            asyncio.ensure_future(serve(policy, tenant)) for policy, tenant in ((WATCH, "t"), (EXPORT, "t"), (WATCH, "other"))
        )
        async with feed.bound(WATCH, "t"):
            pass
        await asyncio.sleep(0)
        office.settle("t", pb.Tenant.SUSPENDED, "abuse")
        await feed.refresh()
        with pytest.raises(TenantSuspended):
            await watch
        assert not export.done()
        office.settle("t", pb.Tenant.DELETING)
        await feed.refresh()
        assert not export.done()
        office.settle("t", pb.Tenant.DELETING, purging=True)
        await feed.refresh()
        with pytest.raises(TenantDeleted):
            await export
        for policy in (WATCH, EXPORT, CREATE, READ):
            with pytest.raises(TenantDeleted):
                feed.require(policy, "t")
        assert not other.done()
        other.cancel()
        await asyncio.gather(other, return_exceptions=True)


def test_a_book_says_who_may_work() -> None:
    """Of many, and of one."""
    book = TenantBook({"a": BookedTenant(state=TenantState.SUSPENDED, reason="why"), "b": BookedTenant(quotas=Quotas(alarms=1))})
    assert (book.active("a"), book.active("b"), book.among(["a", "b", "c"])) == (False, True, {"b", "c"})
    with pytest.raises(TenantSuspended, match="The tenant is suspended: why"):
        book.require_active("a")
    book.require_active("c")


def test_secrets_in_place_of_tokens_end_with_their_tenant() -> None:
    """Those of one that is suspended still open what they open; and a book knows which quotas anybody has."""
    book = TenantBook(
        {"a": BookedTenant(state=TenantState.SUSPENDED), "b": BookedTenant(state=TenantState.DELETING, quotas=Quotas(alarms=1))}
    )
    assert [book.serves_keys(tenant) for tenant in ("a", "b", "c")] == [True, False, True]
    assert book.bounded == {"alarms"}
    assert TenantBook(defaults=Quotas(messages_per_day=3)).bounded == {"messages_per_day"}
