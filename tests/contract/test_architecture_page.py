"""docs/architecture.md names what is there: every participant is a class, every message to it one of its methods."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

PAGE: Final = Path(__file__).resolve().parents[2] / "docs/architecture.md"
JOURNEYS: Final = 7
_PARTICIPANT: Final = re.compile(r"^ +participant (\w+) as ([\w.]+)$", re.MULTILINE)
_CALL: Final = re.compile(r"^ +\w+->>(\w+): (\w+)\(\)", re.MULTILINE)
_PATH: Final = re.compile(r"\b(?:tocsin|gateway|auth_svc|scheduler_svc|processor_svc|mailer_svc)(?:\.\w+)+")


def found(path: str) -> Any:
    """The module, class or attribute of that name; None when there is none."""
    names = path.split(".")
    for depth in range(len(names), 0, -1):
        try:
            thing: Any = importlib.import_module(".".join(names[:depth]))
        except ModuleNotFoundError:
            continue
        for name in names[depth:]:
            thing = getattr(thing, name, None)
        return thing
    return None


def mistakes(page: str) -> Iterator[str]:
    """What the page names and the code does not have."""
    for path in sorted(set(_PATH.findall(page))):
        if found(path) is None:
            yield path
    for diagram in page.split("```mermaid\nsequenceDiagram\n")[1:]:
        body = diagram.partition("```")[0]
        classes = dict(_PARTICIPANT.findall(body))
        for target, method in _CALL.findall(body):
            if target in classes and not hasattr(found(classes[target]), method):
                yield f"{classes[target]}.{method}"


def test_everything_on_the_page_exists() -> None:
    """Modules, classes and methods, in the text and in all journeys."""
    page = PAGE.read_text("utf-8")
    assert page.count("sequenceDiagram") == JOURNEYS
    assert list(mistakes(page)) == []


def test_what_does_not_exist_is_found() -> None:
    """Each class and each method is renamed, and missed."""
    page = PAGE.read_text("utf-8")
    for _, path in _PARTICIPANT.findall(page):
        assert f"{path}Renamed" in set(mistakes(page.replace(f" as {path}\n", f" as {path}Renamed\n"))), path
    for match in _CALL.finditer(page):
        renamed = page[: match.end(2)] + "_renamed" + page[match.end(2) :]
        assert any(finding.endswith(f".{match[2]}_renamed") for finding in mistakes(renamed)), match[0]
