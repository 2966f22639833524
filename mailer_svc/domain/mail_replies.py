"""What somebody says who replies to a mail about an incident (pure).

The first line that is the reader's own counts, and it has to be one of a few phrases as a whole: "I can't ack this" is none. Everything
else is a note.
"""

import re
import unicodedata
from collections.abc import Iterator
from decimal import Decimal
from enum import Enum
from typing import Final, NamedTuple

from tocsin.clock import DAY, SECOND
from tocsin.durations import seconds_of

MOST_NOTE_BYTES: Final = 4000
_MOST_SNOOZE: Final = 30 * DAY
_LINES: Final = 500
_LINE: Final = 1000  # characters of a line that are looked at

_ACKNOWLEDGE: Final = frozenset(
    {
        *("ack", "acknowledge", "acknowledged", "i have it", "i've got it", "i got it", "got it", "on it", "i'm on it"),
        *("ich übernehme", "übernehme", "übernehme ich", "übernommen", "ich habe es", "ich kümmere mich", "ich kümmere mich darum"),
        *("quittiert", "quittieren", "quittiere", "bestätigt", "bestätigen", "bestätige"),
    }
)
_RESOLVE: Final = frozenset(
    {
        *("resolve", "resolved", "it is over", "it's over", "over", "fixed"),
        *("behoben", "erledigt", "gelöst", "es ist vorbei", "vorbei"),
    }
)
_SNOOZE: Final = re.compile(r"(?:snooze|später|zurückstellen|schlummern)(?:\s+(?:for|für|um))?\s+(.+)")
_UNITS: Final = re.compile(
    r"(?<=[\d\s])(?:(min(?:ute[ns]?|s)?)|(h(?:ours?|rs?)|stunden?|std)|(days?|tag(?:en?)?)|(weeks?|wochen?))(?![a-z])\.?"
)
_UNIT_NAMES: Final = ("m", "h", "d", "w")
_ROUND: Final = str.maketrans({"\u2019": "'", "\u2018": "'", "\u00b4": "'"})
# Letters of people whose keyboard has no umlauts.
_SPELLINGS: Final = (("ueber", "über"), ("spaeter", "später"), ("zurueck", "zurück"), ("kuemmere", "kümmere"), ("geloest", "gelöst"))
_ENDS: Final = " \t.!…,;:*_>\"'`"
_SEPARATOR: Final = re.compile(
    r"-{2,} ?(?:original message|ursprüngliche nachricht|forwarded message|weitergeleitete nachricht)|_{10,}|--$"
)
_INTRODUCED: Final = re.compile(r"(?:on|am|le|el|il)\s.*(?:wrote|schrieb|a écrit|escribió|ha scritto)\b.*:$|.*(?:wrote|schrieb):$")
_BEGINS: Final = re.compile(r"(?:on|am)\s")


class ReplyKind(Enum):
    """What a reply does."""

    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"
    SNOOZE = "snooze"
    NOTE = "note"
    NOTHING = "nothing"


class MailReply(NamedTuple):
    """What a reply says: ``snooze`` is in microseconds, ``note`` the reader's own words."""

    kind: ReplyKind
    snooze: int = 0
    note: str = ""


def read_reply(text: str) -> MailReply:
    """What the text of a reply says; the quotation of the mail that it answers says nothing."""
    lines = list(_own_lines(text))
    said = next((line for line in lines if line.strip()), "")
    words = _plain(said)
    if not words:
        return MailReply(ReplyKind.NOTHING)
    if words in _ACKNOWLEDGE:
        return MailReply(ReplyKind.ACKNOWLEDGE)
    if words in _RESOLVE:
        return MailReply(ReplyKind.RESOLVE)
    if (found := _SNOOZE.fullmatch(words)) and (length := _length(found[1])):
        return MailReply(ReplyKind.SNOOZE, snooze=length)
    return MailReply(ReplyKind.NOTE, note=_cut("\n".join(lines).strip()))


def _own_lines(text: str) -> Iterator[str]:
    """The lines that are not quoted, up to the end of what somebody wrote."""
    lines = text.splitlines()[:_LINES]
    for place, line in enumerate(lines):
        low = line[:_LINE].strip().casefold()
        if _SEPARATOR.match(low):
            return
        if low.startswith(">") or _introduces(lines, place):
            continue
        yield line


def _introduces(lines: list[str], place: int) -> bool:
    """Whether a line says who wrote what is quoted behind it; it may go on for a line."""
    here = lines[place][:_LINE].strip().casefold()
    after = lines[place + 1][:_LINE].strip().casefold() if place + 1 < len(lines) else ""
    before = lines[place - 1][:_LINE].strip().casefold() if place else ""
    if _INTRODUCED.fullmatch(here):
        return True
    if _BEGINS.match(here) and after.endswith(":"):
        return _INTRODUCED.fullmatch(f"{here} {after}") is not None
    return bool(_BEGINS.match(before)) and here.endswith(":") and _INTRODUCED.fullmatch(f"{before} {here}") is not None


def _plain(line: str) -> str:
    """A line in one spelling."""
    words = unicodedata.normalize("NFC", line[:_LINE]).translate(_ROUND).casefold().strip(_ENDS)
    words = " ".join(words.split())
    for written, meant in _SPELLINGS:
        words = words.replace(written, meant)
    return words


def _length(text: str) -> int:
    """Microseconds; 0 if it is no time that somebody may put an incident off for."""
    short = _UNITS.sub(lambda found: _UNIT_NAMES[next(place for place, unit in enumerate(found.groups()) if unit)], text)
    seconds = seconds_of(short)
    if seconds is None or short.strip().replace(".", "").isdecimal() or seconds < 1:
        return 0
    length = int(seconds * Decimal(SECOND))
    return length if length <= _MOST_SNOOZE else 0


def _cut(text: str) -> str:
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= MOST_NOTE_BYTES:
        return encoded.decode()
    return encoded[: MOST_NOTE_BYTES - 4].decode("utf-8", "ignore") + " …"
