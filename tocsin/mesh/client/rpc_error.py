"""Errors of calls in both vocabularies: those of `tocsin.errors` that a caller gets are gRPC's ``AioRpcError`` too.

Code that was written for grpc.aio catches ``grpc.RpcError`` and asks for its ``code()``; that of Tocsin catches `NotFound`.
"""

from functools import cache
from typing import Any, TypeVar

import grpc

from tocsin.errors import TocsinError
from tocsin.mesh import status

Error = TypeVar("Error", bound=BaseException)


class RpcFailure(grpc.aio.AioRpcError):
    """What a call's error has beside its class of `tocsin.errors`.

    ``code()``, ``details()``, the metadata and ``debug_error_string()`` are what gRPC reported of the failed attempt, or what its class
    stands for when the error was raised here (an open circuit, no time left). Its text is that of `tocsin.errors`: gRPC's names addresses.
    """

    message: str

    def __str__(self) -> str:
        return self.message

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r})"

    def __reduce__(self) -> Any:
        kind, _ = type(self).__bases__
        return _restored, (kind, self.args, self.__dict__)


@cache
def _both(kind: type[TocsinError]) -> type[TocsinError]:
    names = ("reason", "__doc__", "__module__", "__qualname__")
    return type(kind.__name__, (kind, RpcFailure), {name: getattr(kind, name) for name in names})


def as_rpc_error(error: Error, raw: grpc.aio.AioRpcError | None = None) -> Error:
    """``error`` itself, which from now on is an ``AioRpcError`` as well if it is one of `tocsin.errors`.

    Its class is changed in place, so that identity, traceback and cause stay.

    Args:
        error: how a call failed.
        raw: what gRPC reported; the cause of ``error`` unless given.
    """
    if isinstance(error, TocsinError) and not isinstance(error, RpcFailure):
        if raw is None and isinstance(error.__cause__, grpc.aio.AioRpcError):
            raw = error.__cause__
        error.__dict__.update(
            _code=status.code_of(error) if raw is None else raw.code(),
            _details=error.message if raw is None else raw.details(),
            _initial_metadata=grpc.aio.Metadata() if raw is None else raw.initial_metadata(),
            _trailing_metadata=grpc.aio.Metadata(*status.trailing_metadata(error)) if raw is None else raw.trailing_metadata(),
            _debug_error_string="" if raw is None else raw.debug_error_string(),
        )
        error.__class__ = _both(type(error))
    return error


def kept(error: Exception) -> Exception:
    """``error`` as a call keeps it for whoever asks later: without traceback and cause, whose frames hold the call itself."""
    if not isinstance(error, RpcFailure):
        return error
    kind, _ = type(error).__bases__
    return _restored(kind, error.args, error.__dict__)


def _restored(kind: type[TocsinError], args: tuple[Any, ...], state: dict[str, Any]) -> TocsinError:
    error = _both(kind).__new__(_both(kind), *args)
    error.args = args
    error.__dict__.update(state)
    return error
