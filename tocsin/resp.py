"""The wire of Redis: commands as they are sent, and answers as they come.

Source: https://redis.io/docs/latest/develop/reference/protocol-spec/, versions 2 and 3.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeAlias

RedisCommand: TypeAlias = tuple[str | bytes | int, ...]

_BULK: Final = b"$=!"
_ERRORS: Final = b"-!"
_SEVERAL: Final = b"*>~%|"
_PAIRS: Final = b"%|"
_SIZES: Final = tuple(b"\r\n$%d\r\n" % size for size in range(256))
_NOT_ANSWERS: Final = b">|"
"""A push, which nobody asked for, and an attribute, which goes before the answer that it is about."""


class RedisRefusal(NamedTuple):
    """An answer that says what is wrong with its command."""

    text: str


def packed(command: RedisCommand) -> bytes:
    """A command as it is sent."""
    pieces = [b"*%d" % len(command)]
    for word in command:
        part = word if isinstance(word, bytes) else str(word).encode()
        size = len(part)
        pieces += (_SIZES[size] if size < len(_SIZES) else b"\r\n$%d\r\n" % size, part)
    pieces.append(b"\r\n")
    return b"".join(pieces)


class RedisAnswers(asyncio.Protocol):
    """Reads answers from a connection, for those who wait for them in the order in which they asked.

    A library's stream, parser and timers cost three times as much as the exchange itself.
    """

    def __init__(self, *, seconds: float) -> None:
        """Waits for answers for ``seconds`` at the longest, and for half of that at least: one timer does for all that wait."""
        self._seconds = seconds / 2
        self._timer: asyncio.TimerHandle | None = None
        self._heard = True
        self._buffer = b""
        self._found: list[Any] = []
        self._waiting: deque[tuple[int, asyncio.Future[Sequence[Any]]]] = deque()
        self.lost: Exception | None = None
        """Why nothing comes any more."""

    def expect(self, answers: int) -> "asyncio.Future[Sequence[Any]]":
        """The next so many answers that nobody waits for yet: bytes, numbers, None, lists of them, or `RedisRefusal`.

        Raises:
            ConnectionError: of the future: the connection is gone.
        """
        asked: asyncio.Future[Sequence[Any]] = asyncio.get_running_loop().create_future()
        if self.lost is not None:
            asked.set_exception(ConnectionError(str(self.lost)))
        else:
            self._waiting.append((answers, asked))
            if self._timer is None:
                self._look_later()
        return asked

    def _look_later(self) -> None:
        self._heard = False
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._look)

    def _look(self) -> None:
        """Ends the waits if nothing was answered since the last look, though somebody waits."""
        self._timer = None
        if self._waiting and not self._heard:
            self.connection_lost(TimeoutError("Redis does not answer"))
        elif self._waiting:
            self._look_later()

    def data_received(self, data: bytes) -> None:
        """Takes what came."""
        self._buffer = self._buffer + data if self._buffer else data
        try:
            self._read()
        except (ValueError, RecursionError) as error:
            self.connection_lost(ConnectionError(f"no answer of Redis: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends every wait."""
        self.lost = self.lost or exc or ConnectionError("Redis closed the connection")
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting:
            asked = self._waiting.popleft()[1]
            if not asked.done():
                asked.set_exception(ConnectionError(str(self.lost)))

    def _read(self) -> None:
        buffer, place = self._buffer, 0
        while place < len(buffer) and (read := _answer(buffer, place)) is not None:
            kind, (answer, place) = buffer[place], read
            if kind not in _NOT_ANSWERS:
                self._take(answer)
        self._buffer = buffer[place:]

    def _take(self, answer: Any) -> None:
        """Hands the answers of whoever asked first over, when they are complete; who has left gets none."""
        if not self._waiting:
            raise ValueError("nobody asked")
        self._found.append(answer)
        if len(self._found) < self._waiting[0][0]:
            return
        found, self._found = self._found, []
        self._heard = True
        asked = self._waiting.popleft()[1]
        if not asked.done():
            asked.set_result(found)


def _answer(buffer: bytes, place: int) -> tuple[Any, int] | None:
    """The answer that begins at ``place``, and where it ends; None while a part of it is missing.

    Raises:
        ValueError: there is none.
    """
    end = buffer.find(b"\r\n", place)
    if end < 0:
        return None
    kind, line, after = buffer[place], buffer[place + 1 : end], end + 2
    if kind in _BULK:
        text, after = _bulk(buffer, after, int(line))
        if after > len(buffer):
            return None
        return (_refusal(text) if kind in _ERRORS and text is not None else text), after
    if kind in _SEVERAL:
        return _several(buffer, after, int(line) * (2 if kind in _PAIRS else 1))
    match chr(kind):
        case "+" | "," | "(" | "#":
            return line, after
        case ":":
            return int(line), after
        case "_":
            return None, after
        case "-":
            return _refusal(line), after
        case other:
            raise ValueError(f"{other!r} begins none")


def _refusal(text: bytes) -> RedisRefusal:
    return RedisRefusal(text.decode("utf-8", "replace"))


def _bulk(buffer: bytes, place: int, size: int) -> tuple[bytes | None, int]:
    """So many bytes, and where they end, which may be behind the end of the buffer; None of a negative size."""
    return (None, place) if size < 0 else (buffer[place : place + size], place + size + 2)


def _several(buffer: bytes, place: int, count: int) -> tuple[list[Any] | None, int] | None:
    if count < 0:
        return None, place
    found: list[Any] = []
    for _ in range(count):
        read = _answer(buffer, place) if place < len(buffer) else None
        if read is None:
            return None
        answer, place = read
        found.append(answer)
    return found, place
