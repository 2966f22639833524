"""Jitter that anybody can recompute."""

import hashlib
from typing import Final

from tocsin.recurrence.specs import Micros

_MILLISECOND: Final = 1000


def jitter_of(seed: str, due: Micros, room: Micros) -> Micros:
    """The part of ``room`` by which the occurrence of ``seed`` at ``due`` moves later: evenly spread, the same whoever computes it.

    Less than ``room``, and in whole milliseconds if there is a choice.
    """
    digest = hashlib.blake2b(f"{seed}@{due}".encode(), digest_size=8, person=b"jitter").digest()
    drawn = int.from_bytes(digest)
    return drawn % (room // _MILLISECOND) * _MILLISECOND if room >= 2 * _MILLISECOND else drawn % room
