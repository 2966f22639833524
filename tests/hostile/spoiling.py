"""Spoiled copies of stored rows: each row of a tenant once more, with one column that holds what no version wrote.

Copies cost less than spoiling in place: all of them stand in the tables at once, so that everything is asked for once and not once for each
column. What a tenant has but one of cannot be copied; its columns are spoiled in place, one after the other.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

OWNERS: Final = ("tenant", "tenant_id")
"""Columns that say whose a row is, one of which a table of tenants has."""


class NotText(bytes):
    """Bytes that are stored as text without being UTF-8, as ``UPDATE ... SET x = CAST(x'ff' AS TEXT)`` does."""

    __slots__ = ()


ALWAYS: Final[Sequence[Any]] = (b"\xff\xfe\x00\x80", NotText(b"\xff\xfe"), None)
"""What every column gets, in the short form as well."""
IN_TURN: Final[Sequence[Any]] = (
    *(-1, 0, 99, 2**63 - 1, -(2**63), 2**62, -62135596800000000, 253402300799999999, 1.5, float("inf"), 1e308),
    *(b"", b"\x0a\x04" * 400, "", "\x00{", "[1]", "null", "{}", '"x"', "7", "CRITICAL", "Mars/Olympus"),
    *("\U0001f600" * 9_000, '{"a": ' * 2_000, "[" * 2_000 + "]" * 2_000, '{"a":"\\ud800"}', NotText(b"\xed\xa0\x80")),
)
"""What every column gets in the long form, and in the short form one of them after the other."""
PASSED_OVER: Final = frozenset(
    {"tenant_purges", "tenant_deletions", "tenant_purge_reports", "tenant_terms", "audit_chains", "tenant_counts"}
)
"""Tables that say of a tenant that it is to be deleted, or stopped: another value there is an order to do just that, and no damage."""
NAMED: Final[Mapping[str, tuple[str, str]]] = {
    "alarms": ("id", "alarms"),
    "api_keys": ("id", "apiKeys"),
    "calendars": ("id", "calendars"),
    "categories": ("id", "categories"),
    "deliveries": ("id", "deliveries"),
    "escalation_policies": ("id", "escalationPolicies"),
    "firings": ("id", "firings"),
    "groups": ("id", "groups"),
    "identity_providers": ("id", "identityProviders"),
    "inbox_messages": ("id", "inbox/messages"),
    "incidents": ("id", "incidents"),
    "integrations": ("id", "integrations"),
    "invitations": ("id", "invitations"),
    "notifications": ("id", "notifications"),
    "pii_policies": ("id", "pii/policies"),
    "providers": ("id", "providers"),
    "recipients": ("id", "recipients"),
    "records": ("key", "records"),
    "roles": ("id", "roles"),
    "rotations": ("id", "rotations"),
    "security_alerts": ("id", "security/alerts"),
    "service_accounts": ("id", "serviceAccounts"),
    "silences": ("id", "silences"),
    "suppressions": ("id", "suppressions"),
    "templates": ("code", "templates"),
    "users": ("id", "users"),
}
"""By table: the column of the id, and the collection, of resources that have a row of their own."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One row that was written, and the name of its resource, if it is one and the name was not what was spoiled."""

    table: str
    column: str
    value: Any
    name: str

    def __str__(self) -> str:
        """For a report."""
        return f"{self.table}.{self.column} = {self.value!r:.40} ({self.name})"


