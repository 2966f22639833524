"""The files of deploy/, parsed."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
SERVICES = ("gateway", "auth_svc", "scheduler_svc", "processor_svc", "mailer_svc")


@pytest.fixture(scope="session")
def compose() -> dict[str, Any]:
    """compose.yaml, anchors resolved."""
    return yaml.safe_load((ROOT / "deploy/compose.yaml").read_text("utf-8"))


@pytest.fixture(scope="session")
def dotenv() -> dict[str, str]:
    """.env.example as name -> value."""
    lines = (ROOT / "deploy/.env.example").read_text("utf-8").splitlines()
    pairs = (line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return {name: value.strip('"') for name, value in pairs}


@pytest.fixture(scope="session")
def image_env() -> dict[str, str]:
    """The variables that the Dockerfile's last stage sets."""
    stage = (ROOT / "deploy/Dockerfile").read_text("utf-8").rsplit("\nFROM ", 1)[1]
    block = re.search(r"^ENV ((?:.*\\\n)*.*)$", stage, re.MULTILINE)
    assert block is not None
    return dict(re.findall(r"(\w+)=(\S+)", block[1]))
