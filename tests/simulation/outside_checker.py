"""The judge of what comes from outside: goes through the database's journal once more, with a reference model for each alarm.

An event lets every alarm go once that matched it and was active, and no other; a heartbeat is raised at the deadline that its last ping
set, and at no other time; a threshold does what its readings say; what was accepted is in the journal; an imported key is one alarm.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final

from google.protobuf.struct_pb2 import Struct

from scheduler_svc.contexts import plain
from scheduler_svc.domain import AlarmState, Origin
from scheduler_svc.triggers.messages import PingKind
from tests.simulation.events_checker import EventsChecker
from tests.simulation.keys_checker import KeysChecker
from tests.simulation.models import Expected, Watcher
from tests.simulation.notes import EDGE, Entry, entries_of, skew_of
from tests.simulation.outsiders import Accepted
from tests.simulation.scenario import SECOND
from tests.simulation.waiting import period_of
from tests.simulation.world import World
from tocsin.recurrence import Trigger

_HARMLESS: Final = frozenset({"hints", "cuts", "manners", "processors"})
_LONGEST_OUTAGE: Final = 1800 * SECOND
_UNHEARD: Final = 75 * SECOND


class OutsideChecker:
    """Judges at the end of a run."""

    def __init__(self, world: World, accepted: Accepted) -> None:
        self._world = world
        self._accepted = accepted
        self._alarms: dict[str, Watcher] = {}
        self._skew = skew_of(world.scenario)
        self._events = EventsChecker(alarms=self._alarms, problem=self._problem, skew=self._skew)
        self._keys = KeysChecker(problem=self._problem)
        self._last: dict[tuple[str, str], int] = {}
        self._readings: set[str] = set()
        self._seen: defaultdict[str, list[float]] = defaultdict(list)
        self._heard: list[float] = []
        self._counts: Counter[str] = Counter()

    def check(self) -> None:
        """Finds everything that is wrong."""
        for _, entries in groupby(entries_of(self._world.storage), key=lambda entry: entry.txn):
            self._transaction(list(entries))
        self._judge_end()
        self._events.judge()
        self._judge_accepted()
        self._keys.judge(self._accepted.lines)
        self._counts["keyed alarms made"] = self._keys.made
        self._world.counts.update(self._counts)

    def _problem(self, text: str) -> None:
        self._world.problem(text)

    def _wall(self, at: float) -> int:
        return self._world.scenario.epoch + round(at * SECOND)

    # -- a transaction ------------------------------------------------------------------------------------------------------------------

    def _transaction(self, entries: Sequence[Entry]) -> None:
        kinds: defaultdict[str, list[Entry]] = defaultdict(list)
        for entry in entries:
            kinds[entry.kind].append(entry)
        firings = kinds["firing"]
        self._count(kinds, firings)
        for entry in kinds["event"]:
            self._events.publish(entry, now=self._wall(entry.at))
        caused = [entry for entry in firings if entry.number == Origin.EVENT]
        for entry in caused:
            self._events.caused(entry)
        raising: defaultdict[str, list[Entry]] = defaultdict(list)
        for entry in firings:
            if entry.number != Origin.EVENT:
                raising[entry.id].append(entry)
        told = self._read(kinds["reading"], raising) | self._ping(kinds, raising)
        for alarm, found in raising.items():
            if alarm not in told:
                self._raise(alarm, found)
        for entry in entries:
            self._change(entry, moved=bool(firings or kinds["seen"] or kinds["reading"]))
        for entry in (*(entry for entry in kinds["event"] if entry.number), *kinds["finished"]):
            self._events.finish((entry.tenant, entry.id), entry.at)
        if kinds["event"] or kinds["reading"] or kinds["seen"]:
            self._heard.append(entries[0].at)

    def _count(self, kinds: dict[str, list[Entry]], firings: Iterable[Entry]) -> None:
        names = {Origin.EVENT: "event firings", Origin.RESOLVED: "resolved"}
        for entry in firings:
            alarm = self._alarms.get(entry.id)
            raised = "heartbeats raised" if alarm is not None and alarm.heartbeat else "thresholds raised"
            self._counts[names.get(Origin(entry.number), raised)] += 1
        self._counts["events logged"] += len(kinds["event"])

    def _change(self, entry: Entry, *, moved: bool) -> None:
        """An alarm is made, changed or gone."""
        if entry.kind == "gone":
            found = self._alarms.pop(entry.id, None)
            self._keys.gone(entry)
            if found is not None:
                self._events.review(found, here=False)
        elif entry.kind in ("made", "changed"):
            self._keys.wrote(entry)
            alarm = self._alarms.get(entry.id)
            if alarm is None or alarm.since != entry.since:
                self._begin(entry)
            else:
                self._go_on(alarm, entry, moved=moved)
            self._events.review(self._alarms[entry.id], here=True)

    def _begin(self, entry: Entry) -> None:
        alarm = Watcher(entry.id, entry.tenant, entry.key, entry.number, Trigger.decode(entry.text), entry.since)
        alarm.begin(entry.since)
        self._alarms[entry.id] = alarm
        if not alarm.trigger.calendar and alarm.active and alarm.deadline != entry.due:
            self._problem(f"alarm {alarm.id} {entry.text} begins with the deadline {entry.due}, not {alarm.deadline}")

    def _go_on(self, alarm: Watcher, entry: Entry, *, moved: bool) -> None:
        resumed = alarm.state == AlarmState.PAUSED and entry.number == AlarmState.ACTIVE
        alarm.state, alarm.key = entry.number, entry.key
        if alarm.trigger.calendar:
            return
        if resumed:
            alarm.resume(entry.stamp)
        elif entry.number == AlarmState.COMPLETED:
            end = alarm.trigger.end
            if end is None or end > self._wall(entry.at) + self._skew:
                self._problem(f"alarm {alarm.id} is over at {self._wall(entry.at)}, and its end is {end}")
        elif not moved and alarm.heartbeat and alarm.active and alarm.deadline is not None and entry.due != alarm.deadline:
            self._postpone(alarm, entry)

    def _postpone(self, alarm: Watcher, entry: Entry) -> None:
        """The engine says that nobody could take the ping: that must have been so."""
        spec, before, after = alarm.heartbeat, alarm.deadline, entry.due
        assert spec is not None
        assert before is not None
        alarm.deadline = after
        self._counts["deadlines postponed"] += 1
        if after is None:
            if alarm.trigger.end is None:
                self._problem(f"the deadline {before} of alarm {alarm.id} was taken away")
            return
        end = after - period_of(spec) - alarm.grace  # by a schedule at the earliest
        if end > self._wall(entry.at) + self._skew:
            self._problem(f"alarm {alarm.id} waits until {after} instead of {before}, and nobody can know that none can ping until {end}")
        if (end if spec.schedule is None else after - alarm.grace) < before - alarm.grace:
            self._problem(f"alarm {alarm.id} waits until {after} instead of {before}, and its ping was expected after {end}")
        outage = round(self._world.scenario.options.outage_seconds * SECOND)
        heard = [at for at in self._heard if end - outage + _UNHEARD < self._wall(at) < end - 5 * SECOND]
        if heard and spec.schedule is None and "clocks" not in self._world.scenario.faults:
            self._problem(
                f"alarm {alarm.id} waits until {after} instead of {before}: nobody could ping until {end}, and at {heard[0]} it was"
            )

    # -- readings -----------------------------------------------------------------------------------------------------------------------

    def _read(self, readings: Sequence[Entry], raising: dict[str, list[Entry]]) -> set[str]:
        """Takes every threshold of these readings through them; the alarms that were judged."""
        expected: defaultdict[str, list[Expected]] = defaultdict(list)
        judged: set[str] = set()
        for entry in readings:
            measured = entry.due
            assert measured is not None
            self._readings.add(entry.key)
            metric = (entry.tenant, entry.text)
            if measured < self._last.get(metric, measured):
                continue
            self._last[metric] = measured
            value = plain(Struct.FromString(entry.body or b""))["value"]
            for alarm in self._alarms.values():
                spec = alarm.threshold
                if spec is None or (alarm.tenant, spec.metric) != metric or not alarm.active or not alarm.listens(measured):
                    continue
                judged.add(alarm.id)
                expected[alarm.id] += alarm.read(value, measured)
        for identity in sorted(judged):
            self._compare(self._alarms[identity], expected[identity], raising.get(identity, []))
        return judged

    def _compare(self, alarm: Watcher, expected: list[Expected], found: Sequence[Entry]) -> None:
        got = [(entry.number, entry.due) for entry in found]
        ripe = alarm.ripe
        if (int(Origin.RAISED), ripe) in got and (int(Origin.RAISED), ripe) not in expected and ripe is not None:
            if any(ripe > entry.stamp for entry in found):
                self._problem(f"alarm {alarm.id} was raised before its wait was over at {ripe}")
            expected = [*expected, *alarm.ripen()]
        if sorted(got) != sorted(expected):
            self._problem(f"threshold {alarm.id} {alarm.trigger.spec}: {expected} was expected, and it did {got}")

    # -- pings --------------------------------------------------------------------------------------------------------------------------

    def _ping(self, kinds: dict[str, list[Entry]], raising: dict[str, list[Entry]]) -> set[str]:
        beats: defaultdict[str, list[Entry]] = defaultdict(list)
        for entry in kinds["beat"]:
            beats[entry.id].append(entry)
        for entry in kinds["ping"]:
            self._judge_ping(entry, kinds["seen"])
        for entry in kinds["seen"]:
            self._seen[entry.id].append(entry.at)
            alarm = self._alarms.get(entry.id)
            if alarm is None or alarm.heartbeat is None:
                self._problem(f"alarm {entry.id} took a ping, and is none that waits for one")
            else:
                self._hear(alarm, entry, raising.get(entry.id, []), beats[entry.id], {one.id: one for one in kinds["changed"]})
        return {entry.id for entry in kinds["seen"]}

    def _judge_ping(self, entry: Entry, seen: Sequence[Entry]) -> None:
        """A ping with a key that its client chose reaches the heartbeat of that key."""
        if not entry.text:
            return
        there = {one.id for one in seen}
        meant = {
            alarm.id
            for alarm in self._alarms.values()
            if alarm.tenant == entry.tenant and alarm.heartbeat is not None and alarm.heartbeat.key == entry.text
        }
        if not meant or not meant <= there:
            self._problem(f"a ping with the key {entry.text} of {entry.tenant} was for {meant}, and reached {there}")

    def _hear(self, alarm: Watcher, seen: Entry, found: list[Entry], beats: list[Entry], changed: dict[str, Entry]) -> None:
        """The pings of a transaction, in their order, do to a heartbeat what its model says, and give it that deadline."""
        margin, got = EDGE + self._skew, [(entry.number, entry.due) for entry in found]
        first = beats[0].stamp if beats else seen.stamp
        counted = alarm.listens(first, margin=margin) or (alarm.listens(first, margin=-margin) and (got or seen.id in changed))
        if not alarm.active or not counted:
            alarm.seen = max([alarm.seen, *(beat.stamp for beat in beats if beat.number in (PingKind.SUCCESS, PingKind.FAIL))])
            if got:
                self._problem(f"heartbeat {alarm.id} is not active, or does not listen, and did {got}")
            return
        self._judge_silence(alarm, seen)
        was, expected = alarm.raised, list[Expected]()
        for beat in beats:
            kind = PingKind(beat.number)
            expected += alarm.hear(kind, run=beat.key, sent=beat.due or beat.stamp, received=beat.stamp)
            self._counts[f"pings of kind {kind.name.lower()}"] += 1
        told = [(PingKind(beat.number).name, beat.key, beat.stamp) for beat in beats]
        if sorted(got) != sorted(expected):
            self._problem(f"heartbeat {alarm.id} was {'raised' if was else 'well'}, and pings {told} did {got}, not {expected}")
        if seen.id in changed and changed[seen.id].due != alarm.deadline:
            self._problem(f"heartbeat {alarm.id} waits until {changed[seen.id].due} after {told}, and {alarm.deadline} was meant")

    def _judge_silence(self, alarm: Watcher, seen: Entry) -> None:
        """A ping that comes long after the deadline finds the alarm raised."""
        faults = self._world.scenario.faults
        patience = (self._world.scenario.options.engine.heal_seconds + 60) * SECOND if faults <= _HARMLESS else _LONGEST_OUTAGE
        if not alarm.raised and alarm.deadline is not None and self._wall(seen.at) > alarm.deadline + patience:
            self._problem(f"heartbeat {alarm.id} was silent from {alarm.deadline} to {self._wall(seen.at)}, and nobody was told")

    def _raise(self, identity: str, found: Sequence[Entry]) -> None:
        """The engine raises an alarm: its time must have come."""
        alarm = self._alarms.get(identity)
        for entry in found:
            due = None if alarm is None else (alarm.deadline if alarm.heartbeat else alarm.ripe)
            if alarm is None or not alarm.active or entry.number != Origin.RAISED or due is None or entry.due != due:
                said = alarm.trigger.spec if alarm else "gone"
                self._problem(f"alarm {identity} {said} did {Origin(entry.number).name} for {entry.due} without a cause; {due} was meant")
            if alarm is not None:
                alarm.raised, alarm.overdue, alarm.beyond, alarm.deadline = True, due or 0, None, None

    def _judge_end(self) -> None:
        """What is overdue at the end was forgotten."""
        until = self._world.micros() - 60 * SECOND
        for alarm in self._alarms.values():
            due = alarm.deadline if alarm.heartbeat else alarm.ripe
            if not alarm.active or alarm.raised or due is None or due > until:
                continue
            if alarm.trigger.end is None or due < alarm.trigger.end:
                self._problem(f"alarm {alarm.id} {alarm.trigger.spec} should have been raised at {due}, and was not")

    # -- what was accepted --------------------------------------------------------------------------------------------------------------

    def _judge_accepted(self) -> None:
        for problem in self._accepted.problems:
            self._problem(problem)
        first: Counter[tuple[str, str]] = Counter()
        for told in self._accepted.events:
            key = (told.tenant, told.name)
            event = self._events.events.get(key)
            first[key] += not told.answer.duplicate
            if event is None:
                self._problem(f"event {key} was accepted, and is not there")
            elif event.finished is None or event.finished > told.answered:
                self._problem(f"event {key} was answered at {told.answered}, and finished at {event.finished}")
        for key, times in first.items():
            if times > 1:
                self._problem(f"event {key} was said to be new {times} times")
        for told in self._accepted.readings:
            if told.name not in self._readings:
                self._problem(f"reading {told.name} was accepted, and is not there")
        for told in self._accepted.pings:
            if not any(told.asked <= at <= told.answered for at in self._seen[told.answer.alarm]):
                self._problem(f"a ping for {told.answer.alarm} was accepted at {told.answered}, and never reached it")
