"""Names within grpcio that it promises to nobody, and whether the grpcio that is installed has them, in the form that is used.

Calls that go past grpc.aio's own objects save a tenth of their cost, and a server that takes its calls itself cannot be ended by one of
its callers. Both lean on such names. A grpcio without them, or with others of the same name, is used in its own way: slower, to the same
effect.
"""

import importlib
import inspect
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, Final, TypeAlias

CYTHON: Final = "grpc._cython.cygrpc"
CALL: Final = "grpc.aio._call"
InnerName: TypeAlias = tuple[str, str, tuple[str, ...] | None]
"""A module, a name in it, perhaps with a point, and the names of its parameters; None for what is not called."""


def module(name: str) -> Any:
    """The module; one without any names where there is none."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return SimpleNamespace()


def lacking(names: Iterable[InnerName]) -> str:
    """The first of ``names`` that this grpcio has not, or has otherwise, and how; empty if it has all."""
    for where, name, wanted in names:
        found: Any = module(where)
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is None:
            return f"{where} has no {name}"
        if wanted is not None and (parameters := _parameters(found)) != wanted:
            return f"{where}.{name} takes {', '.join(parameters) or 'nothing'} instead of {', '.join(wanted) or 'nothing'}"
    return ""


def _parameters(found: Any) -> tuple[str, ...]:
    try:
        return tuple(inspect.signature(found).parameters)
    except (TypeError, ValueError):  # it cannot be called, or does not tell
        return ("what it does not tell",)
