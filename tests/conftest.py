"""Fixtures of every test: a clock, real servers, fresh databases."""

import itertools
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import asyncpg
import pytest

from tocsin.testing.clock import FakeClock
from tocsin.testing.postgres import PostgresServer
from tocsin.testing.redis import RedisServer
from tocsin.testing.smtp import SmtpSink

_NUMBERS = itertools.count(1)


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


@pytest.fixture
async def postgres_url(postgres_server: PostgresServer) -> AsyncGenerator[str]:
    """A fresh, empty PostgreSQL database."""
    name = f"test_{next(_NUMBERS)}"
    admin = await asyncpg.connect(postgres_server.url())
    await admin.execute(f"CREATE DATABASE {name}")
    yield postgres_server.url(name)
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'state' / 'store.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh database of each kind in turn; the suite of a store runs on both."""
    return str(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))


@pytest.fixture(scope="session")
def redis_server() -> Generator[RedisServer]:
    """The Redis of this test run; tests that stop it use `own_redis_server`."""
    server = RedisServer()
    server.start()
    yield server
    server.close()


@pytest.fixture
def own_redis_server() -> Generator[RedisServer]:
    """A Redis that the test may kill."""
    server = RedisServer()
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
