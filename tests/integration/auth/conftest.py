"""auth_svc in this process, called through the real mesh."""

import asyncio
import shutil
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import pytest

from auth_svc.service import RegistrationRule
from tests.integration.auth.office import Office
from tests.integration.auth.oidc_office import OidcOffice
from tests.integration.auth.support import Rig
from tests.issuer import LocalIssuer
from tocsin.database import Database
from tocsin.testing.clock import FakeClock


@pytest.fixture
def tables_of() -> str:
    """Fresh databases have the tables of auth_svc."""
    return "auth_svc"


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state folder that a first start leaves; each test works on a copy, which saves it the migration and the certificates."""
    folder = tmp_path_factory.mktemp("installed")

    async def start_once() -> None:
        first = Rig(folder=folder, clock=FakeClock())
        await first.start()
        await first.stop()

    asyncio.run(start_once())
    return folder


@pytest.fixture
async def rig(installed: Path, tmp_path: Path, clock: FakeClock) -> AsyncIterator[Rig]:
    """A running auth_svc on SQLite, and a way to call it."""
    made = Rig(folder=Path(shutil.copytree(installed, tmp_path / "state")), clock=clock)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def issuer(clock: FakeClock) -> AsyncGenerator[LocalIssuer]:
    """One on this machine."""
    async with LocalIssuer(clock=clock) as made:
        yield made


@pytest.fixture
async def desk(database_url: str, clock: FakeClock, issuer: LocalIssuer) -> AsyncGenerator[OidcOffice]:
    """A tenant with an owner."""
    database = Database(url=database_url, clock=clock, schema="auth_svc", migrations="auth_svc")
    await database.start()
    office = Office(database, clock, registration=RegistrationRule.UNCONFIRMED)
    made = OidcOffice(office, issuer)
    await made.start()
    yield made
    await made.issuers.stop()
    await office.sender.stop()
    await database.stop()
