"""What both ends of a carrier keep to: its path, its bounds, and what of a call may ride (tocsin/api/mesh/v1/carrier.proto; ADR 0061)."""

import re
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Final, TypeAlias

CARRY: Final = "/tocsin.api.mesh.v1.CarrierService/Carry"
MARK: Final = ("x-tocsin-carrier", "1")
"""The initial metadata of a stream that takes calls."""
MOST_UNDER_WAY: Final = 256
"""Calls that a client lets ride at a time; one more goes by itself."""
MOST_CALLS: Final = 64
"""Calls in one message."""
MOST_CANCELLED: Final = 1024
"""Cancellations in one message."""
MOST_REQUEST_BYTES: Final = 64 * 1024
"""A greater request goes by itself."""
MOST_HEADER_BYTES: Final = 8 * 1024
"""Greater metadata goes with a call of its own; in bytes of keys and values."""
BATCH_BYTES: Final = 128 * 1024
"""A message with so much takes no more calls or answers."""
PART_BYTES: Final = 64 * 1024
"""An answer with more comes in parts, between which others pass."""

_KEY: Final = re.compile(r"[0-9a-z_.-]{1,256}")
# What gRPC makes of a call by itself, or treats in a way of its own.
_OWN: Final = frozenset({"user-agent", "content-type", "te", "host", "connection", "content-length", "transfer-encoding", "trailer"})
_MOST_KNOWN: Final = 1000

Pairs: TypeAlias = tuple[tuple[str, str | bytes], ...]

_known_keys: set[str] = set()


def _is_key(key: str) -> bool:
    rides = _KEY.fullmatch(key) is not None and key not in _OWN and not key.startswith("grpc-") and not key.endswith("-bin")
    if rides and len(_known_keys) < _MOST_KNOWN:
        _known_keys.add(key)
    return rides


def riding_headers(metadata: Iterable[tuple[str, str | bytes]]) -> list[str] | None:
    """The metadata of a call, keys and values in turn; None where it is more, or other, than what rides."""
    found: list[str] = []
    size = 0
    for key, value in metadata:
        if key not in _known_keys and not _is_key(key):
            return None
        if not isinstance(value, str) or not value.isascii() or not value.isprintable() or value != value.strip():
            return None
        size += len(key) + len(value)
        found += (key, value)
    return found if size <= MOST_HEADER_BYTES else None


def paired(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Metadata that came as keys and values in turn.

    Raises:
        ValueError: a value is missing, or something is no metadata.
    """
    keys, values = texts[::2], texts[1::2]
    if len(keys) != len(values):
        raise ValueError("metadata: a key without a value")
    for key in keys:
        if key not in _known_keys and not _is_key(key):
            raise ValueError("metadata: what is no key of metadata that rides")
    joined = "".join(values)
    if len(joined) + sum(map(len, keys)) > MOST_HEADER_BYTES:
        raise ValueError("metadata: more than rides")
    if not joined.isascii() or not joined.isprintable():
        raise ValueError("metadata: a value that is no printable ASCII")
    return tuple(zip(keys, values, strict=True))


def flattened(metadata: Iterable[tuple[str, str | bytes]]) -> list[bytes]:
    """Metadata of an answer, keys and values in turn."""
    return [part if isinstance(part, bytes) else part.encode() for part in chain.from_iterable(metadata)]


def unflattened(parts: Sequence[bytes]) -> Pairs:
    """What `flattened` made bytes of; values are texts unless their keys say that they are not.

    Raises:
        ValueError: something is no text that must be one, or a value is missing.
    """
    keys = [part.decode("ascii") for part in parts[::2]]
    return tuple((key, value if key.endswith("-bin") else value.decode()) for key, value in zip(keys, parts[1::2], strict=True))
