"""Mails of monitoring systems: what their subjects say. Pure.

A subject such as "[FIRING:2] DiskFull", "** PROBLEM Service Alert: db-1/Disk is CRITICAL **" or "Resolved in 5m: High load" names a
state and something; the same something under another state is the same incident.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from scheduler_svc.domain.incident_words import AlertEvent
from scheduler_svc.domain.intake.alerts import ReadPayload, ReceivedAlert, digest, event_of, fitted, severity_of

_LONGEST_SUBJECT: Final = 998
_REPLY: Final = re.compile(r"(?:re|aw|antw|sv|vs|fwd?|wg|tr|rv)(?:\[\d{1,3}\])?\s*:\s*", re.IGNORECASE)
_TAG: Final = re.compile(r"\[\s*([^\[\]]{1,60}?)\s*\]\s*")
_LEAD: Final = re.compile(r"([A-Za-z]{2,20})(?:\s+in\s+[0-9smhdw .]{1,20})?\s*(?::|\s[-\u2013]\s)\s*")
_NAGIOS: Final = re.compile(r"([A-Za-z]{2,20})\s+(?:Service|Host)\s+Alert\s*:\s*", re.IGNORECASE)
_STATE_WORD: Final = re.compile(r"[A-Za-z]{2,20}")
_SPACES: Final = re.compile(r"\s+")
_MOST_PREFIXES: Final = 10


class ReceivedMail(NamedTuple):
    """A mail.

    Attributes:
        message_id: what makes it one of a kind.
    """

    message_id: str
    sender: str
    subject: str
    text: str


def read_mail(mail: ReceivedMail) -> ReadPayload:
    """The one alert that a mail is."""
    subject = _SPACES.sub(" ", mail.subject[:_LONGEST_SUBJECT]).strip()
    words = list[str]()
    about = _stripped(subject, words)
    events = [event for word in words if (event := event_of(word))]
    severities = [severity for word in words if (severity := severity_of(word))]
    read = ReceivedAlert(
        title=subject or f"Mail from {mail.sender}",
        event=next((event for event in events if event is not AlertEvent.TRIGGER), AlertEvent.TRIGGER),
        key=about.casefold() or digest(mail.sender),
        description=mail.text,
        severity=min(severities, default=None),
        labels={"sender": mail.sender} if mail.sender else {},
        once=digest(mail.message_id),
    )
    return ReadPayload([fitted(read)])


def _stripped(subject: str, words: list[str]) -> str:
    """What a subject is about, without its states; these are added to ``words``."""
    rest = subject.strip("* ")
    for _ in range(_MOST_PREFIXES):
        behind = next(_shorter(rest, words), None)
        if behind is None:
            break
        rest = behind.strip("* ")
    subject_only, word = _predicate(rest)
    if _says(word):
        words.append(word)
        rest = subject_only
    return rest.strip()


def _predicate(text: str) -> tuple[str, str]:
    """Of "db-1 is now down." what comes before it, and "down"; that word is empty of any other text."""
    said = text.rstrip()
    said = said[:-1] if said.endswith(("!", ".")) else said
    for most, now in ((2, ()), (3, ("now",))):
        parts = said.rsplit(None, most)
        if len(parts) > most and parts[1] in ("is", "are") and tuple(parts[2:-1]) == now and _STATE_WORD.fullmatch(parts[-1]):
            return parts[0], parts[-1]
    return text, ""


def _shorter(rest: str, words: list[str]) -> Iterator[str]:
    """What stands behind the first prefix that says a state, or that it is a reply."""
    if found := _REPLY.match(rest):
        yield rest[found.end() :]
    for pattern in (_NAGIOS, _TAG, _LEAD):
        found = pattern.match(rest)
        if found is None:
            continue
        word = found[1].partition(":")[0].strip()
        if _says(word):
            words.append(word)
            yield rest[found.end() :]


def _says(word: str) -> bool:
    return event_of(word) is not None or severity_of(word) is not None
