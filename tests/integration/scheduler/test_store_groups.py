"""Groups and routes in the store: on either database, and under competition."""

import asyncio

import pytest
from sqlalchemy import text

from scheduler_svc.domain.alert_groups import AlertState
from scheduler_svc.domain.incident_words import AlertEvent, By, IncidentState
from scheduler_svc.domain.incidents import Incident, acknowledged, resolved
from scheduler_svc.domain.matchers import SilenceMatcher
from scheduler_svc.domain.routes import IncidentRoute
from scheduler_svc.domain.rules import IncidentRuleChanged, IncidentRuleExists, IncidentRuleNotFound, TooManyIncidentRules
from scheduler_svc.domain.silences import Silence
from scheduler_svc.ports.incidents import Fence
from scheduler_svc.store import SqlIncidentStore
from tests.integration.scheduler.groups import WAIT, Kept, alone, draft
from tests.integration.scheduler.stores import NOW, OWNER, Stores
from tocsin.clock import HOUR, MINUTE, SECOND


@pytest.fixture
async def kept(stores: Stores) -> Kept:
    """The stores."""
    made = Kept(stores)
    await made.start()
    return made


async def test_alerts_of_a_group_are_one_incident(kept: Kept) -> None:
    """Of another cluster another one; who names a policy is not grouped; and it ends with its last alert."""
    found = await kept.trigger(draft("x"), draft("y"), draft("z", labels={"cluster": "b"}), alone("w"))
    assert len({one.id for one in found}) == 3
    group = found[0]
    assert (group.key, group.policy, group.route) == ('incidentRoutes/r{"cluster":"a"}', "p", "r")
    assert await kept.alerts(group.id) == {"x": "OPEN", "y": "OPEN"}
    assert len(await kept.stores.all_firings()) == 1, "only what is not grouped is told at once"
    assert sorted(await kept.due(NOW + WAIT)) == sorted([group.id, found[2].id])
    assert len(await kept.stores.all_firings()) == 3
    await kept.trigger(draft("x", ends=True), draft("unknown", ends=True), now=NOW + MINUTE)
    assert (await kept.get(group.id)).open
    [over] = await kept.trigger(draft("y", ends=True), now=NOW + MINUTE)
    assert (over.state, over.resolved_by) == (IncidentState.RESOLVED, "integrations/a")
    assert await kept.alerts(group.id) == {"x": "RESOLVED", "y": "RESOLVED"}
    [again] = await kept.trigger(draft("y"), now=NOW + 2 * MINUTE)
    assert again.id != group.id


async def test_a_group_that_ends_in_its_wait_is_a_row_with_a_reason(kept: Kept) -> None:
    """Even within one transaction."""
    _, [over] = await kept.trigger(draft("x")), await kept.trigger(draft("x", ends=True), now=NOW + SECOND)
    assert over.state is IncidentState.RESOLVED
    [_, flapped] = await kept.trigger(draft("y"), draft("y", ends=True), now=NOW + 2 * SECOND)
    assert flapped.state is IncidentState.RESOLVED
    assert await kept.due(NOW + HOUR) == []
    assert await kept.reasons() == ["RESOLVED_IN_WAIT"] * 2


async def test_what_joins_later_is_one_message_to_those_who_were_told(kept: Kept) -> None:
    """The ledger has it once, however many look at it at the same time."""
    [group] = await kept.trigger(draft("x"))
    await kept.due(NOW + WAIT)
    await asyncio.gather(*(kept.trigger(draft(f"k{number}"), now=NOW + MINUTE) for number in range(10)))
    await asyncio.gather(*(kept.due(NOW + WAIT + 5 * MINUTE) for _ in range(3)))
    rows = await kept.stores.all_firings()
    assert len(rows) == len({row.id for row in rows}) == 3, "two steps and one message"
    events = await kept.incidents.timeline("t1", group.id, after=-1, size=100)
    assert [event.by.note for event in events if event.kind.name == "UPDATE_SENT"] == ["10 more alerts"]
    assert sum(f"incidents/{group.id}".encode() in row.action.body and b"10 more alerts" in row.action.body for row in rows) == 1


