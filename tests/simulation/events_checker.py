"""The judge of events: each lets every alarm go once that waited for it and was active, and no other."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from google.protobuf.struct_pb2 import Struct

from scheduler_svc.contexts import plain
from tests.simulation.models import Watcher
from tests.simulation.notes import EDGE, Entry
from tests.simulation.waiting import Happening, matches

Key = tuple[str, str]
"""A tenant, and the id of an event of it."""


@dataclass(slots=True)
class Published:
    """An event: which alarms it must fire, which it may, which it did; and when all that it fires was committed."""

    happening: Happening
    must: set[str]
    may: set[str]
    finished: float | None = None
    fired: Counter[str] = field(default_factory=Counter[str])


class EventsChecker:
    """Is told of events in the order of the commits."""

    def __init__(self, *, alarms: Mapping[str, Watcher], problem: Callable[[str], None], skew: int) -> None:
        """Knows no event yet.

        Args:
            alarms: those that there are at each moment.
            problem: told what is wrong.
            skew: by how much two clocks can differ.
        """
        self.events: dict[Key, Published] = {}
        self._alarms = alarms
        self._problem = problem
        self._margin = EDGE + skew
        self._open: dict[Key, Published] = {}

    def publish(self, entry: Entry, *, now: int) -> None:
        """An event was logged at ``now``."""
        key = (entry.tenant, entry.id)
        if key in self.events:
            self._problem(f"event {key} was logged twice")
            return
        data = plain(Struct.FromString(entry.body)) if entry.body else {}
        event = Published(Happening(entry.text, entry.key, data), set(), set())
        self.events[key] = self._open[key] = event
        for alarm in self._alarms.values():
            if alarm.tenant == entry.tenant and _hears(alarm, event) and alarm.listens(now, margin=-self._margin):
                event.may.add(alarm.id)
                if alarm.listens(now, margin=self._margin):
                    event.must.add(alarm.id)

    def review(self, alarm: Watcher, *, here: bool) -> None:
        """An alarm changed or is gone, while events are not finished: it may be fired by them, and need not."""
        for (tenant, _), event in self._open.items():
            if tenant == alarm.tenant and here and _hears(alarm, event):
                event.may.add(alarm.id)
            elif tenant == alarm.tenant:
                event.must.discard(alarm.id)

    def finish(self, key: Key, at: float) -> None:
        """All that an event fires is committed."""
        event = self._open.pop(key, None)
        if event is not None:
            event.finished = at

    def caused(self, entry: Entry) -> None:
        """A firing says that an event caused it."""
        about = plain(Struct.FromString(entry.body or b"")).get("event", {})
        key, alarm = (entry.tenant, str(about.get("id"))), self._alarms.get(entry.id)
        event = self.events.get(key)
        if event is None:
            self._problem(f"firing {entry.key} of alarm {entry.id} says that event {key} caused it, and there is none")
            return
        event.fired[entry.id] += 1
        if event.fired[entry.id] > 1:
            self._problem(f"event {key} let alarm {entry.id} go {event.fired[entry.id]} times")
        if alarm is None or not _hears(alarm, event) or entry.id not in event.may:
            self._problem(f"event {key} {event.happening} let alarm {entry.id} go, which did not wait for it")

    def judge(self) -> None:
        """At the end: nothing is missing."""
        for key, event in self.events.items():
            if event.finished is None:
                self._problem(f"event {key} was never finished")
            missing = sorted(event.must - event.fired.keys())
            if missing:
                self._problem(f"event {key} {event.happening} did not fired {missing}, which waited for it")


def _hears(alarm: Watcher, event: Published) -> bool:
    return alarm.event is not None and alarm.active and matches(alarm.event, event.happening)
