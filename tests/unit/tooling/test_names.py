"""A class name means one thing in the whole product: two classes that share one are two ideas, and a reader mixes them up."""

import ast
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = ("tocsin", "gateway", "auth_svc", "scheduler_svc", "processor_svc", "mailer_svc")
GENERATED = ROOT / "tocsin" / "api"

ALLOWED: Mapping[str, str] = {}
"""Names that may be defined twice, each with its reason; one that is defined once must leave the list."""


def classes(root: Path, packages: Sequence[str]) -> dict[str, list[str]]:
    """Where each class of the packages is defined, nested ones too."""
    found = defaultdict[str, list[str]](list)
    for package in packages:
        for path in sorted((root / package).rglob("*.py")):
            if not path.is_relative_to(GENERATED):
                for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                    if isinstance(node, ast.ClassDef):
                        found[node.name].append(f"{path.relative_to(root)}:{node.lineno}")
    return found


def problems(root: Path, packages: Sequence[str], allowed: Mapping[str, str]) -> list[str]:
    """A line for each name that is defined twice without a reason, and for each reason that is no longer needed."""
    twice = {name: places for name, places in classes(root, packages).items() if len(places) > 1}
    again = [f"{name} is defined {len(places)} times: {', '.join(places)}" for name, places in twice.items() if name not in allowed]
    return again + [f"{name} is defined once: take it off the list" for name in allowed if name not in twice]


def test_a_class_name_means_one_thing() -> None:
    """In the whole product, but for the list."""
    assert problems(ROOT, PACKAGES, ALLOWED) == []


@pytest.mark.parametrize(
    ("one", "other", "allowed", "found"),
    [
        ("class Reply: ...", "class Answer: ...", {}, []),
        ("class Reply: ...", "class Reply: ...", {}, ["Reply is defined 2 times: one/a.py:1, other/a.py:1"]),
        ("def f():\n    class Reply: ...", "class Reply: ...", {}, ["Reply is defined 2 times: one/a.py:2, other/a.py:1"]),
        ("class Reply: ...", "class Reply: ...", {"Reply": "a reason"}, []),
        ("class Reply: ...", "Reply = int", {"Reply": "a reason"}, ["Reply is defined once: take it off the list"]),
    ],
)
def test_the_check_can_fail(tmp_path: Path, one: str, other: str, allowed: dict[str, str], found: list[str]) -> None:
    """A second definition is found wherever it stands, and so is a reason that outlived it."""
    for package, text in (("one", one), ("other", other)):
        (tmp_path / package).mkdir()
        (tmp_path / package / "a.py").write_text(text)
    assert problems(tmp_path, ("one", "other"), allowed) == found