async def test_those_who_trigger_at_once_make_one_group(kept: Kept) -> None:
    """Each alert is there once, with all its triggers; nothing is lost when alerts end at the same time."""
    await asyncio.gather(*(kept.trigger(*(draft(f"k{number}") for number in range(start, start + 20))) for start in range(0, 40, 5)))
    [group] = await kept.incidents.page("t1", conditions=(), before="", size=10)
    alerts = await kept.incidents.alerts("t1", group.id, after="", size=1000)
    assert len(alerts) == 55
    assert sum(alert.count for alert in alerts) == group.count == 160
    about = group.group
    assert about is not None
    assert (about.total, about.open_alerts) == (55, 55)
    ends = [draft(alert.key, ends=True) for alert in alerts]
    await asyncio.gather(*(kept.trigger(*ends[start::5], now=NOW + SECOND) for start in range(5)))
    assert (await kept.get(group.id)).state is IncidentState.RESOLVED
    assert set((await kept.alerts(group.id)).values()) == {"RESOLVED"}
    assert await kept.reasons() == ["RESOLVED_IN_WAIT"]


async def test_a_person_who_ends_a_group_ends_its_alerts(kept: Kept) -> None:
    """What comes then is another group; an alert of the old one does not end the new one."""
    [group] = await kept.trigger(draft("x"))
    await kept.act(group.id, lambda one: resolved(one, By("recipients/ann"), NOW + SECOND), now=NOW + SECOND)
    assert await kept.alerts(group.id) == {"x": "RESOLVED"}
    assert await kept.trigger(draft("x", ends=True), now=NOW + SECOND) == [None]
    [again] = await kept.trigger(draft("x"), now=NOW + MINUTE)
    assert again.id != group.id


async def test_an_alert_stays_in_its_group(kept: Kept) -> None:
    """Whatever its labels say later, and whatever becomes of the route; the same request counts once."""
    [group] = await kept.trigger(draft("x"))
    [again] = await kept.trigger(draft("x", labels={"cluster": "other"}, request="r"), now=NOW + SECOND)
    [same] = await kept.trigger(draft("x", request="r"), now=NOW + SECOND)
    assert group.id == again.id == same.id
    await kept.routes.delete("t1", "r", etag="", now=NOW)
    [late, other] = await kept.trigger(draft("x"), draft("y"), now=NOW + SECOND)
    assert (late.id, late.count) == (group.id, 3)
    assert (other.route, other.policy) == ("", "")


async def test_an_acknowledgement_by_a_sender_is_that_of_the_group(kept: Kept) -> None:
    """Of what is not open it is none."""
    await kept.trigger(draft("x"))
    said = draft("x")._replace(event=AlertEvent.ACKNOWLEDGE)
    assert [one.state for one in await kept.trigger(said, said)] == [IncidentState.ACKNOWLEDGED] * 2
    assert await kept.trigger(draft("none")._replace(event=AlertEvent.ACKNOWLEDGE)) == [None]
    assert await kept.due(NOW + HOUR) == []


def silence(name: str, *matchers: SilenceMatcher) -> Silence:
    """One for an hour."""
    return Silence(id=name, tenant="t1", matchers=matchers, start=NOW, end=NOW + HOUR, comment="", author="", created=NOW)


async def test_a_group_is_silenced_while_each_of_its_open_alerts_is(kept: Kept) -> None:
    """Not by what its alerts have in common: a silence of every host but one tells of that one."""
    await kept.silences.create(silence("others", SilenceMatcher("host", "b", negate=True)), now=NOW)
    [group, _] = await kept.trigger(*(draft(host, labels={"cluster": "a", "host": host}) for host in "ab"))
    await kept.due(NOW + WAIT)
    assert "STEP" in await kept.happened(group.id)
    [other, _] = await kept.trigger(*(draft(f"{host}2", labels={"cluster": "b", "host": host}) for host in "ab"))
    await kept.silences.create(silence("one", SilenceMatcher("host", "b")), now=NOW)
    await kept.due(NOW + WAIT)
    assert (await kept.happened(other.id))[-1] == "STEP_SKIPPED"
    await kept.silences.expire("t1", "one", now=NOW + MINUTE)
    await kept.due(NOW + MINUTE)
    assert (await kept.happened(other.id))[-2:] == ["RELEASED", "STEP"]


