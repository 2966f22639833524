"""What a row holds costs its tenant: every column of every table is spoiled while the stack runs, and all of them before a start."""

import asyncio
import itertools
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from tests.hostile.conftest import FULL
from tests.hostile.neighbour import Neighbour, sign_up
from tocsin.testing.stack import STRANGERS, RunningStack
from tocsin.testing.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600 if FULL else 600)]

GARBAGE: Final[Mapping[str, Sequence[Any]]] = {
    "INTEGER": (-1, 2**62, 99, 0),
    "TEXT": ("\x00{", '{"a": ' * 200, "", "[1]", "\U0001f600" * 9_000),
    "BLOB": (b"\xff\xfe\x00\x80", b"\x0a\x04" * 400, b"", bytes(70_000)),
    "REAL": (float("inf"), -1e308, 5e-324),
}
"""What a column is set to, by what its type can hold on either database: an older version, a newer one, or a foreign hand wrote it."""
_AFFINITIES: Final = {"CHAR": "TEXT", "TEXT": "TEXT", "CLOB": "TEXT", "BLOB": "BLOB", "REAL": "REAL", "FLOA": "REAL", "DOUBLE": "REAL"}
OWNERS: Final = ("tenant", "tenant_id")
"""Columns that say whose a row is, one of which a table of tenants has."""
STRUCTURE: Final = frozenset({*OWNERS, "id", "name", "shard", "seq", "change"})
"""Columns that say whose a row is and where it lies: another value there is another row."""
LISTS: Final = (
    "/v1/alarms",
    "/v1/alarms:export",
    "/v1/firings",
    "/v1/tasks",
    "/logs",
    "/stats",
    "/v1/forecast",
    "/v1/firings:audit?startTime=2026-01-01T00:00:00Z",
    "/v1/deliveries",
    "/v1/inbox/messages",
    "/v1/templates",
    "/v1/records",
    "/v1/apiKeys",
    "/v1/users",
    "/v1/tenant",
    "/v1/status",
    "/v1/statusPage",
    "/v1/pingKey",
    "/v1/incidents",
    "/v1/escalationPolicies",
    "/v1/silences",
    "/v1/incidentRoutes",
    "/v1/incidentDependencies",
    "/v1/profile",
    "/v1/roles",
    "/v1/serviceAccounts",
    "/v1/invitations",
    "/v1/identityProviders",
    "/v1/sessions",
    "/v1/security/alerts",
    "/v1/security/alertPolicy",
    "/v1/auditLogs",
    "/v1/usage",
)
_TOGETHER: Final = 3
_PUT: Final = ("/v1/records", "/v1/statusPage", "/v1/pingKey")


@dataclass(frozen=True, slots=True)
class Column:
    """One column with rows of the hostile tenant."""

    database: Path
    table: str
    name: str
    kind: str
    key: tuple[str, ...]
    owner: str

    def __str__(self) -> str:
        """For a report."""
        return f"{self.database.stem}.{self.table}.{self.name}"

    def values(self, tenant: str) -> list[tuple[Any, ...]]:
        """What it holds, each time with the key of the row behind it."""
        with closing(sqlite3.connect(self.database, timeout=30)) as connection:
            fields = ", ".join((self.name, *self.key))
            return connection.execute(f"SELECT {fields} FROM {self.table} WHERE {self.owner} = ?", (tenant,)).fetchall()  # noqa: S608

    def write(self, rows: list[tuple[Any, ...]]) -> bool:
        """Sets it; False when a constraint of the table forbids that."""
        with closing(sqlite3.connect(self.database, timeout=30)) as connection:
            try:
                with connection:
                    where = " AND ".join(f"{name} = ?" for name in self.key)
                    connection.executemany(f"UPDATE {self.table} SET {self.name} = ? WHERE {where}", rows)  # noqa: S608
            except sqlite3.IntegrityError:
                return False
        return True


def columns(state: Path) -> Iterator[Column]:
    """Every column of every table that knows tenants, in the databases of the four services."""
    for database in sorted(state.rglob("*_svc.db")):
        with closing(sqlite3.connect(database, timeout=30)) as connection:
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
            for table in tables:
                found = connection.execute(f'PRAGMA table_info("{table}")').fetchall()
                names = [name for _, name, *_ in found]
                key = tuple(name for _, name, _, _, _, place in found if place)
                for owner in set(names).intersection(OWNERS):
                    yield from (
                        Column(database, table, name, _affinity(kind), key, owner)
                        for _, name, kind, *_ in found
                        if name not in STRUCTURE | {*key}
                    )


