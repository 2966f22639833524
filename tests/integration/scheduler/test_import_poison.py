"""Lines of an import that no database takes."""

from collections.abc import Sequence

import pytest

from scheduler_svc.domain import Draft
from scheduler_svc.service.alarms import Caller
from scheduler_svc.service.checks import ActionChecks
from scheduler_svc.service.imports import Imports
from scheduler_svc.store import SqlImportStore
from tests.integration.scheduler.outside import on
from tests.integration.scheduler.stores import ACTION, Stores
from tocsin.errors import InvalidInput
from tocsin.testing.clock import FakeClock


class _Deaf:
    """Hints that nobody needs."""

    async def scheduled_all(self, alarms: Sequence[object]) -> None:
        """Hears."""


@pytest.mark.parametrize("bad", [0, 17, 39])
async def test_a_line_that_no_database_takes_is_refused_alone(stores: Stores, clock: FakeClock, bad: int) -> None:
    """The others of its batch are imported, once; the refusal names the line."""
    imports = Imports(store=SqlImportStore(stores.database), hints=_Deaf(), checks=ActionChecks(kinds={}, clock=clock), clock=clock)  # pyright: ignore[reportArgumentType]  what it calls
    trigger = on("a.b").trigger
    drafts = [Draft(key=f"k{n}", display_name="\ud800" if n == bad else "", trigger=trigger, action=ACTION) for n in range(40)]
    with imports.begin(Caller(tenant="t1"), validate_only=False) as running:
        settled = await running.commit([running.read(line, draft) for line, draft in enumerate(drafts)])
    assert (settled.created, settled.updated, settled.unchanged) == (39, 0, 0)
    assert [(line, type(error).__mro__[1]) for line, error in settled.refused] == [(bad, InvalidInput)]
    page = await stores.alarms.page("t1", conditions=(), before=None, size=100)
    assert {alarm.key for alarm in page.alarms} == {draft.key for draft in drafts} - {f"k{bad}"}
