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
_TAIL: Final = re.compile(r"\s+(?:is|are)\s+(?:now\s+)?([A-Za-z]{2,20})\s*[!.]?\Z")
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
    return ReadPayload([fitted(read, place="")])


def _stripped(subject: str, words: list[str]) -> str:
    """What a subject is about, without its states; these are added to ``words``."""
    rest = subject.strip("* ")
    for _ in range(_MOST_PREFIXES):
        behind = next(_shorter(rest, words), None)
        if behind is None:
            break
        rest = behind.strip("* ")
    if (tail := _TAIL.search(rest)) and _says(tail[1]):
        words.append(tail[1])
        rest = rest[: tail.start()]
    return rest.strip()


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
