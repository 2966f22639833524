"""Groups of alerts: when people are told of them, and when they are over."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from scheduler_svc.domain.alert_groups import RESOLVED_IN_WAIT, AlertState, IncidentAlert
from scheduler_svc.domain.escalation import EscalationPlan, EscalationStep
from scheduler_svc.domain.grouping import alert_of, first_alert, group_key, group_of, joined, left
from scheduler_svc.domain.incident_words import By, EventKind, Hold, IncidentSeverity, IncidentState
from scheduler_svc.domain.incidents import Incident, IncidentChange, acknowledged, advance, opened, resolved, snoozed, unacknowledged
from scheduler_svc.domain.routes import IncidentRoute
from tests.integration.states import drawn
from tocsin.clock import HOUR, SECOND

T0 = 1_000_000 * SECOND
SENDER = By("integrations/a")
ANN = By("recipients/ann")
ROUTE = IncidentRoute(id="r", tenant="t", policy="p", group_by=("cluster",))
PLAN = EscalationPlan(steps=(EscalationStep(targets=("recipients/ann",)),))


class Group:
    """A group, and all that came of it."""

    def __init__(self, route: IncidentRoute = ROUTE, plan: EscalationPlan = PLAN, **fields: Any) -> None:
        """With its first alert, "a"."""
        self.alerts: dict[str, IncidentAlert] = {}
        self.happened: list[tuple[EventKind, int, str]] = []
        self.steps: list[tuple[str, str]] = []
        self.updates: list[str] = []
        draft = alert_draft("a", T0, **fields)
        self.now = T0
        self.incident = structs.replace(draft, key=group_key(route, draft.labels), plan=plan, group=group_of(route, draft.labels))
        alert = alert_of(draft, self.incident)
        self.alerts["a"] = alert
        self._take(opened(self.incident, SENDER).then(lambda one: first_alert(one, alert, SENDER, T0)))

    def trigger(self, key: str, *, after: int = 0, **fields: Any) -> None:
        """An alert is triggered."""
        self.passes(after)
        alert = alert_of(alert_draft(key, self.now, **fields), self.incident)
        change, self.alerts[key] = joined(self.incident, self.alerts.get(key), alert, SENDER, self.now)
        self._take(change)

    def end(self, key: str, *, after: int = 0) -> None:
        """An alert is over."""
        self.passes(after)
        change, self.alerts[key] = left(self.incident, self.alerts[key], SENDER, self.now)
        self._take(change)

    def act(self, change: Any, *, after: int = 0) -> None:
        """Something else happens to the incident."""
        self.passes(after)
        self._take(change(self.incident, self.now))

    def passes(self, seconds: int, hold: Hold | None = None) -> None:
        """Time passes, and what is due is done in time."""
        end = self.now + seconds * SECOND
        while (wake := self.incident.wake) is not None and wake <= end:
            self.now = max(self.now, wake)
            self._take(advance(self.incident, self.now, hold=hold))
        self.now = end

    def _take(self, change: IncidentChange) -> None:
        self.incident = change.incident
        self.happened += [(event.kind, (event.at - T0) // SECOND, event.by.note) for event in change.happened]
        self.steps += [(step.slot, step.skipped) for step in change.steps]
        self.updates += [update.skipped or update.said or update.kind.name for update in change.updates]

    def told(self) -> list[tuple[str, int]]:
        """What people were told, and when, in seconds."""
        shown = {EventKind.STEP: "step", EventKind.UPDATE_SENT: "update"}
        return [(note or shown[kind], at) for kind, at, note in self.happened if kind in shown]


def alert_draft(key: str, at: int, *, severity: IncidentSeverity = IncidentSeverity.ERROR, **labels: str) -> Incident:
    """A trigger of an alert."""
    labels = {"cluster": "c1", "host": key, **labels}
    return Incident(
        id="i", tenant="t", shard=0, key=key, title=f"Disk of {key} full", severity=severity, labels=labels, created=at, triggered=at
    )


def test_a_group_waits_and_is_told_once() -> None:
    """What joins within the wait is part of the first step."""
    group = Group()
    group.trigger("b", after=10)
    group.passes(20 + 3600)
    assert group.told() == [("step", 30)]


def test_a_group_that_is_over_before_its_wait_says_nothing() -> None:
    """The ledger and the timeline say that it did not; and nobody hears of the end, having heard of nothing."""
    group = Group()
    group.trigger("b", after=5)
    group.end("a", after=5)
    assert group.incident.open
    group.end("b", after=5)
    group.passes(24 * 3600)
    assert (group.incident.state, group.incident.resolved_by) == (IncidentState.RESOLVED, "integrations/a")
    assert group.steps == [(f"0/0@{T0 + 30 * SECOND}", RESOLVED_IN_WAIT)]
    assert (group.told(), group.updates) == ([], [])
    assert [kind.name for kind, _, _ in group.happened][-3:] == ["ALERT_RESOLVED", "STEP_SKIPPED", "RESOLVED"]


def test_alerts_that_join_later_are_one_message_after_the_interval() -> None:
    """However many they are; those of a later burst are one as well."""
    group = Group()
    group.passes(30)
    for number in range(50):
        group.trigger(f"b{number}", after=1)
    group.passes(250)
    assert group.told() == [("step", 30), ("50 more alerts", 330)]
    group.trigger("c", after=3600)
    group.passes(3600)
    assert group.told()[2:] == [("1 more alert", 330 + 3600 + 30)]


def test_a_group_in_which_nothing_changes_is_told_again() -> None:
    """Every four hours, but not while somebody has it, unless the route says so."""
    group = Group()
    group.passes(30 + 9 * 3600)
    assert group.told() == [("step", 30), ("still open: 1 alert", 30 + 4 * 3600), ("still open: 1 alert", 30 + 8 * 3600)]
    group.act(lambda one, at: acknowledged(one, ANN, at))
    group.passes(24 * 3600)
    assert group.told()[3:] == [("update", 30 + 9 * 3600)]
    always = Group(structs.replace(ROUTE, repeat_acknowledged=True))
    always.act(lambda one, at: acknowledged(one, ANN, at), after=60)
    always.passes(5 * 3600)
    assert ("still open: 1 alert", 30 + 4 * 3600) in always.told()


def test_alerts_that_join_while_somebody_has_it_are_told() -> None:
    """Those who were told have to know."""
    group = Group()
    group.act(lambda one, at: acknowledged(one, ANN, at), after=60)
    group.trigger("b", after=60)
    group.passes(600)
    assert group.told() == [("step", 30), ("update", 60), ("1 more alert", 330)]


def test_the_incident_is_as_bad_as_its_worst_open_alert() -> None:
    """And has the labels that all have in common."""
    group = Group()
    group.trigger("b", severity=IncidentSeverity.CRITICAL, zone="z")
    assert group.incident.severity is IncidentSeverity.CRITICAL
    assert group.incident.labels == {"cluster": "c1"}
    group.end("b")
    assert group.incident.severity is IncidentSeverity.ERROR
    group.trigger("a", severity=IncidentSeverity.WARNING)
    assert group.incident.severity is IncidentSeverity.WARNING
    group.end("a")
    assert (group.incident.state, group.incident.severity) == (IncidentState.RESOLVED, IncidentSeverity.WARNING)


def test_an_alert_that_ends_and_comes_again_joins_once_more() -> None:
    """It counts in all once; to end what is over changes nothing."""
    group = Group()
    group.trigger("b")
    group.end("b")
    before = group.incident
    group.end("b")
    assert group.incident == before
    group.trigger("b")
    about = group.incident.group
    assert about is not None
    assert (about.total, about.open_alerts, group.alerts["b"].count, group.incident.count) == (2, 2, 2, 3)


def test_what_is_held_back_is_said_when_that_is_over() -> None:
    """Of messages too: each is in the ledger once, and one message is sent in the end."""
    hold = Hold("silences/s", "SILENCED", T0 + HOUR)
    group = Group()
    group.passes(30)
    group.trigger("b", after=30)
    group.passes(600, hold)
    group.trigger("c", after=30)
    group.passes(600, hold)
    assert group.updates == ["SILENCED"]
    group.passes(3600)
    assert group.updates == ["SILENCED", "2 more alerts"]
    assert [kind.name for kind, _, _ in group.happened if kind in (EventKind.STEP_SKIPPED, EventKind.RELEASED)] == [
        "STEP_SKIPPED",
        "RELEASED",
    ]


def test_a_message_that_is_held_back_brings_no_step_forward() -> None:
    """A step is due when it was, though what held a message back ends before; one that falls due meanwhile has a row of its own."""
    plan = EscalationPlan(
        steps=(EscalationStep(targets=("recipients/ann",), wait=2000 * SECOND), EscalationStep(targets=("recipients/bea",)))
    )
    silence = Hold("silences/s", "SILENCED", T0 + 600 * SECOND)
    early, late = Group(plan=plan), Group(plan=plan)
    for group in (early, late):
        group.trigger("b", after=100)
        group.passes(300, silence)
        assert group.updates == ["SILENCED"]
    early.passes(1600)
    assert early.told() == [("step", 30), ("1 more alert", 600)]
    early.passes(100)
    assert early.told()[2:] == [("step", 2030)]
    late.passes(2000, silence._replace(until=T0 + 3000 * SECOND))
    assert late.steps[1:] == [(f"0/1@{T0 + 2030 * SECOND}", "SILENCED")]
    late.passes(1000)
    assert late.told()[1:] == [("step", 3000), ("1 more alert", 3000)]


def test_the_states_of_alerts_are_those_of_the_page() -> None:
    """Whatever is said of one leads where the diagram says; that an incident ends its alerts is a statement of the store."""
    group, seen = Group(), {("[*]", "OPEN"), ("RESOLVED", "[*]")}
    group.trigger("b")
    for act in (group.trigger, group.end, group.end, group.trigger):
        before = group.alerts["a"].state
        act("a")
        seen.add((before.name, group.alerts["a"].state.name))
    assert {edge for edge in seen if edge[0] != edge[1]} == drawn("Alert")


def test_a_snoozed_group_says_nothing_and_begins_anew() -> None:
    """Whatever joins meanwhile."""
    group = Group()
    group.passes(60)
    group.act(lambda one, at: snoozed(one, ANN, at, until=at + HOUR))
    group.trigger("b", after=60)
    group.passes(3400)
    assert group.told() == [("step", 30)]
    group.passes(600)
    assert group.told()[1] == ("step", 60 + 3600)


@pytest.mark.parametrize(
    ("labels", "key"),
    [
        ({"cluster": "a"}, 'incidentRoutes/r{"cluster":"a","zone":""}'),
        ({"cluster": "a", "zone": "b", "other": "c"}, 'incidentRoutes/r{"cluster":"a","zone":"b"}'),
        ({"cluster": 'a","zone":"b'}, 'incidentRoutes/r{"cluster":"a\\",\\"zone\\":\\"b","zone":""}'),
    ],
)
def test_a_group_is_known_by_its_route_and_its_values(labels: dict[str, str], key: str) -> None:
    """A label that is missing is empty, and no value can be taken for several."""
    assert group_key(structs.replace(ROUTE, group_by=("zone", "cluster")), labels) == key


@pytest.mark.parametrize("value", ["x" * 1024, "a\nb", "\u202e"])
def test_the_key_of_a_group_can_be_a_key(value: str) -> None:
    """Whatever the values are: 255 characters that can be shown, and another one for another value."""
    key, other = (group_key(ROUTE, {"cluster": text}) for text in (value, value + "!"))
    assert len(key) <= 255
    assert key.isprintable()
    assert key != other


class Naive:
    """The same by the letter of the page, looked at every second."""

    def __init__(self, route: IncidentRoute, worst: IncidentSeverity) -> None:
        self.route = route
        self.open = {"a": worst}
        self.told: list[tuple[str, int]] = []
        self.second = 0
        self.last: int | None = None
        self.news: list[int] = []
        self.acked = self.over = False
        self.step_due: int | None = route.wait // SECOND

    def tick(self) -> None:
        """What is due now."""
        if self.over:
            return
        route, now = self.route, self.second
        if self.step_due is not None and now >= self.step_due and not self.acked:
            self.told.append(("step", now))
            self.step_due = None
            if self.last is None:
                self.last, self.news = now, []
        if self.last is None:
            return
        if self.news:
            if now >= max(self.news[0] + route.wait // SECOND, self.last + route.interval // SECOND):
                self.told.append((f"{len(self.news)} more alert{'s' if len(self.news) > 1 else ''}", now))
                self.last, self.news = now, []
        elif route.repeat and (route.repeat_acknowledged or not self.acked) and now >= self.last + route.repeat // SECOND:
            self.told.append((f"still open: {len(self.open)} alert{'s' if len(self.open) > 1 else ''}", now))
            self.last = now

    def passes(self, seconds: int) -> None:
        """Second by second."""
        for _ in range(seconds):
            self.second += 1
            self.tick()

    def trigger(self, key: str, severity: IncidentSeverity) -> None:
        """An alert is triggered."""
        if key not in self.open:
            self.news.append(self.second)
        self.open[key] = severity

    def end(self, key: str) -> None:
        """An alert is over."""
        self.open.pop(key, None)
        self.over = not self.open
        if self.over and self.last is not None:
            self.told.append(("update", self.second))

    def answer(self, *, acked: bool) -> None:
        """Somebody has it, or gives it back."""
        if acked and not self.acked:
            self.acked, self.step_due = True, None
            if self.last is not None:
                self.told.append(("update", self.second))
        elif not acked and self.acked:
            self.acked, self.step_due = False, self.second
        self.tick()


@settings(max_examples=300)
@given(
    acts=st.lists(
        st.tuples(
            st.sampled_from(["trigger", "end", "ack", "unack", "wait"]),
            st.integers(min_value=0, max_value=120),
            st.sampled_from("abc"),
            st.sampled_from(list(IncidentSeverity)),
        ),
        max_size=20,
    ),
    wait=st.sampled_from([0, 10, 30]),
    interval=st.sampled_from([1, 60]),
    repeat=st.sampled_from([0, 70, 200]),
    always=st.booleans(),
)
def test_groups_go_as_the_page_says(
    acts: list[tuple[str, int, str, IncidentSeverity]], wait: int, interval: int, repeat: int, always: bool
) -> None:
    """Everything that people are told, and when; what is open, how bad it is, and when it is over."""
    route = structs.replace(ROUTE, wait=wait * SECOND, interval=interval * SECOND, repeat=repeat * SECOND, repeat_acknowledged=always)
    group, naive = Group(route), Naive(route, IncidentSeverity.ERROR)
    group.passes(0)
    naive.tick()
    for act, seconds, key, severity in acts:
        group.passes(seconds)
        naive.passes(seconds)
        if naive.over:
            break
        match act:
            case "trigger":
                group.trigger(key, severity=severity)
                naive.trigger(key, severity)
            case "end" if key in naive.open:
                group.end(key)
                naive.end(key)
            case "ack":
                group.act(lambda one, at: acknowledged(one, ANN, at))
                naive.answer(acked=True)
            case "unack":
                group.act(lambda one, at: unacknowledged(one, ANN, at))
                naive.answer(acked=False)
            case _:
                pass
        group.passes(0)
        naive.tick()
        assert (group.incident.state is IncidentState.RESOLVED) is naive.over
        if not naive.over:
            assert group.incident.severity is min(naive.open.values())
            assert {key for key, alert in group.alerts.items() if alert.state is AlertState.OPEN} == set(naive.open)
    assert group.told() == naive.told
    assert len(group.steps) == len(set(group.steps))


def test_a_person_may_end_a_group_that_waits() -> None:
    """It is over, and nothing is said of it."""
    group = Group()
    group.act(lambda one, at: resolved(one, ANN, at), after=10)
    group.passes(3600)
    assert (group.told(), [skipped for _, skipped in group.steps]) == ([], [RESOLVED_IN_WAIT])
