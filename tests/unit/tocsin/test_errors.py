"""The error tree."""

import re
from pathlib import Path

import pytest

from tocsin import errors
from tocsin.errors import FieldViolation, InvalidInput, NotFound, TocsinError, Unavailable


class AlarmNotFound(NotFound):
    """There is no such alarm.

    More words.
    """


class Renamed(NotFound):
    """Renamed."""

    reason = "KEPT"


def all_errors() -> list[type[TocsinError]]:
    """Every class of the tree in its module."""
    return [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, TocsinError)]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [(AlarmNotFound, "ALARM_NOT_FOUND"), (Renamed, "KEPT"), (errors.CircuitOpen, "CIRCUIT_OPEN"), (TocsinError, "ERROR")],
)
def test_a_class_is_its_reason(kind: type[TocsinError], reason: str) -> None:
    """The reason follows from the class's name unless the class says otherwise."""
    assert kind.reason == reason
    assert kind().error_reason == reason


def test_the_docstring_is_the_message() -> None:
    """An error without words uses the first line of its docstring."""
    assert str(AlarmNotFound()) == "There is no such alarm."
    assert str(AlarmNotFound("gone")) == "gone"


@pytest.mark.parametrize("kind", all_errors())
def test_every_class_is_complete(kind: type[TocsinError]) -> None:
    """Each class can be raised without arguments, and has a sentence and a reason of its own."""
    error = kind()
    assert error.message.endswith(".")
    assert error.error_reason == error.error_reason.upper()
    assert [other for other in all_errors() if other.reason == kind.reason] == [kind]


def test_invalid_input_names_the_field() -> None:
    """The message and the violations both name the field and the reason."""
    error = InvalidInput.at("trigger.cron", "has 4 fields")
    assert str(error) == "trigger.cron: has 4 fields"
    assert error.violations == (FieldViolation("trigger.cron", "has 4 fields"),)


def test_an_error_that_came_over_the_wire_keeps_its_reason() -> None:
    """A reason that this process has no class for survives on the nearest class."""
    error = Unavailable("away", reason="DATABASE_UNAVAILABLE", retry_after=2.0, metadata={"a": "b"})
    assert (error.error_reason, error.retry_after, error.metadata) == ("DATABASE_UNAVAILABLE", 2.0, {"a": "b"})
    assert Unavailable.reason == "UNAVAILABLE"


def test_too_many_is_one_code_everywhere() -> None:
    """Whoever has as many of something as they may is told so alike: RESOURCE_EXHAUSTED, 429 over HTTP."""
    root = Path(errors.__file__).parent.parent
    sources = [file for part in ("tocsin", "*_svc", "gateway") for folder in root.glob(part) for file in folder.rglob("*.py")]
    found = [named for file in sources for named in re.findall(r"^class (TooMany\w+)\((\w+)\):", file.read_text(), re.MULTILINE)]
    assert len(found) > 15
    assert [name for name, base in found if base != "ResourceExhausted"] == []
