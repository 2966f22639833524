"""docs/metrics.md names every metric that a service may show, with its labels and its meaning."""

import ast
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.test_architecture import PACKAGES, ROOT, sources
from tests.unit.tooling.scripts import script

metrics: Any = script("metrics.py")
PAGE = (ROOT / "docs/metrics.md").read_text("utf-8")
ROWS = [match[0] for match in re.finditer(r"^\| `(?:tocsin|process|python)_.*$", PAGE, re.MULTILINE)]


@pytest.fixture(scope="module")
def registered() -> dict[str, set[Any]]:
    """What the five services register."""
    return metrics.registered()


def written(*folders: str) -> Iterator[str]:
    """Every metric that the code names when it makes one."""
    for path in sources(*folders):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(args=[ast.Constant(value=str(name)), ast.Constant() | ast.Name(), *_]) if name.startswith("tocsin_"):
                    yield name
                case _:
                    pass


def test_the_page_is_what_is_registered(registered: dict[str, set[Any]]) -> None:
    """As `make check` sees it."""
    assert list(metrics.problems(PAGE, registered)) == []


def test_nothing_is_registered_in_some_settings_alone() -> None:
    """What the services register by default is all that the code knows to make."""
    named = {row.split("`")[1].removesuffix("_total") for row in ROWS}
    assert set(written(*PACKAGES)) == {name for name in named if name.startswith("tocsin_")}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("`")[1])
def test_a_row_that_is_missing_or_stale_is_found(registered: dict[str, set[Any]], row: str) -> None:
    """Each is taken out, renamed, and changed."""
    name = row.split("`")[1]
    assert f"{name}: no row" in metrics.problems(PAGE.replace(row, ""), registered)
    renamed = list(metrics.problems(PAGE.replace(row, row.replace(name, f"{name}_gone")), registered))
    assert {f"{name}: no row", f"{name}_gone: nothing of that name is registered"} <= set(renamed)
    assert f"{name}: the row says otherwise than the code" in metrics.problems(PAGE.replace(row, f"{row[:-2]}, or so |"), registered)


def test_a_label_without_a_meaning_is_found(registered: dict[str, set[Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels are explained once, below the tables; one that no metric has any more is found, too."""
    monkeypatch.setattr(metrics, "LABELS", {"gone": "nothing"})
    found = list(metrics.problems(PAGE, registered))
    assert "label target: no meaning in .ci/metrics.py" in found
    assert "label gone: no metric has it" in found
