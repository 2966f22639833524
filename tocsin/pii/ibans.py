"""International bank account numbers (ISO 13616)."""

import re
from functools import cache
from typing import Final

from stdnum import iban, numdb

# Bounded: the longest has 34 characters, in groups of four.
_CANDIDATE: Final = re.compile(r"[A-Za-z]{2}[0-9]{2}(?:[ \-]?[A-Za-z0-9]){11,30}+")
_FIELD: Final = re.compile(r"(\d+)!?")


def iban_at(text: str, start: int) -> int:
    """Where the IBAN that begins at ``start`` ends; 0 when there is none."""
    match = _CANDIDATE.match(text, start)
    if match is None:
        return 0
    length = _length(match[0][:2].upper())
    if not length:
        return 0
    compact: list[str] = []
    for offset, character in enumerate(match[0]):
        if character.isalnum():
            compact.append(character)
        if len(compact) == length:
            end = start + offset + 1
            whole = end == len(text) or not text[end].isalnum()
            return end if whole and _checked("".join(compact).upper()) else 0
    return 0


def _checked(compact: str) -> bool:
    """The check digits first, which cost a tenth of the form of the country."""
    moved = compact[4:] + compact[:4]
    number = int("".join(str(int(character, 36)) for character in moved))
    return number % 97 == 1 and bool(iban.is_valid(compact))


@cache
def _length(country: str) -> int:
    """Characters of a country's IBANs; 0 when it has none."""
    found = numdb.get("iban").info(country)[0][1]
    fields = _FIELD.findall(str(found.get("bban", "")))
    return 4 + sum(map(int, fields)) if fields else 0
