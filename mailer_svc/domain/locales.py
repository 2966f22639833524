"""Languages: BCP 47 tags in one spelling, and which text is the nearest to one."""

import re
from collections.abc import Iterator
from typing import Final

from tocsin.errors import InvalidInput

MAX_LOCALE_CHARS: Final = 35
"""What RFC 5646, 4.4.1 asks of buffers for tags."""

_TAG: Final = re.compile(
    r"(?:[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{4,8})"  # language, extended
    r"(?:-[a-z]{4})?"  # script
    r"(?:-(?:[a-z]{2}|[0-9]{3}))?"  # region
    r"(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*"  # variants
    r"(?:-[0-9a-wy-z](?:-[a-z0-9]{2,8})+)*"  # extensions
    r"(?:-x(?:-[a-z0-9]{1,8})+)?"  # private use
    r"|x(?:-[a-z0-9]{1,8})+"
)


class LocaleInvalid(InvalidInput):
    """It is no language tag."""


def normal_locale(tag: str, *, field: str = "locale") -> str:
    """A language tag in the spelling of RFC 5646, 2.1.1: ``de-CH``, ``zh-Hant-TW``; an underscore is taken for a hyphen. Empty stays empty.

    Raises:
        LocaleInvalid: it is not well-formed; ``field`` is named.
    """
    if not tag:
        return ""
    lower = tag.replace("_", "-").lower()
    if len(tag) > MAX_LOCALE_CHARS or not tag.isascii() or not _TAG.fullmatch(lower):
        raise LocaleInvalid.at(field, 'must be a language tag such as "de" or "de-CH" (BCP 47)')
    first, *others = lower.split("-")
    parts = [first]
    for part in others:
        after_singleton = len(parts[-1]) == 1 or (len(parts) > 1 and any(len(earlier) == 1 for earlier in parts))
        plain = after_singleton or len(part) not in (2, 4) or not part.isalpha()
        parts.append(part if plain else part.upper() if len(part) == 2 else part.title())
    return "-".join(parts)


def locale_fallbacks(tag: str) -> Iterator[str]:
    """A normal tag, then less and less of it, at last an empty text (the lookup of RFC 4647, 3.4): de-CH, de, and nothing."""
    parts = tag.split("-") if tag else []
    while parts:
        yield "-".join(parts)
        parts.pop()
        if parts and len(parts[-1]) == 1:
            parts.pop()
    yield ""
