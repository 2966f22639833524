"""Installations without processes, for tests of backups."""

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from tests.databases import prepare_file
from tocsin.backups.installation import BackedUpInstallation

SERVICES: Final = ("auth_svc", "scheduler_svc", "processor_svc", "mailer_svc")
GAP: Final = 1 << 40
"""By how much a restore moves the numbers of changes on."""
FILES: Final[Mapping[str, bytes]] = {
    "secret-key": b"0123456789abcdefghijklmnopqrstuvwxyz",
    "dev-api-key": b"tk_dev\n",
    "keys/signing.pem": b"-----BEGIN PRIVATE KEY-----",
    "pki/ca.pem": b"an authority",
    "pki/ca-key.pem": b"its key",
    "audit_log/auth_svc/0a.journal": b"entries that wait",
}
"""Of the state folder, beside the databases."""


async def make_state(folder: Path) -> Path:
    """A state folder as services leave it, with a copy of what others say, and a log."""
    for service in SERVICES:
        await prepare_file(folder / f"{service}.db", service)
    await prepare_file(folder / "gateway-spool.db", "gateway")
    await prepare_file(folder / "gateway-spool-2.db", "gateway")
    for name, data in {**FILES, "tenants/gateway.bin": b"a copy", "logs/gateway.log": b"words"}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o600)
    note(folder, "scheduler_svc", "before")
    return folder


def at(folder: Path, **env: str) -> BackedUpInstallation:
    """The installation of a state folder."""
    return BackedUpInstallation.of({"TOCSIN_STATE_DIR": str(folder), **env})


def execute(file: Path, statement: str, *values: Any) -> list[Any]:
    """Runs a statement on a SQLite file."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        return connection.execute(statement, values).fetchall()


def note(folder: Path, service: str, word: str) -> None:
    """Puts something into a database by which it is known again."""
    execute(folder / f"{service}.db", "CREATE TABLE IF NOT EXISTS notes (word TEXT)")
    execute(folder / f"{service}.db", "INSERT INTO notes VALUES (?)", word)


def noted(folder: Path, service: str) -> list[str]:
    """What was put there."""
    return [row[0] for row in execute(folder / f"{service}.db", "SELECT word FROM notes")]


def names_in(folder: Path) -> set[str]:
    """Every file below a folder."""
    return {str((Path(place) / name).relative_to(folder)) for place, _, names in os.walk(folder) for name in names}