def _affinity(kind: str) -> str:
    """What a declared type holds (SQLite, "Determination Of Column Affinity")."""
    return next((found for word, found in _AFFINITIES.items() if word in kind.upper()), "INTEGER")


def _garbage(column: Column, number: int | None) -> Sequence[Any]:
    """All garbage of the column's type, or one piece of it."""
    all_of_it = GARBAGE[column.kind]
    return all_of_it if number is None else (all_of_it[number % len(all_of_it)],)


def _rounds(found: Sequence[Column]) -> Iterator[Sequence[tuple[Column, Any]]]:
    """What is spoiled together, before the lists are looked at: one column with one value, or in the short form a few of each service.

    Those of a service lie far from each other, in tables of their own: what one of them does to a row hides none of the others.
    """
    if FULL:
        yield from ([(column, garbage)] for column in found for garbage in _garbage(column, None))
        return
    each = [(column, *_garbage(column, number)) for number, column in enumerate(found)]
    services = [[pair for pair in each if pair[0].database == database] for database in dict.fromkeys(column.database for column in found)]
    parts = [
        pairs[len(pairs) * part // _TOGETHER : len(pairs) * (part + 1) // _TOGETHER] for pairs in services for part in range(_TOGETHER)
    ]
    for pairs in itertools.zip_longest(*parts):
        yield [pair for pair in pairs if pair is not None]


@dataclass(frozen=True, slots=True)
class Spoil:
    """A value in a column of all rows of a tenant, and what was there before."""

    column: Column
    garbage: Any
    rows: list[tuple[Any, ...]]

    def __str__(self) -> str:
        """For a report."""
        return f"{self.column} = {self.garbage!r:.40}"

    @classmethod
    def of(cls, column: Column, garbage: Any, tenant: str) -> "Spoil | None":
        """None if the tenant has no row there."""
        rows = column.values(tenant)
        return cls(column, garbage, rows) if rows else None

    def done(self) -> bool:
        """Spoils; False when a constraint of the table forbids that."""
        return self.column.write([(self.garbage, *key) for _, *key in self.rows])

    def undone(self) -> None:
        """Puts back what was there."""
        self.column.write(self.rows)


_MATCHER: Final = {"label": "k", "value": "v"}
_INCIDENTS: Final[Sequence[tuple[str, dict[str, Any]]]] = (
    ("/v1/escalationPolicies", {"name": "escalationPolicies/p", "steps": [{"targets": ["recipients/ann"], "wait": "1s"}], "repeat": 5}),
    ("/v1/incidents", {"title": "i", "escalationPolicy": "escalationPolicies/p", "labels": {"k": "w"}}),
    (
        "/v1/incidentRoutes",
        {"name": "incidentRoutes/r", "matchers": [_MATCHER], "groupBy": ["k"], "escalationPolicy": "escalationPolicies/p"},
    ),
    ("/v1/incidentDependencies", {"name": "incidentDependencies/d", "source": [_MATCHER], "target": [{"label": "k", "value": "w"}]}),
    ("/v1/silences", {"matchers": [{"label": "k", "value": "s"}], "endTime": "2027-06-01T00:00:00Z", "comment": "c"}),
    ("/v1/incidents", {"title": "g", "labels": {"k": "v"}}),
)
"""An incident that goes on asking people, a group, and what is said of incidents in general."""


async def _populate(client: httpx2.AsyncClient) -> Sequence[str]:
    """Something of every kind: each table has rows of the tenant. The paths of what is listed below something else."""
    notify = {"notify": {"to": ["ann@example.com"], "subject": "s", "text": "t"}}
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("/v1/templates", {"name": "templates/t", "subject": "s", "text": "t"}),
        ("/v1/alarms", {"displayName": "a", "labels": {"k": "v"}, "trigger": {"every": "1s", "count": 3}, "action": notify}),
        ("/v1/alarms", {"trigger": {"every": "1s"}, "action": notify}),
        ("/v1/alarms", {"trigger": {"cron": "* * * * *", "timeZone": "Europe/Paris"}, "action": {"task": {"handler": "noop"}}}),
        ("/v1/alarms", {"trigger": {"event": {"topic": "x.*", "filter": "data.a>0"}}, "action": notify}),
        ("/v1/alarms", {"trigger": {"heartbeat": {"every": "1s", "grace": "0s"}}, "action": notify}),
        (
            "/v1/alarms",
            {"trigger": {"threshold": {"metric": "m", "comparison": "GREATER_THAN", "value": 1}}, "action": notify},
        ),
        ("/v1/events", {"topic": "x.y", "data": {"a": 1}}),
        ("/v1/readings", {"metric": "m", "value": 2}),
        ("/v1/tasks", {"handler": "uppercase", "input": {"text": "t"}}),
        ("/v1/records/r", {"value": "v"}),
        ("/v1/statusPage", {"enabled": True, "slug": f"s{os.urandom(6).hex()}", "labels": {"k": "v"}}),
        ("/v1/pingKey", {}),
        *_INCIDENTS,
        ("/v1/apiKeys", {"displayName": "k", "scopes": ["alarms:read"]}),
        ("/v1/roles", {"name": "roles/r", "scopes": ["alarms:read"]}),
        ("/v1/serviceAccounts", {"displayName": "s", "role": "roles/r"}),
        ("/v1/invitations", {"email": f"{os.urandom(6).hex()}@example.com", "role": "roles/r"}),
        ("/v1/identityProviders", {"displayName": "i", "issuer": "https://id.example.com", "clientId": "c", "defaultRole": "roles/r"}),
        ("/v1/users", {"email": f"{os.urandom(6).hex()}@example.com", "password": "correct horse battery"}),
    ]
    for path, body in bodies:
        answer = await client.request("PUT" if path.startswith(_PUT) else "POST", path, json=body)
        assert answer.status_code == 200, f"{path}: {answer.text}"
    made = await client.post("/v1/alarms", json={"trigger": {"heartbeat": {"every": "3600s", "slug": "s"}}, "action": notify})
    assert (await client.post(f"/ping/{made.json()['trigger']['heartbeat']['key']}/3", content=b"x")).status_code == 200

    async def mailed() -> bool:
        return len((await client.get("/v1/inbox/messages")).json().get("messages", ())) >= 4

    await eventually(mailed)
    return (f"/v1/{made.json()['name']}/pings",)


