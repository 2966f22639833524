"""Every regular expression of the house takes time that grows with the length of its input alone, however that was made.

The sources are searched for expressions and for how they are used. Inputs are derived from each expression: whatever it repeats is
repeated, behind whatever leads there, once and again and again, and ends with what does not fit. Eight times the length may take eight
times the time; what goes back and forth takes 64 times.
"""

import ast
import importlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tocsin.telemetry.logs import redact

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ("tocsin", "gateway", "auth_svc", "scheduler_svc", "processor_svc", "mailer_svc")
METHODS: Final = ("search", "match", "fullmatch", "sub", "subn", "split", "findall", "finditer")
SHORT, LONG = 4_000, 32_000
MOST_SECONDS: Final = 0.25
"""CPU time of the long input; what is quadratic takes seconds."""


@dataclass(frozen=True, slots=True)
class Use:
    """An expression, and a method that it is used by."""

    place: str
    pattern: "re.Pattern[Any]"
    method: str


def uses() -> Iterator[Use]:
    """Every expression in the sources."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "api" in path.relative_to(ROOT).parts or path.name == "__main__.py":
                continue
            text = path.read_text()
            if "import re" in text:
                yield from _uses_in(path, text)


def _uses_in(path: Path, text: str) -> Iterator[Use]:
    place = str(path.relative_to(ROOT))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Assign | ast.AnnAssign) and _is_call_of_re(node.value, "compile"):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            assert isinstance(target, ast.Name), place
            module = importlib.import_module(place.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
            methods = {method for method in METHODS if re.search(rf"\b{target.id}\.{method}\b", text)} or {"search"}
            for method in sorted(methods):
                yield Use(f"{place} {target.id}", getattr(module, target.id), method)
        elif isinstance(node, ast.Call) and any(_is_call_of_re(node, method) for method in METHODS):
            assert isinstance(node.func, ast.Attribute)
            if isinstance(node.args[0], ast.Constant) and isinstance(pattern := node.args[0].value, str | bytes):
                yield Use(f"{place}:{node.lineno}", re.compile(pattern), node.func.attr)


def _is_call_of_re(node: ast.AST | None, name: str) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and (node.func.value.id, node.func.attr) == ("re", name)
    )


def worst_inputs(pattern: "re.Pattern[Any]") -> Iterator[str]:
    """Seeds that, repeated, lead an expression astray: each sample of what it repeats, alone and behind what leads there."""
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    parser: Any = importlib.import_module("re._parser")
    seeds = {" ", "a", "-", ".", "0", '"', "\\", '\\"', "_a", "a.", "-a", "\n"}
    for lead, pump in _pumps(
        parser.parse(source, pattern.flags & ~re.UNICODE & ~re.LOCALE if isinstance(pattern.pattern, bytes) else pattern.flags)
    ):
        seeds |= {pump, lead + pump, pump + lead, *(separator + lead for separator in ' -./:"')}
        seeds |= {*(separator + lead + pump * 3 for separator in ' -./:"')}
    yield from sorted(seed for seed in seeds if seed)


def _pumps(parsed: Any, lead: str = "") -> Iterator[tuple[str, str]]:
    """(What leads to a repetition, a sample of what is repeated)."""
    for operation, argument in parsed:
        name = str(operation)
        if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            inner = argument[2]
            yield lead, _sample(inner)
            yield from _pumps(inner, lead)
        elif name == "BRANCH":
            for branch in argument[1]:
                yield from _pumps(branch, lead)
                yield lead + _sample(branch), _sample(branch)
        elif name in ("SUBPATTERN", "ATOMIC_GROUP"):
            inner = argument[-1] if name == "SUBPATTERN" else argument
            yield from _pumps(inner, lead)
        lead += _sample([(operation, argument)])


def _sample(parsed: Any) -> str:
    """A text that the parts match, more or less."""
    made = ""
    for operation, argument in parsed:
        match str(operation):
            case "LITERAL":
                made += chr(argument)
            case "NOT_LITERAL":
                made += "a" if argument != ord("a") else "b"
            case "ANY":
                made += "a"
            case "IN":
                made += _of_class(argument)
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                made += _sample(argument[2]) * max(1, min(argument[0], 40))
            case "SUBPATTERN":
                made += _sample(argument[-1])
            case "ATOMIC_GROUP":
                made += _sample(argument)
            case "BRANCH":
                made += _sample(argument[1][0])
            case _:
                pass
    return made


def _of_class(items: Any) -> str:
    for operation, argument in items:
        match str(operation):
            case "LITERAL":
                return chr(argument)
            case "RANGE":
                return chr(argument[0])
            case "CATEGORY":
                return {"CATEGORY_DIGIT": "0", "CATEGORY_WORD": "a", "CATEGORY_SPACE": " "}.get(str(argument), "a")
            case _:
                excluded = {chr(value) for kind, value in items if str(kind) == "LITERAL"}
                return next(letter for letter in "ab-. " if letter not in excluded)
    return ""


def seconds(use: Use, text: str) -> float:
    """CPU time of one use, in this thread alone."""
    given: Any = text if isinstance(use.pattern.pattern, str) else text.encode("latin-1", "replace")
    method = getattr(use.pattern, use.method)
    started = time.thread_time()
    if use.method in ("sub", "subn"):
        method(given[:0], given)
    else:
        found = method(given)
        if use.method == "finditer":
            for _ in found:
                pass
    return time.thread_time() - started


def least_seconds(use: Use, text: str, bound: float) -> float:
    """The least of a few times, the first that is below ``bound``: a machine that others use as well is slow by chance."""
    return min(_times(use, text, bound))


def _times(use: Use, text: str, bound: float) -> Iterator[float]:
    for _ in range(5):
        yield (taken := seconds(use, text))
        if taken < bound:
            return


ALL: Final = list(uses())


def test_expressions_are_found() -> None:
    """The search finds what stands in the sources: this cannot pass by looking at nothing."""
    names = {use.place for use in ALL}
    assert {"tocsin/telemetry/logs.py _SECRET_TEXT", "tocsin/listing.py _TOKEN", "tocsin/values.py JSON_STRING"} <= names
    assert len(names) > 40


@pytest.mark.parametrize("use", ALL, ids=lambda use: f"{use.place}.{use.method}")
def test_is_linear(use: Use) -> None:
    """No input that can be derived from the expression takes more than its length."""
    for seed in worst_inputs(use.pattern):
        for ending in ("", "\x00", '"'):
            short, long = (seed * (size // len(seed)) + ending for size in (SHORT, LONG))
            taken = least_seconds(use, short, MOST_SECONDS / 2)
            assert taken < MOST_SECONDS / 2, f"{seed!r} x {SHORT}: {taken:.3f} s"
            if taken < 0.0005:
                continue  # even 64 times that is little
            most = max(MOST_SECONDS, 24 * taken)
            later = least_seconds(use, long, most)
            assert later < most, f"{seed!r}: {taken:.4f} s, then {later:.3f} s"


def test_a_quadratic_expression_is_caught() -> None:
    """The measure sees what it is for: the expression that kept a processor busy for eight minutes."""
    use = Use("here", re.compile(r"\beyJ[\w-]{8,}\.[\w-]{4,}\.[\w-]*"), "sub")
    with pytest.raises(AssertionError, match="eyJ"):
        test_is_linear(use)


@pytest.mark.parametrize("text", ["-eyJ" * 60_000, "bearer " * 40_000, "://a:" * 50_000, "-----BEGIN " * 20_000, "eyJaaaaaaaa." * 20_000])
def test_a_record_is_redacted_in_no_time(text: str) -> None:
    """A text is cut before it is searched, wherever in a record it stands."""
    started = time.thread_time()
    found = redact(None, "info", {"event": text, "deep": {"list": [text]}})
    assert time.thread_time() - started < 4 * MOST_SECONDS  # what reads all of it takes minutes
    assert len(str(found["event"])) < 20_000
