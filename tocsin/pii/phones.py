"""Phone numbers: a bounded pattern finds candidates, `phonenumbers` (Google's libphonenumber) says whether a number exists.

Its own search takes 5 to 19 ms a KB; a candidate takes 30 µs. A number with its country's code is taken wherever it stands. One without
is taken as its country writes it: by its trunk prefix ("030 1234567"), in the groups of North America ("650-253-0000"), or announced.
"""

import re
from collections.abc import Iterator
from typing import Final

import phonenumbers

from tocsin.pii.budget import Budget
from tocsin.pii.findings import PiiFinding, PiiKind
from tocsin.pii.shapes import Announcements

_SIGNS: Final = r"[ ().\-/]"
# Each begins with a character that can be searched for; what may not stand before it is looked at afterwards.
_INTERNATIONAL: Final = re.compile(rf"(?:\+(?<![\w+].)|00(?<![\w+]..))(?:{_SIGNS}{{0,2}}[0-9]){{7,15}}+(?![0-9])")
_NORTH_AMERICAN: Final = re.compile(
    r"[(1-9](?<![\w+./\-].)(?:(?<=1)[ .\-]\(?[2-9])?[0-9]{2,3}\)?[ .\-]{1,2}[2-9][0-9]{2}[ .\-][0-9]{4}(?![\w]|[\-./][0-9])"
)
_TRUNK: Final = re.compile(
    r"[(0](?<![\w+./\-].)(?:(?<=\()0)?[1-9][0-9]{0,4}\)?[ /\-]{1,2}+[0-9]{2,8}(?:[ \-][0-9]{2,8}){0,4}+(?![\w]|[\-./][0-9])"
)
_ANNOUNCED: Final = re.compile(rf"[0-9(](?<![\w+./\-].)(?:{_SIGNS}{{0,2}}[0-9]){{6,14}}+(?![\w]|[\-./][0-9])")
_WORDS: Final = (
    *("phone", "mobile", "mobil", "tel", "cell", "fax", "sms", "whatsapp", "handy", "natel", "telefon", "téléphone", "móvil", "cellulare"),
    *("call me", "ring me", "callback"),
)
_REGIONS: Final = ("GB", "DE", "FR", "IT", "ES", "NL", "CH", "AT", "BE", "SE", "PL", "AU", "JP", "IN", "BR", "ZA")
"""Where a number without its country's code may be from; North America has a pattern of its own."""
_FEWEST_DIGITS: Final = 9


def phones(text: str, announced: Announcements, budget: Budget) -> Iterator[PiiFinding]:
    """Phone numbers."""
    for pattern, regions in ((_INTERNATIONAL, ()), (_NORTH_AMERICAN, ("US",)), (_TRUNK, _REGIONS)):
        for match in pattern.finditer(text):
            written = match[0]
            if regions is _REGIONS and sum(map(str.isdigit, written)) < _FEWEST_DIGITS:
                continue
            if _exists(written, match.start(), regions, budget):
                yield PiiFinding(PiiKind.PHONE, *match.span())
    for match in _ANNOUNCED.finditer(text):
        if announced.any_of(_WORDS, match.start()) and _exists(match[0], match.start(), ("US", *_REGIONS), budget):
            yield PiiFinding(PiiKind.PHONE, *match.span())


def _exists(written: str, start: int, regions: tuple[str, ...], budget: Budget) -> bool:
    """Whether the number could be dialled, in one of the regions if it bears no country's code."""
    plain = f"+{written[2:]}" if not regions and written.startswith("00") else written
    for region in regions or (None,):
        if not budget.spend(start):
            return False
        try:
            number = phonenumbers.parse(plain, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return True
    return False
