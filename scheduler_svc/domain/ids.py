"""Identities: of alarms, of occurrences, of what somebody asked for. Pure."""

import hashlib
import os
from functools import lru_cache
from typing import Final

from ulid import ULID

from tocsin.clock import SECOND
from tocsin.recurrence import Micros

SHARDS: Final = 256


_HASH_BYTES: Final = 10


_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


_PAIRS: Final = tuple(first + second for first in _CROCKFORD for second in _CROCKFORD)


_SHIFTS: Final = tuple(range(120, -1, -10))


_LOW: Final = (1 << 40) - 1


def shard_of(identity: str) -> int:
    """The shard that an alarm belongs to: the same in every version and every process."""
    return hashlib.blake2s(identity.encode(), digest_size=1).digest()[0] % SHARDS


def new_id(now: Micros) -> str:
    """A fresh ULID: it sorts by its time of birth."""
    return str(ULID.from_timestamp(max(now, 0) / SECOND))


def new_ids(now: Micros, count: int) -> list[str]:
    """So many of them at once: what is random is asked of the system once, which costs more than all the rest."""
    moment = max(now, 0) // 1000 << 80
    random = os.urandom(_HASH_BYTES * count)
    return [ulid(moment | int.from_bytes(random[place : place + _HASH_BYTES])) for place in range(0, len(random), _HASH_BYTES)]


def ulid(number: int) -> str:
    """The ULID of 128 bits: 48 of milliseconds, 80 that tell apart what is born in one of them."""
    return _crockford(number.to_bytes(16))


def firing_id(alarm: str, due: Micros) -> str:
    """The id of the occurrence of ``alarm`` at ``due``: the ULID of the due time with 80 bits of a hash in place of randomness.

    The same occurrence so has the same id whoever computes it, and ids still sort by due time, which keeps the ledger's index local.
    """
    # The firing transaction does this for every row: the part that a herd shares is made once, the other two characters at a time.
    digest = int.from_bytes(hashlib.blake2b(f"{alarm}@{due}".encode(), digest_size=_HASH_BYTES).digest())
    high, low = digest >> 40, digest & _LOW
    return _time_prefix(due // 1000) + "".join(
        (
            *(_PAIRS[high >> 30], _PAIRS[high >> 20 & 1023], _PAIRS[high >> 10 & 1023], _PAIRS[high & 1023]),
            *(_PAIRS[low >> 30], _PAIRS[low >> 20 & 1023], _PAIRS[low >> 10 & 1023], _PAIRS[low & 1023]),
        )
    )


@lru_cache(maxsize=64)
def _time_prefix(milliseconds: int) -> str:
    """The first ten characters of a ULID."""
    return _crockford(max(milliseconds, 0).to_bytes(6) + bytes(_HASH_BYTES))[:10]


def requested_firing_id(tenant: str, alarm: str, request_id: str) -> str:
    """The id of the firing that a request asked for, derived from the request alone: asked twice, it is the same firing.

    The form is that of a ULID, all of it a hash; ``alarm`` is empty for an ad-hoc task.
    """
    digest = hashlib.blake2b(f"{tenant}/{alarm}/{request_id}".encode(), digest_size=16).digest()
    return _crockford(digest)


def _crockford(value: bytes) -> str:
    """16 bytes as the 26 characters of a ULID, two at a time."""
    number = int.from_bytes(value)
    return "".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])
