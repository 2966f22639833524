"""What deploy/ says, for servers of tests that shall be as strict as those of an installation."""

from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parents[1]


def compose() -> dict[str, Any]:
    """compose.yaml, anchors resolved."""
    return yaml.safe_load((ROOT / "deploy/compose.yaml").read_text("utf-8"))


def redis_user() -> tuple[str, ...]:
    """The name of Redis's one user and what it may, without its password."""
    words = compose()["services"]["redis"]["command"]
    last = len(words) - words[::-1].index("--user")
    return tuple(word for word in words[last:] if word != "on" and not word.startswith(">"))
