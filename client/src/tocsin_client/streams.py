"""Streams of messages as Server-Sent Events (WHATWG HTML, 9.2), and the state of a watch that goes on where it broke off."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tocsin_client.calls import Attempts, Call, Request, RetryRule
from tocsin_client.errors import TocsinError, Unavailable, UnexpectedAnswer, members, of_problem

EVENTS: Final = "text/event-stream"
SILENCE_SECONDS: Final = 60.0
"""The gateway gives a sign of life every 15 s unless it is told otherwise; who hears none for so long talks to nobody."""

_LONGEST: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its type, empty for a message, and its data."""

    kind: str
    data: bytes


class EventReader:
    """Reads events from a body that comes in pieces, cut anywhere.

    Attributes:
        comments: how many there were: signs of life.
    """

    def __init__(self) -> None:
        """Begins at the start of a body."""
        self.comments = 0
        self._rest = b""
        self._kind = ""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> Iterator[Event]:
        """The events that a piece completes.

        Raises:
            UnexpectedAnswer: one is larger than any message may be.
        """
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if len(self._rest) + self._size > _LONGEST:
            msg = "a message of the stream is larger than 64 MiB"
            raise UnexpectedAnswer(msg)
        for line in lines:
            event = self._line(line.removesuffix(b"\r"))
            if event is not None:
                yield event

    def _line(self, line: bytes) -> Event | None:
        if not line:
            event = Event(self._kind, b"\n".join(self._data)) if self._data else None
            self._kind, self._data, self._size = "", [], 0
            return event
        name, _, value = line.partition(b":")
        self.comments += not name
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
            self._size += len(value)
        elif name == b"event":
            self._kind = value.decode("utf-8", "replace")
        return None


class Watching:
    """Where a stream stands: which request begins it or goes on with it, and whether it goes on after an error."""

    def __init__(self, call: Call, given: Mapping[str, Any], rule: RetryRule) -> None:
        """Begins where ``given`` says."""
        self._call = call
        self._given = dict(given)
        self._rule = rule
        self._attempts = Attempts(rule)
        self._resumable = "resume_token" in call.params
        self._reader = EventReader()

    @property
    def token(self) -> str:
        """The token after which the stream goes on; empty as long as there is none."""
        return str(self._given.get("resume_token") or "")

    def request(self) -> Request:
        """The request that begins the stream, or goes on with it."""
        self._reader = EventReader()
        return self._call.request(self._given, accept=EVENTS)

    def messages(self, piece: bytes) -> Iterator[Any]:
        """The messages that a piece completes.

        Raises:
            TocsinError: the error that ends the stream.
        """
        for event in self._reader.feed(piece):
            if event.kind == "error":
                raise of_problem(_problem(event.data))
            made = self._call.message(event.data)
            if self._resumable:
                self._given["resume_token"] = getattr(made, "resume_token", "") or self._given.get("resume_token")
            self._attempts = Attempts(self._rule)
            yield made
        if self._reader.comments:
            self._reader.comments = 0
            self._attempts = Attempts(self._rule)  # it stood for a while, though nothing happened

    def end(self) -> None:
        """Is told that the stream has ended without an error.

        Raises:
            Unavailable: a watch never ends by itself; the gateway stops, and another one goes on.
        """
        if self._resumable:
            msg = "the gateway has ended the watch"
            raise Unavailable(msg)

    def wait(self, error: TocsinError) -> float | None:
        """Seconds until it goes on; None when it does not, because the error would come again or messages would come twice."""
        return self._attempts.wait(error, "always" if self._resumable else "never")


def _problem(data: bytes) -> Mapping[str, Any]:
    try:
        return members(json.loads(data))
    except (ValueError, RecursionError):
        return {}
