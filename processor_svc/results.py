"""Results of jobs, made ready for the wire. Pure.

What a handler returns or raises is foreign: it may not be JSON, be endless, or raise when it is read. It is read here, once, before it is
queued; from then on a result can be serialized.
"""

import math
from collections.abc import Mapping
from typing import Any, Final, cast

from processor_svc.domain import JobFailed, JobReleased, JobResult, JobSucceeded, Json

MAX_OUTPUT_BYTES: Final = 16 * 1024
_MOST_LEVELS: Final = 20
_MOST_INTEGER: Final = 2**53  # beyond, a number of google.protobuf.Struct is not exact (RFC 8259, section 6)
_MOST_MESSAGE: Final = 2000  # characters, as the ledger keeps them
_MOST_REASON: Final = 100
_LONGEST_WAIT: Final = 86_400.0


class ResultInvalid(Exception):
    """A result that is not JSON; the message names the path in it."""


class ResultTooLarge(Exception):
    """A result of more than `MAX_OUTPUT_BYTES`."""


def to_output(value: Json) -> Mapping[str, Json]:
    """Converts what a handler returned to a JSON object of exact types: None to an empty one, any other value to ``{"value": ...}``.

    Raises:
        ResultInvalid: it is not a JSON value, is nested too deep, or has a number that would be rounded.
        ResultTooLarge: it has more than `MAX_OUTPUT_BYTES`.
    """
    if value is None:
        return {}
    walk = _Walk()
    if isinstance(value, Mapping):
        return walk.members(cast("Mapping[Any, Any]", value), "result", 1)
    return {"value": walk.value(value, "result", 1)}


def result_of(value: Json) -> JobResult:
    """The result of a job that returned ``value``; a failure with the reason when it is not JSON or too large."""
    try:
        return JobSucceeded(to_output(value))
    except ResultInvalid as error:
        return JobFailed(reason="RESULT_INVALID", message=f"{error}", retryable=False)
    except ResultTooLarge as error:
        return JobFailed(reason="RESULT_TOO_LARGE", message=f"{error}", retryable=False)
    except BaseException as error:  # noqa: BLE001  a foreign object may raise anything when it is read
        return JobFailed(reason="RESULT_INVALID", message=f"the result cannot be read: {error_text(error)}", retryable=False)


def bounded_result(end: JobResult) -> JobResult:
    """The result within the bounds of the contract, certain to be serializable."""
    if isinstance(end, JobSucceeded):
        return result_of(end.output) if end.output else end
    message, wait = _text(end.message, _MOST_MESSAGE), _wait(end.retry_after)
    if isinstance(end, JobReleased):
        return JobReleased(message=message, retry_after=wait or 0.0)
    return JobFailed(reason=_text(end.reason, _MOST_REASON) or "FAILED", message=message, retryable=bool(end.retryable), retry_after=wait)


def bounded_text(words: str) -> str:
    """The text within the bounds of the ledger, without U+0000 and lone surrogates."""
    return _text(words, _MOST_MESSAGE)


def error_text(error: BaseException) -> str:
    """The error as ``Type: message``; only its type if its message cannot be read."""
    name = type(error).__name__
    try:
        words = f"{error}"
    except BaseException:  # noqa: BLE001  the error itself is foreign
        words = ""
    return _text(f"{name}: {words}" if words else name, _MOST_MESSAGE)


def _text(value: object, most: int) -> str:
    return f"{value}"[:most].encode("utf-8", "replace").decode().replace("\0", "")


def _wait(seconds: float | None) -> float | None:
    if seconds is None or not math.isfinite(seconds):
        return None
    return min(max(0.0, float(seconds)), _LONGEST_WAIT)


class _Walk:
    """Copies a value and counts the bytes of its JSON up to the limit."""

    def __init__(self) -> None:
        self._bytes = 0

    def value(self, value: Any, path: str, level: int) -> Json:
        match value:
            case None | bool():
                return self._counted(value, 4)
            case str():
                return self._string(value, path)
            case int():
                if not -_MOST_INTEGER <= value <= _MOST_INTEGER:
                    raise ResultInvalid(f"{path}: an integer beyond 2^53 would be rounded; return it as a string")
                return self._counted(int(value), 8)
            case float():
                if not math.isfinite(value):
                    raise ResultInvalid(f"{path}: {value!r} is not a JSON number")
                return self._counted(float(value), 8)
            case Mapping():
                return self.members(cast("Mapping[Any, Any]", value), path, level + 1)
            case list() | tuple():
                _check_level(path, level + 1)
                self._counted(None, 2)
                items = cast("list[Any] | tuple[Any, ...]", value)
                return [self.value(item, f"{path}[{number}]", level + 1) for number, item in enumerate(items)]
            case _:
                raise ResultInvalid(f"{path}: a value of type {type(value).__name__} is not JSON")

    def members(self, value: Mapping[Any, Any], path: str, level: int) -> dict[str, Json]:
        _check_level(path, level)
        self._counted(None, 2)
        made: dict[str, Json] = {}
        for name, item in value.items():
            if not isinstance(name, str):
                raise ResultInvalid(f"{path}: the key {_text(repr(name), 50)} is not a string")
            made[self._string(name, path)] = self.value(item, f"{path}.{name[:50]}", level)
        return made

    def _string(self, value: str, path: str) -> str:
        try:
            size = len(value.encode())
        except UnicodeEncodeError:
            raise ResultInvalid(f"{path}: a string has a lone surrogate") from None
        return self._counted(str.__str__(value), size + 3)

    def _counted(self, value: Any, size: int) -> Any:
        self._bytes += size
        if self._bytes > MAX_OUTPUT_BYTES:
            raise ResultTooLarge(f"the result has more than {MAX_OUTPUT_BYTES} bytes")
        return value


def _check_level(path: str, level: int) -> None:
    if level > _MOST_LEVELS:
        raise ResultInvalid(f"{path[:100]}: it is nested deeper than {_MOST_LEVELS} levels, or in itself")
