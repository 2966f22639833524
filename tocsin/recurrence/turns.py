"""Turns of a rotation: equal lengths of local time, one after the other, without end in both directions.

A hand-over has a local time, as a trigger has: "Mondays at 09:00 in Berlin" stays at nine when the clocks change, and the turn in between
is an hour longer or shorter. A hand-over that a gap leaves out is at its end, one that exists twice at the first of both: what `Gap.SHIFT`
and `Overlap.FIRST` say of due times. A turn that lies in a gap as a whole is empty; its number is passed over all the same.
"""

from collections.abc import Iterator
from typing import NamedTuple

from tocsin.clock import SECOND
from tocsin.recurrence.offsets import FIRST_SECOND, LAST_SECOND, Offsets
from tocsin.recurrence.specs import Micros


class Turn(NamedTuple):
    """A turn: its number, 0 for the one that begins first, from ``start``, inclusive, to ``end``, exclusive."""

    number: int
    start: Micros
    end: Micros


class Turns:
    """Turns of one length. Who has which is the number modulo the participants. Every answer is computed, none is searched for."""

    def __init__(self, *, first: int, length: int, offsets: Offsets) -> None:
        """Takes what they are made of.

        Args:
            first: wall time of a hand-over, in seconds since 1970-01-01T00:00: the beginning of turn 0.
            length: of each turn, in seconds of wall time: a day is 86,400, whatever the clocks do on it.
            offsets: the zone.
        """
        if length <= 0:
            raise ValueError("a turn has a length")
        self._first = first
        self._length = length
        self._offsets = offsets

    def start_of(self, number: int) -> Micros:
        """When the turn of a number begins, and the one before it ends."""
        wall = self._first + number * self._length
        return self._offsets.instant(min(max(wall, FIRST_SECOND), LAST_SECOND)) * SECOND

    def at(self, instant: Micros) -> Turn:
        """The turn that holds an instant."""
        wall = self._offsets.local(instant // SECOND)
        number = (wall - self._first) // self._length
        while self.start_of(number) > instant:
            number -= 1  # a time that exists twice: the hand-over was at the first of both
        while self.start_of(number + 1) <= instant:
            number += 1
        return self._turn(number)

    def between(self, start: Micros, end: Micros) -> Iterator[Turn]:
        """Every turn that shares an instant with the range from ``start``, inclusive, to ``end``, exclusive, in order."""
        if start >= end:
            return
        turn = self.at(start)
        while turn.start < end:
            if turn.end > turn.start:
                yield turn
            if turn.end >= LAST_SECOND * SECOND:
                return
            turn = self._turn(turn.number + 1)

    def next_boundary(self, instant: Micros) -> Micros:
        """The first hand-over after an instant."""
        return self.at(instant).end

    def _turn(self, number: int) -> Turn:
        return Turn(number, self.start_of(number), self.start_of(number + 1))
