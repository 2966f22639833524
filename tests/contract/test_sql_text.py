"""What the text of SQL may hold: no bare number of an enum or of a unit of time, and nothing that is made while the service runs."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

STORES: Final = ("scheduler_svc/store", "mailer_svc/store", "auth_svc/store", "gateway/spool")
_SQL: Final = re.compile(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|WHERE|ALTER TABLE|CREATE TABLE|DROP TABLE)\b")
_BARE: Final = re.compile(
    r"\b(state|status|kind|origin|outcome|priority|flags|going)\b\s*(=|<>|!=|<=|>=|<|>|&|IN)\s*\(?\s*\d"
    r"|\bWHEN \d|\bTHEN [1-9]|\b\d{6,}\b(?!\.)"
)
# Partitions have the names of months, which this module makes of numbers; a name cannot be a parameter.
_RUNNING: Final = ("scheduler_svc/store/partitions.py",)


def bare_numbers(tree: ast.AST) -> Iterator[str]:
    """Texts with a number where a constant belongs; documentation is not SQL."""
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told and _BARE.search(node.value):
            yield node.value


def made_while_running(tree: ast.Module) -> Iterator[str]:
    """Formatted SQL outside of constants: in a method or a coroutine, or in a function that one of them calls."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    of_module = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    formatting = {node.name for node in functions if any(map(_is_formatted_sql, ast.walk(node)))}
    builders = formatting & of_module
    yield from formatting - builders
    for function in functions:
        if function.name not in builders:
            calls = (node.func.id for node in ast.walk(function) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name))
            yield from (f"{function.name} calls {name}" for name in calls if name in builders)


def _is_formatted_sql(node: ast.AST) -> bool:
    if not isinstance(node, ast.JoinedStr):
        return False
    text = "".join(part.value for part in node.values if isinstance(part, ast.Constant) and isinstance(part.value, str))
    return _SQL.search(text) is not None


def _modules() -> list[Path]:
    found = [path for store in STORES for path in sorted(Path(store).glob("*.py"))]
    assert len(found) > 30
    return found


@pytest.mark.parametrize("path", _modules(), ids=str)
def test_numbers_of_enums_and_of_time_have_names(path: Path) -> None:
    """An enum's number and a number of microseconds come into SQL from their one constant."""
    assert list(bare_numbers(ast.parse(path.read_text()))) == []


@pytest.mark.parametrize("path", [path for path in _modules() if str(path) not in _RUNNING], ids=str)
def test_sql_is_complete_before_the_service_runs(path: Path) -> None:
    """What a caller sends can only be a parameter: no method or coroutine puts a statement together."""
    assert list(made_while_running(ast.parse(path.read_text()))) == []


@pytest.mark.parametrize(
    "statement",
    [
        '"SELECT 1 FROM alarms WHERE state = 1"',
        '"state IN (1, 2)"',
        'f"SELECT {FIELDS} FROM firings WHERE (flags & 4) = 4"',
        '"i.kind = 1 AND x"',
        '"CASE going WHEN 1 THEN now END"',
        '"next_fire_at / 60000000"',
    ],
)
def test_a_bare_number_is_found(statement: str) -> None:
    """Each way to write a bare number makes the check fail."""
    assert list(bare_numbers(ast.parse(f"SQL = {statement}")))


@pytest.mark.parametrize(
    "source",
    [
        'async def read(connection, name):\n    return await connection.execute(f"SELECT 1 FROM alarms WHERE id = {name}")',
        'class Store:\n    def read(self, name):\n        return f"DELETE FROM {name}"',
        'def _by(name):\n    return f"DELETE FROM {name}"\n\nasync def drop(name):\n    return _by(name)',
    ],
)
def test_sql_made_of_an_argument_is_found(source: str) -> None:
    """A statement that is put together of what a caller gives makes the check fail."""
    assert list(made_while_running(ast.parse(source)))
