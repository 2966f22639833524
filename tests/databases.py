"""Databases for tests: each test has one of its own; the tables of a service are made once a process and copied from then on."""

import itertools
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import asyncpg

from tocsin.database import migrate
from tocsin.testing.postgres import PostgresServer

_NUMBERS = itertools.count(1)
_FILES: Final[dict[str, bytes]] = {}
"""What a migrated SQLite file of each service holds."""


async def prepare_file(path: Path, service: str) -> None:
    """Puts the tables of ``service`` into the SQLite file ``path``, unless there is one already."""
    if path.exists():
        return
    if service not in _FILES:
        with TemporaryDirectory() as folder:
            template = Path(folder) / "store.db"
            await migrate(url=f"sqlite:///{template}", schema=service, package=service)
            _FILES[service] = template.read_bytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_FILES[service])


class PostgresDatabases:
    """Makes and drops databases of one server."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._templates = {"": "template1"}

    async def create(self, service: str) -> str:
        """The name of a new database with the tables of ``service``, an empty one if that is empty."""
        if service not in self._templates:
            template = await self._copy("template1", f"template_{service}")
            await migrate(url=self._server.url(template), schema=service, package=service)
            self._templates[service] = template
        return await self._copy(self._templates[service], f"test_{next(_NUMBERS)}")

    async def _copy(self, template: str, name: str) -> str:
        """Copies files, which takes half of the time of the usual way through the log: the server of the tests flushes nothing."""
        await self._execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return name

    async def drop(self, name: str) -> None:
        """Ends its sessions, and forgets it."""
        await self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    async def _execute(self, statement: str) -> None:
        admin = await asyncpg.connect(self._server.url())
        try:
            await admin.execute(statement)
        finally:
            await admin.close()