async def test_a_silence_finds_a_group_by_its_own_key(kept: Kept) -> None:
    """Beside those of its alerts."""
    await kept.silences.create(silence("s", SilenceMatcher("dedupKey", "incidentRoutes/r*")), now=NOW)
    [group] = await kept.trigger(draft("x"))
    await kept.due(NOW + WAIT)
    assert (await kept.get(group.id)).held_by == "silences/s"


async def test_a_group_depends_on_what_each_of_its_open_alerts_depends_on(kept: Kept) -> None:
    """An alert that depends on nothing frees all; when it ends, what holds the others back counts again."""
    await kept.depend(target=(SilenceMatcher("layer", "app"),))
    [group, _] = await kept.trigger(*(draft(layer, labels={"cluster": "a", "layer": layer}) for layer in ("app", "web")))
    [source] = await kept.trigger(alone("down", labels={"alertname": "ClusterDown", "cluster": "a"}))
    await kept.trigger(draft("web", ends=True), now=NOW + SECOND)
    await kept.due(NOW + WAIT)
    assert (await kept.get(group.id)).held_by == f"incidents/{source.id}"
    await kept.trigger(draft("web", labels={"cluster": "a", "layer": "web"}), now=NOW + MINUTE)
    assert (await kept.happened(group.id))[-2:] == ["RELEASED", "STEP"]


async def test_people_are_being_told_until_the_firing_of_the_step_is_over(kept: Kept) -> None:
    """Messages that tell how it goes on wait for that."""
    one, other = await kept.trigger(draft("x"), draft("y", labels={"cluster": "b"}))
    both = {("t1", one.id), ("t1", other.id), ("t2", one.id)}
    assert await kept.incidents.telling(both) == set()
    await kept.due(NOW + WAIT)
    assert await kept.incidents.telling(both) == {("t1", one.id), ("t1", other.id)}
    async with kept.stores.database.transaction() as connection:
        await connection.execute(text("UPDATE firings SET state = 3"))
    assert await kept.incidents.telling(both) == set()


async def test_what_is_woken_for_nothing_sleeps_on(kept: Kept) -> None:
    """One of two causes ends: who takes steps looks at what is held back once, and not again and again."""
    await kept.depend(target=(SilenceMatcher("layer", "app"),))
    await kept.trigger(*(draft(name, labels={"alertname": "ClusterDown", "cluster": "a"}) for name in ("one", "two")))
    held = alone("app", labels={"layer": "app", "cluster": "a"})
    [incident] = await kept.trigger(held)
    await kept.due(NOW)
    assert (await kept.get(incident.id)).held_by
    await kept.trigger(draft("one", ends=True), now=NOW + SECOND)
    await kept.due(NOW + SECOND)
    wake = await kept.incidents.next_wake(list(kept.stores.held))
    assert wake is not None
    assert wake > NOW + SECOND


async def test_a_message_that_is_held_back_goes_out_when_that_ends_although_somebody_has_it(kept: Kept) -> None:
    """An acknowledgement does not hide from what held the message back that there is one."""
    [group] = await kept.trigger(draft("x"))
    await kept.due(NOW + WAIT)
    await kept.silences.create(silence("s", SilenceMatcher("cluster", "a")), now=NOW)
    await kept.trigger(draft("y"), now=NOW + MINUTE)
    await kept.due(NOW + 10 * MINUTE)
    await kept.act(group.id, lambda one: acknowledged(one, By("recipients/ann"), NOW + 11 * MINUTE), now=NOW + 11 * MINUTE)
    await kept.silences.expire("t1", "s", now=NOW + 12 * MINUTE)
    await kept.due(NOW + 12 * MINUTE)
    assert (await kept.happened(group.id))[-2:] == ["RELEASED", "UPDATE_SENT"]


