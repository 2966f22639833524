"""Every record of the log is made the same way: one API, and events that can be searched for."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ("tocsin", "gateway", "auth_svc", "scheduler_svc", "processor_svc", "mailer_svc")
MAKERS: Final = {
    "tocsin/telemetry/logs.py": "it is the API",
    "tocsin/background.py": "telemetry stands on it",
}
MAKE: Final = {"logging", "structlog"}
LEVELS: Final = {"debug", "info", "warning", "error", "exception", "critical"}
EVENT: Final = re.compile(r"[a-zA-Z][\w', :-]*[\w)]")


def mistakes(source: str, where: str) -> Iterator[str]:
    """What is wrong with the records that a module makes."""
    if not any(name in source for name in (*MAKE, "_log")):
        return
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=[ast.alias(name="logging" | "structlog")]) | ast.ImportFrom(module="logging" | "structlog") if (
                where not in MAKERS
            ):
                yield f"{where}:{node.lineno} has a logger that is not from tocsin.telemetry"
            case ast.Call(func=ast.Attribute(value=ast.Name(id="_log"), attr=level)) if level in LEVELS:
                yield from (f"{where}:{node.lineno} {mistake}" for mistake in _of_call(node))
            case _:
                pass


def _of_call(call: ast.Call) -> Iterator[str]:
    match call.args:
        case [ast.Constant(value=str(event))]:
            if not EVENT.fullmatch(event) or "_" in event or (event[:1] != event[:1].lower() and not event[:2].isupper()):
                yield f"the event {event!r} is no short phrase in lower case"
        case _:
            yield "the event is not one constant text"
    if any(keyword.arg == "extra" for keyword in call.keywords):
        yield "fields are keywords of their own"


def test_every_module_logs_alike() -> None:
    """The logger is that of `tocsin.telemetry`, the event a constant phrase, what varies are fields."""
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")) if "api" not in path.parts[-3:]]
    found = [mistake for path in paths for mistake in mistakes(path.read_text("utf-8"), str(path.relative_to(ROOT)))]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import logging",
        "import structlog",
        "_log.info(f'shard {shard} lost')",
        "_log.info('shard %s lost', shard)",
        "_log.info('shard_lost')",
        "_log.info('Shard lost.')",
        "_log.info('shard lost', extra={'shard': 1})",
        "from logging import getLogger",
    ],
)
def test_another_way_is_found(source: str) -> None:
    """Each mistake by itself is told."""
    assert len(list(mistakes(source, "service.py"))) == 1


def test_a_record_as_it_should_be_is_taken() -> None:
    """An event of a few words, with fields."""
    assert list(mistakes("_log.info('shard lost', shard=shard, exc_info=error)", "service.py")) == []
