"""A trigger as it is stored: a rule and what all rules share. Instants are microseconds since the Unix epoch, UTC."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, time
from enum import IntEnum, StrEnum
from typing import Any, Final, NamedTuple, TypeAlias

from tocsin.clock import to_micros

Micros: TypeAlias = int
"""An instant, or a length of time, in microseconds."""

END_OF_TIME: Final = to_micros(datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC))


class Gap(StrEnum):
    """What happens to a local time that does not exist: it moves to the first instant after the gap, or it is left out."""

    SHIFT = "SHIFT"
    SKIP = "SKIP"


class Overlap(StrEnum):
    """Which instants a local time that exists twice means."""

    FIRST = "FIRST"
    BOTH = "BOTH"


class CatchUpMode(IntEnum):
    """How many due times fire that passed while nothing could."""

    DEFAULT = 0
    LATEST = 1
    ALL = 2
    NONE = 3


class Label(StrEnum):
    """What a change of the clocks did to an occurrence."""

    PLAIN = "PLAIN"
    SHIFTED = "SHIFTED"
    REPEATED = "REPEATED"


class Occurrence(NamedTuple):
    """One due time."""

    due: Micros
    label: Label = Label.PLAIN


@dataclass(frozen=True, slots=True)
class At:
    """Once, at an instant."""

    instant: Micros


@dataclass(frozen=True, slots=True)
class Daily:
    """At a time of day in the trigger's zone, every day or once."""

    time: time
    recurring: bool = True


@dataclass(frozen=True, slots=True)
class Every:
    """At a fixed interval, at least a second, from the anchor."""

    interval: Micros


Spec: TypeAlias = At | Daily | Every


@dataclass(frozen=True, slots=True, kw_only=True)
class DstPolicy:
    """What a change of the clocks does to a local time; None means SHIFT and FIRST."""

    gap: Gap | None = None
    overlap: Overlap | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CatchUp:
    """What happens with due times that passed while nothing could fire. ``limit`` 0 means 100; ``window`` None means any age."""

    mode: CatchUpMode = CatchUpMode.DEFAULT
    limit: int = 0
    window: Micros | None = None

    @property
    def most(self) -> int:
        """How many missed due times fire with ALL."""
        return self.limit or 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """When an alarm fires. ``count`` 0 means without end; ``end`` is exclusive."""

    spec: Spec
    time_zone: str = "UTC"
    start: Micros | None = None
    end: Micros | None = None
    count: int = 0
    dst: DstPolicy | None = None
    catch_up: CatchUp | None = None

    @property
    def limit(self) -> int | None:
        """How many due times there are at most; None without a limit."""
        if isinstance(self.spec, At) or (isinstance(self.spec, Daily) and not self.spec.recurring):
            return 1
        return self.count or None

    def encode(self) -> str:
        """The stored form: compact JSON, the same text for equal triggers."""
        stored: dict[str, Any] = {**_encode_spec(self.spec), "tz": self.time_zone}
        optional = {"start": self.start, "end": self.end, "count": self.count or None}
        stored.update({key: value for key, value in optional.items() if value is not None})
        if self.dst is not None:
            stored["dst"] = [self.dst.gap or "", self.dst.overlap or ""]
        if self.catch_up is not None:
            stored["catch"] = [int(self.catch_up.mode), self.catch_up.limit, self.catch_up.window]
        return json.dumps(stored, separators=(",", ":"))

    @staticmethod
    def decode(text: str) -> "Trigger":
        """The trigger that `encode` made ``text`` of."""
        stored: dict[str, Any] = json.loads(text)
        return Trigger(
            spec=_decode_spec(stored),
            time_zone=stored["tz"],
            start=stored.get("start"),
            end=stored.get("end"),
            count=stored.get("count", 0),
            dst=_decode_dst(stored["dst"]) if "dst" in stored else None,
            catch_up=_decode_catch_up(stored["catch"]) if "catch" in stored else None,
        )


def _encode_spec(spec: Spec) -> dict[str, Any]:
    match spec:
        case At(instant):
            return {"at": instant}
        case Daily(at, recurring):
            return {"daily": at.isoformat(), "recurring": recurring}
        case Every(interval):
            return {"every": interval}


def _decode_spec(stored: dict[str, Any]) -> Spec:
    if "at" in stored:
        return At(stored["at"])
    if "every" in stored:
        return Every(stored["every"])
    return Daily(time.fromisoformat(stored["daily"]), stored["recurring"])


def _decode_dst(stored: list[str]) -> DstPolicy:
    gap, overlap = stored
    return DstPolicy(gap=Gap(gap) if gap else None, overlap=Overlap(overlap) if overlap else None)


def _decode_catch_up(stored: list[Any]) -> CatchUp:
    mode, limit, window = stored
    return CatchUp(mode=CatchUpMode(mode), limit=limit, window=window)
