"""What a service imports when it starts: whoever waits for it to come back waits for that, too."""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from tocsin.database.migration import newest_revision

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("gateway", "auth_svc", "scheduler_svc", "processor_svc", "mailer_svc")
NOT_NEEDED = {
    "aiosqlite": "SQLAlchemy loads the driver of the database that is named",
    "alembic": "a database that is up to date needs no migration",
    "asyncpg": "as aiosqlite",
    "httpx2": "for the command line",
    "mako": "comes with alembic",
    "opentelemetry.exporter": "nothing is exported unless the settings say so",
    "opentelemetry.sdk": "nothing is recorded unless it is exported",
    "psutil": "comes with opentelemetry.sdk",
    "pybreaker": "nobody listens to the breakers, and it brings redis along",
    "redis": "none is configured",
    "tocsin.cli": "for the command line",
    "tocsin.stack": "for the supervisor",
    "tocsin.testing": "for tests",
    "typer": "for the command line",
}
_IMPORT = """
import importlib, sys
for service in sys.argv[1].split(","):
    for module in ("__main__", "config", "wiring"):
        importlib.import_module(f"{service}.{module}")
    for unwanted in sys.argv[2].split(","):
        if unwanted in sys.modules:
            print(service, unwanted)
"""


def test_no_service_imports_what_its_start_does_not_need() -> None:
    """All five in one fresh process; the first service that brings something unwanted along stands in its line."""
    line = [sys.executable, "-c", _IMPORT, ",".join(SERVICES), ",".join(NOT_NEEDED)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.splitlines() == []


@pytest.mark.parametrize("service", SERVICES)
def test_the_names_of_the_files_tell_the_newest_migration(service: str) -> None:
    """Whether a database is up to date is read from them, without Alembic; it would say the same."""
    folder = ROOT / service / "migrations"
    scripts = ScriptDirectory(str(folder))
    assert scripts.get_heads() == [newest_revision(folder)]
    for script in scripts.walk_revisions():
        assert Path(script.path).name.startswith(f"{script.revision}_")


@pytest.mark.parametrize("service", SERVICES)
def test_garbage_is_looked_for_rarely_before_anything_is_imported(service: str) -> None:
    """The imports make a million objects that stay: with Python's own thresholds a tenth of them is spent on looking at them."""
    first, *_, last = (ROOT / service / "__main__.py").read_text("utf-8").partition("raise_thresholds()\n")
    assert f"from {service}" not in first
    assert f"from {service}.wiring import build" in last
