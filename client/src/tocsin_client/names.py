"""Paths of calls, made of the names that a caller brings.

A name is checked before anything is sent: ``records/k1`` in place of an alarm's name would reach another resource, and so would
``alarms/../records/k1``, for HTTP clients and proxies take dot segments away (RFC 3986, 5.2.4).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from tocsin_client.errors import FieldViolation, NameInvalid

_LONGEST: Final = 1024
_ANY: Final = ("*", "**")
_VARIABLE: Final = re.compile(r"\{([a-z0-9_.]+)(?:=([^}]*))?\}")
_SEGMENT: Final = re.compile(r"[^/\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True)
class _Template:
    """A path template of google.api.http: texts, and between them variables with their patterns ("*" for one segment of any kind)."""

    texts: Sequence[str]
    variables: Sequence[tuple[str, str]]


def path_of(templates: Sequence[str], values: Mapping[str, object]) -> str:
    """The path of the first template that the values of its variables fit.

    Args:
        templates: such as ``/v1/{name=alarms/*}:pause``.
        values: by variable.

    Raises:
        NameInvalid: none fits; nothing has been sent.
    """
    refused: dict[str, list[str]] = {}
    for template in map(_parsed, templates):
        made = [template.texts[0]]
        for (variable, pattern), text in zip(template.variables, template.texts[1:], strict=True):
            value = values.get(variable)
            if not isinstance(value, str) or not _fits(value, pattern):
                refused.setdefault(variable, []).append(_words(pattern))
                break
            made += [_encoded(value, pattern), text]
        else:
            return "".join(made)
    violations = [FieldViolation(name, f"must be {' or '.join(forms)}") for name, forms in refused.items()]
    raise NameInvalid(violations=violations, reason="NAME_INVALID")


@lru_cache(maxsize=1024)
def _parsed(template: str) -> _Template:
    pieces = _VARIABLE.split(template)
    return _Template(
        texts=pieces[::3], variables=[(name, pattern or "*") for name, pattern in zip(pieces[1::3], pieces[2::3], strict=True)]
    )


def _fits(value: str, pattern: str) -> bool:
    if pattern in _ANY:
        return 0 < len(value) <= _LONGEST
    wanted, parts = pattern.split("/"), value.split("/")
    return len(wanted) == len(parts) and all(
        _is_segment(part) if each == "*" else part == each for part, each in zip(parts, wanted, strict=True)
    )


def _is_segment(text: str) -> bool:
    return text not in (".", "..") and len(text) <= _LONGEST and _SEGMENT.fullmatch(text) is not None


def _encoded(value: str, pattern: str) -> str:
    return segment(value) if pattern == "*" else "/".join(map(segment, value.split("/")))


def _words(pattern: str) -> str:
    return "a text" if pattern in _ANY else pattern.replace("*", "{id}")


def segment(text: str) -> str:
    """``text`` as one segment of a path; a dot segment does not survive as one."""
    return "%2E" * len(text) if text in (".", "..") else quote(text, safe="~", errors="surrogatepass")
