"""What removes a tenant from a service: when it begins, when it is over, what it tells, and what a restart does."""

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager

import pytest

from tocsin.errors import Unavailable
from tocsin.tenants import BookedTenant, TenantBook, TenantState
from tocsin.tenants.purge import TenantPurger
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually


class Cellar:
    """Has rows of tenants; `late` are written by somebody who has not heard of the deletion, after the first sweep."""

    def __init__(self, **rows: int) -> None:
        self.rows = dict(rows)
        self.late: dict[str, int] = {}
        self.removed: dict[str, int] = {}
        self.finished: dict[str, int] = {}
        self.sweeps = 0

    async def sweep(self, tenant: str, *, now: int) -> AsyncIterator[int]:
        """Two rows a step."""
        self.sweeps += 1
        while self.rows.get(tenant, 0):
            step = min(2, self.rows[tenant])
            self.rows[tenant] -= step
            self.removed[tenant] = self.removed.get(tenant, 0) + step
            yield step
        self.rows[tenant] = self.late.pop(tenant, 0)

    async def counts(self, tenant: str) -> Mapping[str, int]:
        """One kind."""
        return {"rows": self.removed.get(tenant, 0)}

    async def done(self) -> Mapping[str, int]:
        """Those that are finished."""
        return dict(self.finished)

    async def finish(self, tenant: str, *, now: int) -> None:
        """Remembers it."""
        self.finished[tenant] = now

    async def forget(self, known: Collection[str]) -> None:
        """Keeps the known ones."""
        self.finished = {tenant: at for tenant, at in self.finished.items() if tenant in known}


class Auth:
    """Is told; away as often as `failures` says."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Mapping[str, int]]] = []
        self.failures = 0

    async def tell(self, tenant: str, counts: Mapping[str, int]) -> None:
        """Takes a report."""
        if self.failures:
            self.failures -= 1
            raise Unavailable
        self.told.append((tenant, counts))


def book_of(*purging: str, version: int = 1) -> TenantBook:
    """A book in which these are purged, and one waits."""
    gone = {tenant: BookedTenant(state=TenantState.DELETING, purging=True) for tenant in purging}
    return TenantBook({**gone, "waits": BookedTenant(state=TenantState.DELETING)}, version=version)


@asynccontextmanager
async def purging(cellar: Cellar, auth: Auth, clock: FakeClock, book: TenantBook) -> AsyncGenerator[TenantPurger]:
    """It runs."""
    purger = TenantPurger(store=cellar, book=lambda: book, tell=auth.tell, clock=clock)
    await purger.start()
    yield purger
    await purger.stop()


async def is_told(auth: Auth, clock: FakeClock, number: int) -> bool:
    """Whether so many reports came, a second later."""
    await clock.advance(1)
    return len(auth.told) >= number


@pytest.mark.parametrize(("failures", "late"), [(0, 0), (2, 0), (0, 3)], ids=["at once", "auth_svc away", "late rows"])
async def test_a_tenant_is_told_of_when_nothing_is_left(clock: FakeClock, failures: int, late: int) -> None:
    """Once, with all that was removed, also what came late; nobody else loses anything."""
    cellar, auth = Cellar(gone=5, waits=3, other=4), Auth()
    auth.failures, cellar.late = failures, {"gone": late}
    async with purging(cellar, auth, clock, book_of("gone")):
        await eventually(lambda: is_told(auth, clock, 1), what="the report")
        await eventually(lambda: "gone" in cellar.finished, what="the end")
    assert auth.told == [("gone", {"rows": 5 + late})]
    assert {tenant: rows for tenant, rows in cellar.rows.items() if rows} == {"waits": 3, "other": 4}


async def test_nothing_is_removed_before_anybody_has_told(clock: FakeClock) -> None:
    """A first start without a book forgets no counts, and removes nothing."""
    cellar, auth = Cellar(gone=5), Auth()
    cellar.finished = {"before": 1}
    purger = TenantPurger(store=cellar, book=lambda: TenantBook({}), tell=auth.tell, clock=clock)
    await purger.round()
    assert (cellar.sweeps, cellar.finished) == (0, {"before": 1})


async def test_a_restart_looks_again_and_tells_only_what_is_new(clock: FakeClock) -> None:
    """What was told is looked for again after a while: late rows go and are told; a tenant that the book forgets is forgotten."""
    cellar, auth = Cellar(gone=1), Auth()
    async with purging(cellar, auth, clock, book_of("gone")):
        await eventually(lambda: is_told(auth, clock, 1), what="the report")
        await eventually(lambda: "gone" in cellar.finished, what="the end")
    async with purging(cellar, auth, clock, book_of("gone")) as purger:
        swept = cellar.sweeps
        await clock.advance(300)
        await purger.round()
        assert cellar.sweeps == swept
    await clock.advance(600)
    purger = TenantPurger(store=cellar, book=lambda: book_of("gone"), tell=auth.tell, clock=clock)
    await purger.round()
    assert (cellar.sweeps, len(auth.told)) == (swept + 1, 1)
    await clock.advance(601)
    cellar.rows["gone"] = 2
    async with purging(cellar, auth, clock, book_of("gone")):
        await eventually(lambda: is_told(auth, clock, 2), what="the second report")
    assert auth.told[-1] == ("gone", {"rows": 3})
    purger = TenantPurger(store=cellar, book=lambda: book_of(version=2), tell=auth.tell, clock=clock)
    await purger.round()
    assert cellar.finished == {}
