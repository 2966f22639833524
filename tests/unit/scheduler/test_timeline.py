from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from scheduler_svc.engine.timeline import TimeIndex, Timeline

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
    """Popping until nothing is left gives each entry once; within one pop a more urgent number is never behind another."""
    line = Timeline(tick=1000)
    for key, (due, number) in entries.items():
        line.insert(key, due, number)
    seen: list[str] = []
    while (due := line.next_due()) is not None:
        now = due + 100
        popped = line.pop_due(now, most)
        assert popped
        assert all(when <= now for _, when, *_ in popped)
        queues = [number for _, _, number, _ in popped]
        assert queues == sorted(queues)
        assert queues == [entries[key][1] for key, *_ in popped]
        seen += [key for key, *_ in popped]
    assert sorted(seen) == sorted(entries)


def test_an_entry_moves_between_lanes() -> None:
    """An alarm whose priority changes is in one number only."""
    line = Timeline()
    line.insert("a", 5, 0)
    line.insert("a", 7, 2)
    assert (len(line), line.next_due(), line.cancel("a"), line.cancel("a"), len(line)) == (1, 7, True, False, 0)


TENANTS = st.sampled_from(("a", "b", "c"))


class TimelineMachine(RuleBasedStateMachine):
    """The queues with their tenants against a plain dictionary of (due, number, tenant)."""

    def __init__(self) -> None:
        super().__init__()
        self.line = Timeline(tick=50)
        self.model: dict[str, tuple[int, int, str]] = {}
        self.now = 0

    @rule(key=KEYS, due=DUES, number=st.integers(0, 2), tenant=TENANTS)
    def insert(self, key: str, due: int, number: int, tenant: str) -> None:
        tenant = self.model[key][2] if key in self.model else tenant
        self.line.insert(key, due, number, tenant)
        self.model[key] = (due, number, tenant)

    @rule(key=KEYS)
    def cancel(self, key: str) -> None:
        assert self.line.cancel(key) == (self.model.pop(key, None) is not None)

    @rule(step=st.integers(0, 200), most=st.integers(1, 6), queues=st.sampled_from(((0,), (1, 2), (0, 1, 2))))
    def pop(self, step: int, most: int, queues: tuple[int, ...]) -> None:
        self.now += step
        due = {key: entry for key, entry in self.model.items() if entry[0] <= self.now and entry[1] in queues}
        popped = self.line.pop_due(self.now, most, queues)
        assert len(popped) == min(most, len(due))
        assert [number for _, _, number, _ in popped] == sorted(number for _, number, _ in due.values())[:most]
        for key, when, number, tenant in popped:
            assert self.model.pop(key) == (when, number, tenant)
        self._fair(popped, due)

    def _fair(self, popped: list[tuple[str, int, int, str]], due: dict[str, tuple[int, int, str]]) -> None:
        """In a number nobody gets two more than somebody else who has some left; of each tenant the earliest leave."""
        for number in range(3):
            got = {tenant: [when for _, when, at, whose in popped if (at, whose) == (number, tenant)] for tenant in "abc"}
            had = {tenant: sorted(when for when, at, whose in due.values() if (at, whose) == (number, tenant)) for tenant in "abc"}
            for tenant in "abc":
                assert got[tenant] == had[tenant][: len(got[tenant])]
            left = [len(got[tenant]) for tenant in "abc" if len(got[tenant]) < len(had[tenant])]
            assert all(len(taken) <= min(left) + 1 for taken in got.values() if left)

    @rule(step=st.integers(0, 100))
    def fresh(self, step: int) -> None:
        self.now += step
        busy = {(number, tenant) for due, number, tenant in self.model.values() if due <= self.now}
        fresh = [due for due, number, tenant in self.model.values() if (number, tenant) not in busy and number > 0]
        found = self.line.next_fresh(self.now, (1, 2))
        # A tenant whose due entries were all cancelled keeps its turn until somebody looks at it.
        assert found is None or (found in fresh and found > self.now)

    @invariant()
    def same_as_the_model(self) -> None:
        assert {key: self.line.due_of(key) for key in self.line} == {key: due for key, (due, _, _) in self.model.items()}
        for number in range(3):
            assert self.line.size((number,)) == sum(at == number for _, at, _ in self.model.values())
        due = [due for due, _, _ in self.model.values()]
        found = self.line.next_due()
        assert found in due if due else found is None
        assert found is None or found == min(due) or found <= self.now


TestTimeline = TimelineMachine.TestCase


def test_an_entry_that_moves_to_a_time_that_has_come_is_next() -> None:
    """It was to be the earliest, and is overdue at its new time as well: nothing that comes later hides it."""
    line = Timeline(tick=50)
    line.insert("a", 20, 2, "a")
    assert line.next_fresh(10, (1, 2)) == 20
    line.insert("b", 0, 2, "b")
    line.insert("b", 10, 2, "b")
    assert line.next_due() == 10


def test_a_flood_of_one_tenant_leaves_its_share_to_each_neighbour() -> None:
    """Of 100,000 due entries of one tenant a batch takes what two neighbours leave; one that becomes due later is in the next batch."""
    line = Timeline()
    for number in range(100_000):
        line.insert(f"flood-{number}", 1_000, 1, "flood")
    for number in range(10):
        line.insert(f"b-{number}", 1_000, 1, "b")
    line.insert("c", 2_500, 1, "c")
    first = line.pop_due(2_000, 100)
    assert sum(tenant == "b" for *_, tenant in first) == 10
    assert line.next_fresh(2_000, (1, 2)) == 2_500
    second = line.pop_due(3_000, 100)
    assert [key for key, *_, tenant in second if tenant == "c"] == ["c"]
    assert line.heavier(50_000, (0, 1, 2)) == ["flood"]
