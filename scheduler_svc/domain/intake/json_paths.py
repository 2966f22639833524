"""Paths into JSON: the singular queries of JSONPath (RFC 9535, 2.3.5.1), of which the leading "$." may be left out. Pure."""

import re
from functools import lru_cache
from typing import Final, TypeAlias

from scheduler_svc.domain.intake.payloads import Json

JsonPath: TypeAlias = tuple[str | int, ...]
"""Names of members and places in lists, from the outside in."""

_MOST_SEGMENTS: Final = 32
_MOST_PLACE: Final = 2**31
_SEGMENT: Final = re.compile(
    r"""\.?(?P<name>[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_\-\u0080-\U0010ffff]*)"""
    r"""|\[\s*(?P<place>0|-?[1-9][0-9]{0,9})\s*\]"""
    r"""|\[\s*'(?P<single>(?:[^'\\]|\\['\\])*)'\s*\]"""
    r"""|\[\s*"(?P<double>(?:[^"\\]|\\["\\])*)"\s*\]"""
)
_ESCAPED: Final = re.compile(r"\\(.)")


class PathInvalid(ValueError):
    """It is no path; the text says why."""


@lru_cache(maxsize=4096)
def parse_path(text: str) -> JsonPath:
    """The path that a text says; "$" alone, or nothing, is the whole payload.

    Raises:
        PathInvalid: it is none.
    """
    rest = text.strip()
    rooted = rest.startswith("$")
    place, parts = (1 if rooted else 0), list[str | int]()
    while place < len(rest):
        found = _SEGMENT.match(rest, place)
        bare = found is not None and found["name"] is not None and not found[0].startswith(".")
        if found is None or (bare and (rooted or parts)):
            msg = f"{rest[place : place + 20]!r} at character {place + 1} is no member or place, such as .name, ['a name'] or [0]"
            raise PathInvalid(msg)
        parts.append(_part(found))
        place = found.end()
    if len(parts) > _MOST_SEGMENTS:
        msg = f"goes {len(parts)} levels deep; at most {_MOST_SEGMENTS}"
        raise PathInvalid(msg)
    return tuple(parts)


def _part(found: "re.Match[str]") -> str | int:
    if found["name"] is not None:
        return found["name"]
    if found["place"] is not None:
        place = int(found["place"])
        if abs(place) >= _MOST_PLACE:
            msg = f"{place} is no place in a list"
            raise PathInvalid(msg)
        return place
    quoted = found["single"] if found["single"] is not None else found["double"]
    return _ESCAPED.sub(r"\1", quoted)


def find(value: Json, path: JsonPath) -> Json:
    """What stands at a path; None if nothing does."""
    for part in path:
        if isinstance(part, str):
            if not isinstance(value, dict):
                return None
            value = value.get(part)
        elif isinstance(value, list) and -len(value) <= part < len(value):
            value = value[part]
        else:
            return None
    return value
