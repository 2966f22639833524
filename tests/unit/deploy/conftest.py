"""The files of deploy/, parsed."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests import deployment

ROOT = Path(__file__).resolve().parents[3]
SERVICES = ("gateway", "auth_svc", "scheduler_svc", "processor_svc", "mailer_svc")


def pairs(path: Path) -> dict[str, str]:
    """The lines of an environment file as name -> value."""
    lines = path.read_text("utf-8").splitlines()
    found = (line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return {name: value.strip('"') for name, value in found}


@pytest.fixture(scope="session")
def compose() -> dict[str, Any]:
    """compose.yaml, anchors resolved."""
    return deployment.compose()


@pytest.fixture(scope="session")
def dotenv() -> dict[str, str]:
    """.env.example as name -> value."""
    return pairs(ROOT / "deploy/.env.example")


@pytest.fixture(scope="session")
def optional(compose: dict[str, Any]) -> dict[str, dict[str, str]]:
    """What each service would be given, if every example below settings/ was copied as it is."""
    found: dict[str, dict[str, str]] = {}
    for service in SERVICES:
        files = [ROOT / "deploy" / f"{entry['path']}.example" for entry in compose["services"][service]["env_file"]]
        found[service] = {name: value for path in files if path.exists() for name, value in pairs(path).items()}
    return found


@pytest.fixture(scope="session")
def image_env() -> dict[str, str]:
    """The variables that the Dockerfile's last stage sets."""
    stage = (ROOT / "deploy/Dockerfile").read_text("utf-8").rsplit("\nFROM ", 1)[1]
    block = re.search(r"^ENV ((?:.*\\\n)*.*)$", stage, re.MULTILINE)
    assert block is not None
    return dict(re.findall(r"(\w+)=(\S+)", block[1]))
