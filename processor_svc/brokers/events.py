"""A message as an event (pure)."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn, cast

from processor_svc.brokers.messages import SourceMessage
from processor_svc.brokers.spec import SourceSpec
from processor_svc.domain import SourceEvent

MOST_BYTES: Final = 65_536
"""Of an event, as the contract has it."""
_MOST_ID: Final = 128
_SOONEST, _LATEST = 0.0, 253_402_300_799.0
_LEVELS: Final = 90  # of google.protobuf.Struct, whose decoders take a hundred


class Unfit(Exception):
    """A message that cannot be an event; the words are for whoever looks at the dead ones."""


def event_of(spec: SourceSpec, message: SourceMessage) -> SourceEvent:
    """The event that a message becomes: a JSON object is its data, any other value is ``value`` in it, and so are fields by their names.

    Raises:
        Unfit: it is too large, no UTF-8, no JSON, or nested too deep.
    """
    return SourceEvent(
        id=_identity(spec, message),
        topic=spec.event,
        source=f"sources/{spec.name}",
        data=_data(message.body),
        happened=message.happened if message.happened is not None and _SOONEST < message.happened < _LATEST else None,
    )


def _identity(spec: SourceSpec, message: SourceMessage) -> str:
    """What makes it the same event each time that it comes, within the bounds of the contract; empty when the broker knows nothing."""
    if not message.id:
        return ""
    plain = f"{spec.name}/{message.id}"
    if len(plain) <= _MOST_ID and plain.isprintable():
        return plain
    return f"{spec.name}/{hashlib.sha256(message.id.encode('utf-8', 'replace')).hexdigest()[:32]}"


def _data(body: bytes | Mapping[bytes, bytes]) -> Mapping[str, Any]:
    if isinstance(body, Mapping):
        if sum(len(name) + len(value) for name, value in body.items()) > MOST_BYTES:
            raise Unfit(f"it has more than {MOST_BYTES} bytes")
        return {_text(name): _text(value) for name, value in body.items()}
    if len(body) > MOST_BYTES:
        raise Unfit(f"it has more than {MOST_BYTES} bytes")
    value = _decoded(_text(body))
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {"value": value}


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise Unfit("it is not UTF-8") from None


def _decoded(text: str) -> Any:
    try:
        value = json.loads(text, parse_constant=_no_number)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()  # a lone surrogate, or a number such as 1e999
    except RecursionError:
        raise Unfit("it is nested too deep") from None
    except ValueError as error:
        raise Unfit(
            "it is not JSON" if isinstance(error, json.JSONDecodeError) else "it has a number or a text that JSON has not"
        ) from None
    if _deeper(value, _LEVELS):
        raise Unfit("it is nested too deep")
    return value


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def _deeper(value: Any, levels: int) -> bool:
    """Whether it is nested deeper."""
    layer: list[Any] = [value]
    while layer and levels:
        layer = [inner for one in layer for inner in _inner(one)]
        levels -= 1
    return bool(layer)


def _inner(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return cast("dict[str, Any]", value).values()
    return cast("list[Any]", value) if isinstance(value, list) else ()
