"""The judge of imports: a key is one alarm at a time, and a line that was accepted is an alarm."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.simulation.notes import Entry
from tests.simulation.outsiders import Told
from tocsin.recurrence import Trigger


@dataclass(slots=True)
class _Life:
    """The time in which an alarm had a key and a rule; ``until`` None: it has them still."""

    alarm: str
    rule: str
    since: float
    until: float | None = None


class KeysChecker:
    """Is told of alarms with keys in the order of the commits."""

    def __init__(self, *, problem: Callable[[str], None]) -> None:
        """Knows no alarm; ``problem`` is told what is wrong."""
        self.made = 0
        self._problem = problem
        self._lives: defaultdict[tuple[str, str], list[_Life]] = defaultdict(list)
        self._keys: dict[str, tuple[str, str]] = {}
        self._holders: defaultdict[tuple[str, str], set[str]] = defaultdict(set)

    def wrote(self, entry: Entry) -> None:
        """An alarm was made or changed."""
        self.gone(entry)
        if not entry.key:
            return
        key = self._keys[entry.id] = (entry.tenant, entry.key)
        self._holders[key].add(entry.id)
        if len(self._holders[key]) > 1:
            self._problem(f"the key {key} is that of several alarms: {sorted(self._holders[key])}")
        self.made += entry.kind == "made"
        self._lives[key].append(_Life(entry.id, entry.text, entry.at))

    def gone(self, entry: Entry) -> None:
        """An alarm is not what it was."""
        key = self._keys.pop(entry.id, None)
        if key is not None:
            self._holders[key].discard(entry.id)
            for life in self._lives[key]:
                if life.alarm == entry.id and life.until is None:
                    life.until = entry.at

    def judge(self, accepted: Iterable[Told]) -> None:
        """At the end: what was said of lines was so at some time between the question and the answer."""
        for told in accepted:
            lives = self._lives.get((told.tenant, told.name), [])
            there = [life for life in lives if life.since <= told.answered and (life.until is None or life.until >= told.asked)]
            if not there:
                self._problem(f"a line with the key {told.name} of {told.tenant} was accepted at {told.answered}, and is no alarm")
            elif not any(_says(told.answer, Trigger.decode(life.rule)) for life in there):
                self._problem(f"a line with the key {told.name} of {told.tenant} was accepted at {told.answered}, and the alarm is another")


def _says(wanted: Trigger, stored: Trigger) -> bool:
    """Whether an alarm has the rule that a line says; a heartbeat may have got a key."""
    return type(wanted.spec) is type(stored.spec) and (wanted.spec == stored.spec or not wanted.calendar)
