"""Running mailers, on SQLite with the inbox alone and with an SMTP server; and the store on each database."""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.databases import PostgresDatabases
from tests.integration.mailer.people import People
from tests.integration.mailer.stored import Store, make
from tests.integration.mailer.support import Rig, smtp_settings
from tocsin.testing.clock import FakeClock
from tocsin.testing.smtp import SmtpSink


@pytest.fixture
def tables_of() -> str:
    """Fresh databases have the tables of mailer_svc."""
    return "mailer_svc"


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """A mailer without a provider."""
    made = Rig(folder=tmp_path)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def mailing(tmp_path: Path, smtp_sink: SmtpSink) -> AsyncIterator[Rig]:
    """A mailer that sends to ``smtp_sink``."""
    made = Rig(folder=tmp_path, **smtp_settings(smtp_sink))
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def store(database_url: str, clock: FakeClock) -> AsyncIterator[Store]:
    """A store on each database in turn."""
    made = await make(database_url, clock)
    yield made
    await made.journal.stop()
    await made.database.stop()


@pytest.fixture
async def anywhere(tmp_path: Path, database_url: str, clock: FakeClock) -> AsyncIterator[Rig]:
    """A mailer on each kind of database, whose time stands."""
    made = Rig(folder=tmp_path, clock=clock, database_url=database_url)
    await made.start()
    yield made
    await made.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_rig(module_database: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    """As `anywhere`, one for all tests of a module that are tenants of their own and let the time stand."""
    folder, clock = tmp_path_factory.mktemp("mailer"), FakeClock()
    if module_database == "sqlite":
        made = Rig(folder=folder, clock=clock)
        await made.start()
        yield made
        await made.stop()
        return
    databases: PostgresDatabases = request.getfixturevalue("postgres_databases")
    name = await databases.create("mailer_svc")
    made = Rig(folder=folder, clock=clock, database_url=databases.url(name))
    await made.start()
    yield made
    await made.stop()
    await databases.drop(name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_mailer(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    """As `rig`, one for all tests of a module."""
    made = Rig(folder=tmp_path_factory.mktemp("mailer"))
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def shared(module_mailer: Rig) -> Rig:
    """The mailer of this module, for users of a new tenant."""
    module_mailer.tenant = f"t{secrets.token_hex(8)}"
    return module_mailer


@pytest.fixture
def tenant(module_rig: Rig) -> People:
    """As `people`, the user of a new tenant of `module_rig`."""
    return People(module_rig, f"t{secrets.token_hex(8)}")


@pytest.fixture
def people(anywhere: Rig) -> People:
    """A user of it."""
    return People(anywhere)
