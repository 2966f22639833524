"""Running mailers, on SQLite with the inbox alone and with an SMTP server; and the store on each database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

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


@pytest.fixture
def people(anywhere: Rig) -> People:
    """A user of it."""
    return People(anywhere)
