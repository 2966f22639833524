"""Fixtures of every test: a clock, real servers, fresh databases."""

import functools
import gc
import os
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from tests.databases import PostgresDatabases, prepare_file
from tests.deployment import redis_user
from tests.other_engines import ALL, POOR, PoorDatabases, refusing
from tocsin.config import StoreSettings
from tocsin.database import ConnectionLimits, Database, current, migrate, schema_differences
from tocsin.garbage_collection import freeze_heap, raise_thresholds
from tocsin.testing.clock import FakeClock
from tocsin.testing.postgres import PostgresServer
from tocsin.testing.redis import RedisServer
from tocsin.testing.smtp import SmtpSink

# A machine that others use as well takes its time: no example fails, or is called too slow, by the clock.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# For the gate: the same examples each time, so that a change is stopped by what it breaks, and not by what chance finds on that day.
# Half of the usual number, where a property does not ask for one: the search of each night draws all of them, and others each time.
settings.register_profile("gate", settings.get_profile("suite"), derandomize=True, max_examples=50)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))

# The modules and tests of the suite are two million objects, nearly none of them garbage: to look at them during the collection, and again
# and again during the tests, would take a sixth of the suite's time. Afterwards it is looked for as seldom as in a service.
gc.disable()
raise_thresholds()

_FIRST = ("tests/simulation/", "tests/unit/tooling/test_checks.py", "tests/hostile/", "tests/e2e/", "tests/chaos/")
_WITH_A_STACK = ("tests/e2e/", "tests/hostile/")
"""Folders that have a stack for all their files but those that start one of their own."""
_CONNECT_SECONDS: Final = 120.0


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Several workers begin with the files that take longest, so that none is left alone with one at the end.

    xdist gives out files in the order in which they are collected (``--no-loadscope-reorder``); by itself it begins with those that have
    most tests, and ends with those whose only test runs for half a minute.
    """
    if POOR:
        kept = [item for item in items if _uses_postgresql(item) and item.get_closest_marker("native") is None]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: next((place for place, name in enumerate(_FIRST) if item.nodeid.startswith(name)), len(_FIRST)))


def pytest_collection_finish() -> None:
    """From now on garbage is looked for, among what the tests make."""
    freeze_heap()
    gc.enable()


def _uses_postgresql(item: pytest.Item) -> bool:
    """Whether a test has a database of PostgreSQL."""
    given = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    chosen = given.get("database_url", given.get("module_database"))
    return chosen == "postgresql" or "postgres_url" in getattr(item, "fixturenames", ())


class _FilesThatShare(LoadFileScheduling):
    """A worker gets a file at a time, as with ``--dist loadfile``; the files that share a stack go to one worker, which starts it once."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        folder = next((name for name in _WITH_A_STACK if file.startswith(name)), None)
        return file if folder is None or _starts_a_stack(file) else folder


@functools.cache
def _starts_a_stack(file: str) -> bool:
    return "RunningStack(" in (Path(__file__).parents[1] / file).read_text("utf-8")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    """The order of `make test`; another ``--dist`` is taken as it is."""
    gc.enable()  # this process collects no tests, and so never finishes that
    return _FilesThatShare(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Keeps how the run ended, for `.ci/again.py`."""
    cache = getattr(session.config, "cache", None)
    if cache is not None and not hasattr(session.config, "workerinput"):
        cache.set("tocsin/exit_status", int(exitstatus))


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still until the test moves it."""
    return FakeClock()


@pytest.fixture(scope="session")
def postgres_server() -> Generator[PostgresServer]:
    """The PostgreSQL of this test run; tests that stop it use `own_postgres_server`."""
    server = PostgresServer()
    server.start()
    yield server
    server.close()


@pytest.fixture
def own_postgres_server() -> Generator[PostgresServer]:
    """A PostgreSQL that the test may kill."""
    server = PostgresServer()
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="session")
def postgres_databases(postgres_server: PostgresServer) -> PostgresDatabases:
    """Makes the databases of this test run."""
    return PoorDatabases(postgres_server) if POOR else PostgresDatabases(postgres_server)