async def test_routes_are_asked_in_order(kept: Kept) -> None:
    """By position, then by id; the first that fits counts, on whatever replica, from its answer on."""
    other = SqlIncidentStore(kept.stores.database)
    await kept.route(IncidentRoute(id="first", tenant="t1", position=1, matchers=(SilenceMatcher("host", "db-*"),), policy="p"))
    [one] = await kept.trigger(draft("db-1"))
    assert (one.route, one.group, one.step) == ("first", None, 1)
    await other.trigger([draft("web-1")], Fence(OWNER, kept.stores.held, NOW))
    await kept.route(IncidentRoute(id="a", tenant="t1", position=1))
    acted = await other.trigger([draft("db-2")], Fence(OWNER, kept.stores.held, NOW))
    [found] = acted.answers
    assert isinstance(found, Incident)
    assert (found.route, found.policy, found.plan.steps) == ("a", "", ())


async def test_a_route_whose_policy_is_gone_loses_nothing(kept: Kept) -> None:
    """The incident is there, and its timeline says why nobody is told."""
    await kept.route(IncidentRoute(id="a", tenant="t1", policy="gone"))
    [one] = await kept.trigger(draft("x"))
    events = await kept.incidents.timeline("t1", one.id, after=-1, size=10)
    assert [(event.kind.name, event.by.note) for event in events][-1] == ("NOTED", "ESCALATION_POLICY_NOT_FOUND: escalationPolicies/gone")


async def test_rules_have_versions_and_a_bound(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """And belong to a tenant."""
    with pytest.raises(IncidentRuleExists):
        await kept.route(IncidentRoute(id="r", tenant="t1"))
    with pytest.raises(IncidentRuleChanged):
        await kept.routes.replace(IncidentRoute(id="r", tenant="t1", version=9), version=8, check=lambda _: None)
    with pytest.raises(IncidentRuleChanged):
        await kept.routes.delete("t1", "r", etag="8", now=NOW)
    with pytest.raises(IncidentRuleNotFound):
        await kept.routes.get("t2", "r")
    with pytest.raises(IncidentRuleNotFound):
        await kept.dependencies.get("t1", "r")
    monkeypatch.setattr("scheduler_svc.store.incident_rules.MOST_RULES", 1)
    with pytest.raises(TooManyIncidentRules):
        await kept.route(IncidentRoute(id="s", tenant="t1"))


async def test_a_step_and_an_acknowledgement_of_a_group_come_one_after_the_other(kept: Kept) -> None:
    """Whoever is first: no step after the answer, and each in the ledger once."""
    found = await kept.trigger(*(draft(f"k{number}", labels={"cluster": str(number)}) for number in range(30)))
    later = NOW + WAIT

    async def answer(identity: str) -> None:
        await kept.act(identity, lambda one: acknowledged(one, By("recipients/ann"), later), now=later)

    await asyncio.gather(*(kept.due(later) for _ in range(3)), *(answer(one.id) for one in found))
    assert await kept.due(later + HOUR) == []
    for one in found:
        events = await kept.happened(one.id)
        assert events.count("STEP") <= 1
        assert "STEP" not in events[events.index("ACKNOWLEDGED") :]
    rows = await kept.stores.all_firings()
    assert len(rows) == len({row.id for row in rows})


async def test_an_alert_that_cannot_be_read_goes_on(kept: Kept) -> None:
    """Without its text; it ends all the same."""
    [group] = await kept.trigger(draft("x"))
    async with kept.stores.database.transaction() as connection:
        await connection.execute(text("UPDATE incident_alerts SET document = '{'"))
    [alert] = await kept.incidents.alerts("t1", group.id, after="", size=10)
    assert (alert.title, alert.state) == ("", AlertState.OPEN)
    assert await kept.incidents.alerts("t2", group.id, after="", size=10) == []
    [over] = await kept.trigger(draft("x", ends=True))
    assert over.state is IncidentState.RESOLVED