async def _looks(client: httpx2.AsyncClient, paths: Sequence[str]) -> list[str]:
    """Every list that does not answer well."""
    answers = await asyncio.gather(*(client.get(path, timeout=30) for path in paths))
    return [
        f"{path}: {answer.status_code} {answer.text[:200]}"
        for path, answer in zip(paths, answers, strict=True)
        if answer.status_code >= 500
    ]


async def test_no_stored_row_stops_the_bell(tmp_path: Path, record_property: Any) -> None:
    """Lists answer while a column is spoiled; a stack that starts on rows all of whose columns are spoiled serves the neighbour."""
    with RunningStack(state=tmp_path / "state", env=STRANGERS) as stack:
        hostile, quiet = await sign_up(stack), await sign_up(stack)
        async with stack.client(key=hostile) as client, stack.client(key=quiet) as neighbour_client:
            lists = (*LISTS, *await _populate(client))
            tenant = (await client.get("/v1/tenant")).json()["name"].partition("/")[2]
            neighbour = Neighbour(neighbour_client)
            await neighbour.begin()
            spoiled, forbidden, wrong = 0, 0, list[str]()
            found = list(columns(stack.state))
            for together in _rounds(found):
                spoils = [spoil for column, garbage in together if (spoil := Spoil.of(column, garbage, tenant)) is not None]
                done = [spoil for spoil in spoils if spoil.done()]
                forbidden += len(spoils) - len(done)
                spoiled += len(done)
                if done:
                    wrong += [f"{' and '.join(map(str, done))}: {problem}" for problem in await _looks(client, lists)]
                for spoil in done:
                    spoil.undone()
            suffered = await neighbour.end()
        record_property("account", f"{spoiled} spoiled columns of {len(found)}, {forbidden} forbidden by a constraint; {suffered}")
        assert spoiled > 40
        assert not wrong, "\n".join(wrong)
        assert suffered.fine, suffered
        stack.stop()
        for number, column in enumerate(found):
            (garbage,) = _garbage(column, number)
            column.write([(garbage, *key) for _, *key in column.values(tenant)])
        stack.start()
        async with stack.client(key=quiet) as neighbour_client:
            neighbour = Neighbour(neighbour_client)
            await neighbour.begin()
            await asyncio.sleep(3)
            suffered = await neighbour.end()
            health = (await neighbour_client.get("/health")).json()
        errors = "\n".join(line for line in stack.logs().splitlines() if '"error"' in line)
        assert suffered.fine, suffered
        assert health["status"] == "healthy", f"{health}\n{errors}"