@pytest.fixture(scope="session", autouse=POOR)
def poor_engine() -> Generator[None]:
    """With ``make portable`` every database does without what other engines lack, and whoever asks for it is refused."""
    for maker in (Database.__init__, migrate, schema_differences, current):
        defaults = maker.__kwdefaults__
        assert defaults is not None
        defaults["without"] = ALL
    made_of = Database.of

    def of(settings: StoreSettings, **given: Any) -> Database:
        return made_of(settings.model_copy(update={"database_without": tuple(ALL)}), **given)

    with pytest.MonkeyPatch.context() as patched, refusing():
        patched.setattr(Database, "of", of)
        yield


@pytest.fixture(scope="session", autouse=True)
def patient_databases() -> Generator[None]:
    """A connection may take two minutes, unless a test says otherwise: five seconds, as for users, say nothing on a busy machine."""
    made_of = Database.of

    def of(settings: StoreSettings, **given: Any) -> Database:
        said = "database_connect_timeout_seconds"
        return made_of(settings if said in settings.model_fields_set else settings.model_copy(update={said: _CONNECT_SECONDS}), **given)

    with pytest.MonkeyPatch.context() as patched:
        for maker in (ConnectionLimits.__init__, migrate):
            defaults = maker.__kwdefaults__
            assert defaults is not None
            patched.setitem(defaults, "connect_timeout", _CONNECT_SECONDS)
        patched.setattr(Database, "of", of)
        yield


@pytest.fixture
def tables_of() -> str:
    """The service whose tables a fresh database has, nobody's if empty; the folder of a service's tests says so."""
    return ""


@pytest.fixture
async def postgres_url(postgres_server: PostgresServer, postgres_databases: PostgresDatabases, tables_of: str) -> AsyncGenerator[str]:
    """A fresh PostgreSQL database; empty, or with the tables of `tables_of`."""
    name = await postgres_databases.create(tables_of)
    yield postgres_databases.url(name)
    await postgres_databases.drop(name)


@pytest.fixture(scope="session")
def poor_databases(postgres_server: PostgresServer) -> PoorDatabases:
    """Makes databases in which what other engines lack raises."""
    return PoorDatabases(postgres_server)


@pytest.fixture
async def poor_url(poor_databases: PoorDatabases, tables_of: str) -> AsyncGenerator[str]:
    """As `postgres_url`, without what other engines lack; to be opened with ``without=ALL``."""
    name = await poor_databases.create(tables_of)
    yield poor_databases.url(name)
    await poor_databases.drop(name)


@pytest.fixture
async def sqlite_url(tmp_path: Path, tables_of: str) -> str:
    """A SQLite file that does not exist yet, or has the tables of `tables_of`."""
    path = tmp_path / "state" / "store.db"
    if tables_of:
        await prepare_file(path, tables_of)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh database of each kind in turn; the suite of a store runs on both."""
    return str(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def module_database(request: pytest.FixtureRequest) -> str:
    """Each kind of database in turn, for what all tests of a module share."""
    return str(request.param)


@pytest.fixture(scope="session")
def redis_server() -> Generator[RedisServer]:
    """The Redis of this test run; tests that stop it use `own_redis_server`. Its user may no more than deploy/compose.yaml allows."""
    server = RedisServer(user=redis_user())
    server.start()
    yield server
    server.close()


@pytest.fixture
def own_redis_server() -> Generator[RedisServer]:
    """A Redis that the test may kill."""
    server = RedisServer(user=redis_user())
    server.start()
    yield server
    server.close()


@pytest.fixture
async def smtp_sink() -> AsyncGenerator[SmtpSink]:
    """A real SMTP server that takes every message until the test scripts something else."""
    sink = SmtpSink()
    await sink.start()
    yield sink
    await sink.stop()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints the account of every chaos run, passed or failed, whichever worker it ran in."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, value in getattr(report, "user_properties", ()):
                if name == "account":
                    terminalreporter.write_line(f"chaos: {report.nodeid.rpartition('::')[2]}: {value}")
