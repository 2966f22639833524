"""What authenticators may say in CBOR: the subset of CTAP 2 (section 8), before a parser for all of CBOR sees it (pure)."""

from typing import Final

_DEEPEST: Final = 4
_SIMPLE: Final = frozenset({20, 21, 22})  # false, true, null
_BYTES, _TEXT, _ARRAY, _MAP, _TAG, _OTHER = 2, 3, 4, 5, 6, 7


class NotPlain(ValueError):
    """It is no CBOR, or more than an authenticator may say."""


def end_of_item(data: bytes, begin: int = 0, *, depth: int = _DEEPEST) -> int:
    """Where the item that begins at ``begin`` ends.

    It has no tags (dates, regular expressions and numbers of any size are among them), nothing of indefinite length, no floating
    point, no undefined, at most four levels, and every length fits into what is there: the time is linear.

    Raises:
        NotPlain: it is something else.
    """
    kind, count, position = _head(data, begin)
    if kind in (_BYTES, _TEXT):
        position += count
    elif kind in (_ARRAY, _MAP):
        members = count * (2 if kind == _MAP else 1)
        if depth == 0 or members > len(data) - position:
            raise NotPlain
        for _ in range(members):
            position = end_of_item(data, position, depth=depth - 1)
    elif kind == _TAG or (kind == _OTHER and count not in _SIMPLE):
        raise NotPlain
    if position > len(data):
        raise NotPlain
    return position


def _head(data: bytes, begin: int) -> tuple[int, int, int]:
    """The major type, the argument, and where the head ends (RFC 8949, 3)."""
    if begin >= len(data):
        raise NotPlain
    kind, short = data[begin] >> 5, data[begin] & 0x1F
    if short < 24:
        return kind, short, begin + 1
    size = {24: 1, 25: 2, 26: 4, 27: 8}.get(short, 0)
    argument = data[begin + 1 : begin + 1 + size]
    if size == 0 or len(argument) < size or kind == _OTHER:
        raise NotPlain
    return kind, int.from_bytes(argument, "big"), begin + 1 + size
