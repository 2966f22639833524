"""Whether the handler of a stream sends initial metadata of its own, or says how answers are compressed, which goes with it.

Initial metadata can be sent once. A server of the mesh sends it, empty, as soon as a stream is accepted, for a quiet one has no message for
minutes and its caller has to know that it stands. A handler with metadata of its own would come too late, whatever it does first; so its
code is asked before: what it names is known, when it would name it is not. Such a stream is accepted when its handler says so, as in
grpc.aio: with its metadata, or with its first message.
"""

import functools
import inspect
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any, Final, cast

_NAMES: Final = frozenset({"send_initial_metadata", "set_compression"})
_MOST: Final = 500
"""Functions that are looked at for one handler."""


def sends_initial_metadata(*handlers: Any) -> bool:
    """Whether a handler, or a function that it leads to by name, mentions ``send_initial_metadata`` or ``set_compression``.

    Names are followed to functions of a handler's module, to methods of its class, and to what a decorator has wrapped.

    Args:
        handlers: functions, methods, objects that can be called, partial ones of these.
    """
    return any(_leads_there(*_plain(handler, None)) for handler in handlers)


def _leads_there(first: FunctionType | None, owner: type | None) -> bool:
    """Whether a function does, or one that it leads to."""
    if first is None:
        return False
    # What a function closes over may be another one each time; what stands in a class or module is looked through once a process.
    return _look_through(first, owner) if first.__closure__ else _looked_through(first, owner)


@functools.lru_cache(maxsize=1024)
def _looked_through(first: FunctionType, owner: type | None) -> bool:
    return _look_through(first, owner)


def _look_through(first: FunctionType, owner: type | None) -> bool:
    waiting: list[tuple[Any, type | None]] = [(first, owner)]
    seen: set[FunctionType] = set()
    while waiting and len(seen) < _MOST:
        function, owner = _plain(*waiting.pop())
        if function is None or function in seen:
            continue
        seen.add(function)
        names = set(_names(function.__code__))
        if not _NAMES.isdisjoint(names):
            return True
        waiting += [(found, owner) for found in _led_to(function, owner, names)]
    return False


def _plain(found: Any, owner: type | None) -> tuple[FunctionType | None, type | None]:
    """The function behind ``found``, and the class that it is a method of."""
    while isinstance(found, functools.partial):
        found = cast("Any", found.func)
    if inspect.ismethod(found):
        bound: Any = found.__self__
        owner = cast("type", bound if inspect.isclass(bound) else type(bound))
    found = getattr(found, "__func__", found)  # of methods, bound or not, and of static and class methods
    if isinstance(found, FunctionType):
        return found, owner
    kind: Any = found.__class__
    call = inspect.getattr_static(kind, "__call__", None)
    return (call, kind) if isinstance(call, FunctionType) else (None, None)


def _names(code: CodeType) -> Iterator[str]:
    """Names that code, and the functions within, look up."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _led_to(function: FunctionType, owner: type | None, names: set[str]) -> Iterator[Any]:
    """What a function may call: by name, of its own class, or because it stands around it."""
    if (wrapped := getattr(function, "__wrapped__", None)) is not None:
        yield wrapped
    for cell in function.__closure__ or ():
        with_value = _value(cell)
        if callable(with_value) and not isinstance(with_value, type):
            yield with_value
    for name in names:
        found = inspect.getattr_static(owner, name, None) if owner is not None else None
        for each in (found, function.__globals__.get(name)):
            if isinstance(each, (FunctionType, functools.partial, staticmethod, classmethod)):
                yield each


def _value(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # it is empty yet
        return None
