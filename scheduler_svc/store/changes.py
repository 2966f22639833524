"""The log of changes: which firings each transaction changed. Watchers of firings read it.

An index on the number of the last change would be rewritten with every result; a row for each transaction and tenant costs next to nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler_svc.domain import Firing
from scheduler_svc.store.mapping import firing_of
from scheduler_svc.store.sql import CHANGE, SETTLED, Statement, both, counts, is_sqlite
from scheduler_svc.store.tables import firings
from tocsin.database import DatabaseRefused
from tocsin.recurrence import Micros
from tocsin.stored import readable

_PAGE: Final = 10
_INTO: Final = "INSERT INTO firing_changes (tenant, change_no, changed_at, ids)"
_AGAIN: Final = "ON CONFLICT (tenant, change_no) DO UPDATE SET ids = firing_changes.ids || ' ' || excluded.ids"
_NOTE: Final = Statement(
    sqlite=f"{_INTO} VALUES (?1, {CHANGE.sqlite}, ?2, ?3) {_AGAIN}",
    postgresql=(
        f"{_INTO} SELECT v.tenant, {CHANGE.postgresql}, v.at, v.ids "
        f"FROM unnest($1::text[], $2::bigint[], $3::text[]) AS v(tenant, at, ids) {_AGAIN}"
    ),
)
_CHANGED: Final = f"SELECT tenant, id FROM firings WHERE id IN (SELECT value FROM json_each(?1)) AND change_no = {CHANGE.sqlite}"
_READ: Final = Statement(
    sqlite=(
        "SELECT change_no, ids FROM firing_changes WHERE tenant = ?1 AND change_no >= ?2 "
        f"AND change_no < {SETTLED.sqlite} ORDER BY change_no LIMIT {_PAGE}"
    ),
    postgresql=(
        "SELECT change_no, ids FROM firing_changes WHERE tenant = $1 AND change_no >= $2 "
        f"AND change_no < {SETTLED.postgresql} ORDER BY change_no LIMIT {_PAGE}"
    ),
)
_FORGET: Final = both(
    "DELETE FROM firing_changes WHERE (tenant, change_no) IN "
    "(SELECT tenant, change_no FROM firing_changes WHERE changed_at < $1 ORDER BY changed_at LIMIT $2)"
)


# Made by whoever starts first on a database; one of before this mark has numbered by transaction ids.
_ANY_CHANGE: Final = "(EXISTS (SELECT 1 FROM firing_changes) OR EXISTS (SELECT 1 FROM firings) OR EXISTS (SELECT 1 FROM incident_events))"
_ANY: Final = both(f"SELECT {_ANY_CHANGE}")
_MAKE_MARK: Final = both(
    f"INSERT INTO counters (name, value) SELECT 'counted', CASE WHEN {_ANY_CHANGE} THEN 0 ELSE $1::bigint END ON CONFLICT DO NOTHING"
)
_MARK: Final = both("SELECT value FROM counters WHERE name = 'counted' FOR UPDATE")
_SET_MARK: Final = both("UPDATE counters SET value = $1 WHERE name = 'counted'")


async def note(connection: AsyncConnection, changed: Mapping[str, Iterable[str]], *, now: Micros) -> None:
    """Notes that the current transaction changed these firings, by tenant."""
    await _NOTE.many(connection, [(tenant, now, " ".join(ids)) for tenant, ids in sorted(changed.items())])


def noting(update: str, *, now: str) -> str:
    """An UPDATE of firings on PostgreSQL that notes by itself what it changed; on SQLite `note_updated` follows it.

    Args:
        update: the statement.
        now: an expression of the instant, the same for every row.
    """
    return (
        f"WITH changed AS ({update} RETURNING firings.tenant, firings.id, {now} AS at) {_INTO} "
        f"SELECT tenant, {CHANGE.postgresql}, max(at), string_agg(id, ' ') FROM changed GROUP BY tenant {_AGAIN}"
    )


async def note_updated(connection: AsyncConnection, ids: Sequence[str], *, now: Micros) -> None:
    """Notes on SQLite those of the firings that the current transaction has updated."""
    if not is_sqlite(connection) or not ids:
        return
    changed: defaultdict[str, list[str]] = defaultdict(list)
    for tenant, identity in await both(_CHANGED).rows(connection, list(ids)):
        changed[tenant].append(identity)
    await note(connection, changed, now=now)


async def read_changes(connection: AsyncConnection, tenant: str, *, alarm: str, after: tuple[int, str], most: int) -> list[Firing]:
    """Settled changes behind the cursor (change, id) in order; of several changes of a firing the last."""
    found: list[Firing] = []
    while len(found) < most:
        log = await _READ.rows(connection, tenant, after[0])
        keys = ((change, identity) for change, ids in log for identity in sorted(set(ids.split())))
        behind = (key for key in keys if key > after)
        while len(found) < most and (page := list(islice(behind, most))):
            rows = await _firings(connection, [identity for _, identity in page])
            # A firing that was changed again since comes at that place.
            current = (rows[key[1]] for key in page if key[1] in rows and rows[key[1]].change == key[0])
            found += [row for row in current if not alarm or row.alarm == alarm]
            after = page[-1]
        if len(log) < _PAGE:
            break
    return found[:most]


async def _firings(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, Firing]:
    rows = await connection.execute(select(firings).where(firings.c.id.in_(ids)))
    return {firing.id: firing for firing in readable(rows, firing_of)}


class ChangeNumbersSettled(DatabaseRefused):
    """Changes have been numbered in the other way, whose numbers watchers hold."""

    reason = DatabaseRefused.reason

    def __init__(self, *, counted: bool = False) -> None:
        way, mend = ("a counter", "add transaction_ids to") if counted else ("transaction ids", "remove transaction_ids from")
        super().__init__(f"The first change of this database was numbered by {way}, and so must all be: {mend} TOCSIN_DATABASE_WITHOUT.")


async def settle_numbering(connection: AsyncConnection) -> None:
    """Settles at the first start on a PostgreSQL database how changes are numbered, and holds everybody to it.

    Numbers of the other way could be smaller than some that watchers have seen.

    Raises:
        ChangeNumbersSettled: the database has changes that were numbered in the other way.
    """
    counted = counts(connection)
    await _MAKE_MARK.run(connection, int(counted))
    marked = bool((await _MARK.rows(connection))[0][0])
    if marked == counted:
        return
    if (await _ANY.rows(connection))[0][0]:
        raise ChangeNumbersSettled(counted=marked)
    await _SET_MARK.run(connection, int(counted))


async def forget_changes(connection: AsyncConnection, *, before: Micros, most: int) -> int:
    """Removes what was noted before an instant; how many rows."""
    return await _FORGET.run(connection, before, most)
