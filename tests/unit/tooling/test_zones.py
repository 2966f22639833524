"""Local times are computed with one time-zone database, wherever they are computed."""

import ast
import os
import subprocess
import sys
from pathlib import Path

from tocsin.zones import zone_file

ROOT = Path(__file__).parents[3]
PACKAGES = ("auth_svc", "gateway", "mailer_svc", "processor_svc", "scheduler_svc", "tocsin", "bench", "deploy")
MAKERS = {"ZoneInfo", "from_file", "no_cache", "available_timezones", "reset_tzpath", "gettz"}
PROGRAM = """
from datetime import UTC, datetime
from auth_svc.domain import checked_zone
from tocsin.recurrence import zone
from tocsin.cli.words import instant

now = datetime(2026, 1, 1, tzinfo=UTC)
print(checked_zone("Africa/Casablanca", field="f"), instant("2027-01-15 09:00", now=now, zone="Africa/Casablanca", option="--at"))
print(datetime(2027, 1, 15, 9, tzinfo=zone("Africa/Casablanca")).astimezone(UTC))
"""


def _makers(path: Path) -> list[str]:
    """The calls in a file that make a zone."""
    found: list[str] = []
    text = path.read_text(encoding="utf-8")
    if not any(name in text for name in MAKERS):  # reading it as Python takes a hundred times as long
        return found
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id if isinstance(node.func, ast.Name) else ""
            if name in MAKERS:
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    return found


def test_only_one_module_makes_zones() -> None:
    """What is made elsewhere would be made of whatever database the machine has."""
    made = [place for package in PACKAGES for path in (ROOT / package).rglob("*.py") for place in _makers(path)]
    assert {place.partition(":")[0] for place in made} == {"tocsin/zones.py"}


def test_the_machines_database_has_no_say(tmp_path: Path) -> None:
    """A machine whose Casablanca is Tokyo: command line, accounts and rules agree all the same."""
    old = tmp_path / "Africa" / "Casablanca"
    old.parent.mkdir()
    old.write_bytes(zone_file("Asia/Tokyo"))
    environment = {**os.environ, "PYTHONTZPATH": str(tmp_path)}
    found = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    one, two = found.stdout.splitlines()
    assert one == f"Africa/Casablanca {two}", found.stderr
    assert "2027-01-15 0" in two
    assert two != "2027-01-15 00:00:00+00:00"
