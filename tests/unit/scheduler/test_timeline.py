from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from scheduler_svc.timeline import TimeIndex, Timeline

KEYS = st.sampled_from("abcdefghij")
DUES = st.integers(0, 500)


class IndexMachine(RuleBasedStateMachine):
    """The index against a plain dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.index = TimeIndex(tick=50)
        self.model: dict[str, int] = {}

    @rule(key=KEYS, due=DUES)
    def insert(self, key: str, due: int) -> None:
        self.index.insert(key, due)
        self.model[key] = due

    @rule(key=KEYS)
    def cancel(self, key: str) -> None:
        assert self.index.cancel(key) == (self.model.pop(key, None) is not None)

    @rule(now=DUES, most=st.integers(1, 4))
    def pop(self, now: int, most: int) -> None:
        popped = self.index.pop_due(now, most)
        due = sorted(when for when in self.model.values() if when <= now)
        assert [when for _, when in popped] == due[:most]
        for key, when in popped:
            assert self.model.pop(key) == when

    @invariant()
    def same_as_the_model(self) -> None:
        assert len(self.index) == len(self.model)
        assert self.index.next_due() == min(self.model.values(), default=None)
        assert {key: self.index.due_of(key) for key in self.index} == self.model


TestTimeIndex = IndexMachine.TestCase


@given(st.dictionaries(st.integers(0, 10_000).map(str), st.tuples(st.integers(0, 10**9), st.integers(0, 2))), st.integers(1, 50))
def test_everything_leaves_once_in_time_and_the_urgent_first(entries: dict[str, tuple[int, int]], most: int) -> None:
    """Popping until nothing is left gives each entry once; within one pop a more urgent lane is never behind another."""
    line = Timeline(tick=1000)
    for key, (due, lane) in entries.items():
        line.insert(key, due, lane)
    seen: list[str] = []
    while (due := line.next_due()) is not None:
        now = due + 100
        popped = line.pop_due(now, most)
        assert popped
        assert all(when <= now for _, when, _ in popped)
        lanes = [lane for _, _, lane in popped]
        assert lanes == sorted(lanes)
        assert lanes == [entries[key][1] for key, _, _ in popped]
        seen += [key for key, _, _ in popped]
    assert sorted(seen) == sorted(entries)


def test_an_entry_moves_between_lanes() -> None:
    """An alarm whose priority changes is in one lane only."""
    line = Timeline()
    line.insert("a", 5, 0)
    line.insert("a", 7, 2)
    assert (len(line), line.next_due(), line.cancel("a"), line.cancel("a"), len(line)) == (1, 7, True, False, 0)