@dataclass(slots=True)
class Spoiler:
    """Writes spoiled copies into the databases of a stack on SQLite."""

    state: Path
    tenant: str
    full: bool = False
    forbidden: int = 0
    """Copies that a constraint of the table forbids, or the type of a column."""
    _number: int = field(default=0, init=False)

    def allow_nulls(self) -> None:
        """Takes NOT NULL from every column, as whoever repaired a table by hand may have; who has the table open knows it as it was."""
        for database in self._databases():
            with closing(sqlite3.connect(database)) as connection:
                connection.execute("PRAGMA writable_schema = ON")
                connection.execute("UPDATE sqlite_master SET sql = replace(sql, ' NOT NULL', '') WHERE type = 'table'")
                connection.commit()

    def copies(self, only: Callable[[str], bool] = lambda _: True) -> Sequence[Copy]:
        """Writes one copy for each column and value, of the tenant's first rows in turn."""
        return [copy for database in self._databases() for copy in self._written(database, only)]

    def in_place(self) -> Iterator[Sequence[str]]:
        """Spoils what a tenant has but one of, a column of each such table at a time, until the next one is asked for."""
        rounds: dict[int, list[tuple[Path, str, str, str, Any]]] = {}
        for database in self._databases():
            with closing(sqlite3.connect(database, timeout=60)) as connection:
                for table, columns, owner in self._tables(connection):
                    if self._keys(columns) - {owner}:
                        continue
                    number = 0
                    for name in columns:
                        for value in () if name == owner else self._values():
                            rounds.setdefault(number, []).append((database, table, owner, name, value))
                            number += 1
        for together in rounds.values():
            undo = [(database, *self._update(database, table, owner, name, value)) for database, table, owner, name, value in together]
            yield [f"{table}.{name} = {value!r:.40}" for _, table, _, name, value in together]
            for database, statement, was in undo:
                self._run(database, statement, was)

    def _databases(self) -> Sequence[Path]:
        return sorted(self.state.rglob("*_svc.db"))

    def _tables(self, connection: sqlite3.Connection) -> Iterator[tuple[str, Mapping[str, tuple[Any, ...]], str]]:
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall():
            columns = {row[1]: row for row in connection.execute(f'PRAGMA table_info("{table}")')}
            owner = next((name for name in OWNERS if name in columns), None)
            if owner is not None and table not in PASSED_OVER:
                yield table, columns, owner

    def _keys(self, columns: Mapping[str, tuple[Any, ...]]) -> set[str]:
        return {name for name, (*_, place) in columns.items() if place}

    def _values(self) -> Sequence[Any]:
        if self.full:
            return (*ALWAYS, *IN_TURN)
        self._number += 1
        return (*ALWAYS, IN_TURN[self._number % len(IN_TURN)])

    def _written(self, database: Path, only: Callable[[str], bool]) -> Iterator[Copy]:
        with closing(sqlite3.connect(database, timeout=60, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            for table, columns, owner in self._tables(connection):
                if only(table) and self._keys(columns) - {owner}:
                    yield from self._copies(connection, table, columns, owner)
            connection.execute("COMMIT")

    def _copies(self, connection: sqlite3.Connection, table: str, columns: Mapping[str, tuple[Any, ...]], owner: str) -> Iterator[Copy]:
        keys = self._keys(columns)
        fresh = (keys | _unique(connection, table)) - {owner}
        found = connection.execute(f'SELECT * FROM "{table}" WHERE "{owner}" = ? LIMIT 5', (self.tenant,)).fetchall()  # noqa: S608
        rows = [dict(zip(columns, row, strict=True)) for row in found] or [self._made_up(columns, owner)]
        spoils = [(name, value) for name in columns if name not in {*keys, owner} for value in self._values()]
        for number, (name, value) in enumerate(spoils):
            row = dict(rows[number % len(rows)])
            row |= {each: self._fresh(row[each]) for each in fresh} | {name: value}
            marks = ", ".join("CAST(? AS TEXT)" if isinstance(each, NotText) else "?" for each in row.values())
            try:
                connection.execute(f'INSERT INTO "{table}" VALUES ({marks})', list(row.values()))  # noqa: S608
            except (sqlite3.IntegrityError, sqlite3.OperationalError):
                self.forbidden += 1
                continue
            key, collection = NAMED.get(table, ("", ""))
            yield Copy(table, name, value, f"{collection}/{row[key]}" if collection and name != key else "")

    def _made_up(self, columns: Mapping[str, tuple[Any, ...]], owner: str) -> dict[str, Any]:
        """A row of a table in which the tenant has none."""
        kinds: Mapping[str, Any] = {"CHAR": "x", "TEXT": "x", "BLOB": b"x", "FLOAT": 1.0, "REAL": 1.0, "DOUBLE": 1.0}
        made = {name: next((value for word, value in kinds.items() if word in row[2].upper()), 1) for name, row in columns.items()}
        return made | {owner: self.tenant}

    def _fresh(self, value: Any) -> Any:
        """Another value of the same form, which no row has yet."""
        self._number += 1
        mark = f"{self._number:06x}"
        if isinstance(value, str):
            return value[:-6] + mark if len(value) > 8 else value + mark
        if isinstance(value, bytes):
            return value[:-6] + mark.encode()
        return value if value is None else 10**9 + self._number

    def _update(self, database: Path, table: str, owner: str, name: str, value: Any) -> tuple[str, tuple[Any, ...]]:
        """Spoils a column; the statement that puts back what was there."""
        statement = f'UPDATE "{table}" SET "{name}" = ? WHERE "{owner}" = ?'  # noqa: S608
        with closing(sqlite3.connect(database, timeout=60)) as connection:
            was = connection.execute(f'SELECT "{name}" FROM "{table}" WHERE "{owner}" = ?', (self.tenant,)).fetchone()  # noqa: S608
        self._run(database, statement.replace("?", "CAST(? AS TEXT)", 1) if isinstance(value, NotText) else statement, (value, self.tenant))
        return statement, (*(was or (None,)), self.tenant)

    def _run(self, database: Path, statement: str, values: tuple[Any, ...]) -> None:
        with closing(sqlite3.connect(database, timeout=60)) as connection:
            try:
                with connection:
                    connection.execute(statement, values)
            except (sqlite3.IntegrityError, sqlite3.OperationalError):
                self.forbidden += 1


def _unique(connection: sqlite3.Connection, table: str) -> set[str]:
    """The columns of its unique indexes."""
    unique = [name for _, name, is_unique, *_ in connection.execute(f'PRAGMA index_list("{table}")').fetchall() if is_unique]
    return {column for name in unique for *_, column in connection.execute(f'PRAGMA index_info("{name}")') if column}
