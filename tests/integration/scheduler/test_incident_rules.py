"""Routes, dependencies and windows of maintenance over the mesh: what is made, what is refused, and what comes of it."""

from collections.abc import AsyncGenerator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from tests.integration.scheduler.support import Rig
from tests.integration.scheduler.test_incidents import MINUTE, Duty
from tocsin.api.scheduler.v1 import alarm_pb2
from tocsin.api.scheduler.v1 import escalation_policy_service_pb2 as policy_pb
from tocsin.api.scheduler.v1 import incident_dependency_service_pb2 as dependency_pb
from tocsin.api.scheduler.v1 import incident_dependency_service_pb2_grpc as dependency_rpc
from tocsin.api.scheduler.v1 import incident_route_service_pb2 as route_pb
from tocsin.api.scheduler.v1 import incident_route_service_pb2_grpc as route_rpc
from tocsin.api.scheduler.v1 import incident_service_pb2 as pb
from tocsin.api.scheduler.v1 import silence_service_pb2 as silence_pb
from tocsin.api.scheduler.v1 import silence_service_pb2_grpc as silence_rpc
from tocsin.errors import Aborted, AlreadyExists, InvalidInput, NotFound
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually

Matcher = silence_pb.SilenceMatcher


class Desk(Duty):
    """Who says what goes where."""

    def __init__(self, rig: Rig) -> None:
        super().__init__(rig)
        gateway: Any = rig.mesh("gateway").channel("scheduler_svc")
        self.routes: Any = route_rpc.IncidentRouteServiceStub(gateway)
        self.dependencies: Any = dependency_rpc.IncidentDependencyServiceStub(gateway)
        self.silences: Any = silence_rpc.SilenceServiceStub(gateway)

    async def route(self, name: str = "r", **fields: Any) -> route_pb.IncidentRoute:
        """Makes a route to the policy "night"."""
        values: dict[str, Any] = {"escalation_policy": "escalationPolicies/night", **fields}
        message = route_pb.IncidentRoute(name=f"incidentRoutes/{name}" if name else "", **values)
        with self.user():
            return await self.routes.CreateIncidentRoute(route_pb.CreateIncidentRouteRequest(incident_route=message))

    async def depend(self, name: str, source: Matcher, target: Matcher, **fields: Any) -> dependency_pb.IncidentDependency:
        """Makes a dependency."""
        message = dependency_pb.IncidentDependency(name=f"incidentDependencies/{name}", source=[source], target=[target], **fields)
        with self.user():
            return await self.dependencies.CreateIncidentDependency(
                dependency_pb.CreateIncidentDependencyRequest(incident_dependency=message)
            )

    async def silence(self, **fields: Any) -> silence_pb.Silence:
        """Makes a silence."""
        values: dict[str, Any] = {"matchers": [Matcher(label="team", value="storage")], "comment": "work", **fields}
        with self.user():
            return await self.silences.CreateSilence(silence_pb.CreateSilenceRequest(silence=silence_pb.Silence(**values)))

    async def preview(self, **fields: Any) -> list[tuple[int, int]]:
        """The next windows, in minutes from now."""
        now = self.rig.clock.now().timestamp()
        with self.user():
            answer = await self.silences.PreviewSilence(silence_pb.PreviewSilenceRequest(**fields))
        return [
            (round(window.start_time.seconds - now) // MINUTE, round(window.end_time.seconds - now) // MINUTE) for window in answer.windows
        ]


@pytest.fixture
async def desk(tmp_path: Path, clock: FakeClock) -> AsyncGenerator[Desk]:
    """A scheduler on SQLite whose clock the test moves."""
    rig = Rig(folder=tmp_path, clock=clock, lease_seconds=60)
    await rig.start()
    yield Desk(rig)
    await rig.stop()


def violations(error: InvalidInput) -> list[tuple[str, str]]:
    """Its fields, each with what is wrong."""
    return [(found.field, found.description) for found in error.violations]


async def test_a_group_over_the_mesh(desk: Desk) -> None:
    """Alerts are listed; the first step comes after the wait, later ones are a message; the end is told."""
    await desk.policy()
    await desk.route(group_by=["cluster"], wait=Duration(seconds=30), interval=Duration(seconds=60))
    one = await desk.trigger("a", policy="", labels={"cluster": "c", "host": "a"})
    two = await desk.trigger("b", policy="", labels={"cluster": "c", "host": "b"}, severity=pb.Incident.CRITICAL)
    assert one.name == two.name
    assert (two.route, two.escalation_policy, two.alert_count, two.open_alert_count) == (
        "incidentRoutes/r",
        "escalationPolicies/night",
        2,
        2,
    )
    assert (two.severity, dict(two.labels), two.dedup_key) == (pb.Incident.CRITICAL, {"cluster": "c"}, 'incidentRoutes/r{"cluster":"c"}')
    assert await desk.firings() == []

    async def told() -> bool:
        await desk.passes(1)
        return "STEP" in await desk.happened(one.name)

    await desk.passes(30)
    await eventually(told, what="the first step")
    await desk.trigger("c", policy="", labels={"cluster": "c"})

    async def updated() -> bool:
        await desk.passes(1)
        return "UPDATE_SENT" in await desk.happened(one.name)

    await desk.passes(60)
    await eventually(updated, what="the message")
    with desk.user():
        listed = await desk.incidents.ListIncidentAlerts(pb.ListIncidentAlertsRequest(name=one.name, page_size=2))
        rest = await desk.incidents.ListIncidentAlerts(pb.ListIncidentAlertsRequest(name=one.name, page_token=listed.next_page_token))
    alerts = [*listed.alerts, *rest.alerts]
    assert [(alert.dedup_key, pb.IncidentAlert.State.Name(alert.state)) for alert in alerts] == [
        ("a", "OPEN"),
        ("b", "OPEN"),
        ("c", "OPEN"),
    ]
    assert dict(alerts[1].labels) == {"cluster": "c", "host": "b"}
    with desk.user("t2"), pytest.raises(NotFound):
        await desk.incidents.ListIncidentAlerts(pb.ListIncidentAlertsRequest(name=one.name))


async def test_routes_are_kept_in_order_and_say_why(desk: Desk) -> None:
    """Lists by position; a match names the route, its group, and each miss with what is there instead."""
    await desk.policy()
    made = await desk.route("z", position=1, matchers=[Matcher(label="team", value="db")])
    assert (made.wait.seconds, made.interval.seconds, made.repeat.seconds) == (30, 300, 4 * 3600)
    await desk.route("b", position=2, matchers=[Matcher(label="team", value="w*"), Matcher(label="env", value="test", negate=True)])
    await desk.route("a", position=2, matchers=[Matcher(label="severity", value="critical")])
    await desk.route("all", position=9, group_by=["team"])
    with desk.user():
        first = await desk.routes.ListIncidentRoutes(route_pb.ListIncidentRoutesRequest(page_size=3))
        rest = await desk.routes.ListIncidentRoutes(route_pb.ListIncidentRoutesRequest(page_token=first.next_page_token))
        names = [route.name.rpartition("/")[2] for route in (*first.incident_routes, *rest.incident_routes)]
        assert names == ["z", "a", "b", "all"]
        found = await desk.routes.MatchIncidentRoute(route_pb.MatchIncidentRouteRequest(labels={"team": "web", "env": "test"}))
    assert (found.incident_route.name, found.group_key) == ("incidentRoutes/all", 'incidentRoutes/all{"team":"web"}')
    missed = [(miss.incident_route.rpartition("/")[2], miss.matcher.label, miss.value) for miss in found.missed]
    assert missed == [("z", "team", "web"), ("a", "severity", "error"), ("b", "env", "test")]
    with desk.user("t2"):
        nothing = await desk.routes.MatchIncidentRoute(route_pb.MatchIncidentRouteRequest(labels={"team": "db"}))
    assert not nothing.HasField("incident_route")


async def test_routes_are_changed_and_removed(desk: Desk) -> None:
    """With etags, and without losing what an update does not name; each trigger from then on takes the new one."""
    await desk.policy()
    made = await desk.route(group_by=["cluster"], repeat=Duration(seconds=0))
    with desk.user():
        changed = await desk.routes.UpdateIncidentRoute(
            route_pb.UpdateIncidentRouteRequest(
                incident_route=route_pb.IncidentRoute(name=made.name, etag=made.etag, group_by=[]),
                update_mask=FieldMask(paths=["group_by"]),
            )
        )
        assert (list(changed.group_by), changed.escalation_policy, changed.repeat.seconds) == ([], made.escalation_policy, 0)
        assert changed.HasField("repeat")
        with pytest.raises(Aborted):
            await desk.routes.DeleteIncidentRoute(route_pb.DeleteIncidentRouteRequest(name=made.name, etag=made.etag))
        bad = route_pb.IncidentRoute(name=made.name, wait=Duration(seconds=86_401))
        with pytest.raises(InvalidInput):
            await desk.routes.UpdateIncidentRoute(route_pb.UpdateIncidentRouteRequest(incident_route=bad))
    assert (await desk.trigger("a", policy="")).next_step == 1, "it groups no more"
    with desk.user():
        await desk.routes.DeleteIncidentRoute(route_pb.DeleteIncidentRouteRequest(name=made.name))
        with pytest.raises(NotFound):
            await desk.routes.GetIncidentRoute(route_pb.GetIncidentRouteRequest(name=made.name))
    assert (await desk.trigger("b", policy="")).escalation_policy == ""


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"escalation_policy": "escalationPolicies/gone"}, "incidentRoute.escalationPolicy"),
        ({"escalation_policy": "night"}, "incidentRoute.escalationPolicy"),
        ({"name": "a/b"}, "incidentRoute.name"),
        ({"position": -1}, "incidentRoute.position"),
        ({"matchers": [Matcher(value="x")]}, "incidentRoute.matchers[0].label"),
        ({"matchers": [Matcher(label="x")] * 21}, "incidentRoute.matchers"),
        ({"group_by": ["a", "a"]}, "incidentRoute.groupBy"),
        ({"group_by": [str(number) for number in range(17)]}, "incidentRoute.groupBy"),
        ({"group_by": [""]}, "incidentRoute.groupBy[0]"),
        ({"wait": Duration(seconds=86_401)}, "incidentRoute.wait"),
        ({"interval": Duration()}, "incidentRoute.interval"),
        ({"repeat": Duration(seconds=-1)}, "incidentRoute.repeat"),
    ],
)
async def test_a_bad_route_is_refused_by_its_field(desk: Desk, fields: dict[str, Any], field: str) -> None:
    """And nothing of it is kept."""
    await desk.policy()
    with pytest.raises(InvalidInput) as caught:
        await desk.route(**fields)
    assert violations(caught.value)[0][0] == field
    with desk.user():
        assert not (await desk.routes.ListIncidentRoutes(route_pb.ListIncidentRoutesRequest())).incident_routes


async def test_a_name_is_taken_once(desk: Desk) -> None:
    """Routes and dependencies have names of their own; one is made where none is given."""
    await desk.policy()
    await desk.route("x")
    await desk.depend("x", Matcher(label="a", value="1"), Matcher(label="a", value="2"))
    with pytest.raises(AlreadyExists):
        await desk.route("x")
    with pytest.raises(AlreadyExists):
        await desk.depend("x", Matcher(label="a", value="1"), Matcher(label="a", value="2"))
    assert (await desk.route("")).name.startswith("incidentRoutes/0")


async def test_a_cycle_is_refused_with_its_names(desk: Desk) -> None:
    """Also when a change would make it; what is no cycle for sure is taken."""
    for name, source, target in (("a", "1", "2"), ("b", "2", "3")):
        await desk.depend(name, Matcher(label="is", value=source), Matcher(label="is", value=target))
    with pytest.raises(InvalidInput) as caught:
        await desk.depend("c", Matcher(label="is", value="3"), Matcher(label="is", value="1"))
    [(field, reason)] = violations(caught.value)
    ring = " -> ".join(f"incidentDependencies/{name}" for name in "cabc")
    assert (field, ring in reason) == ("incidentDependency", True)
    await desk.depend("c", Matcher(label="is", value="3"), Matcher(label="is", value="4"))
    change = dependency_pb.IncidentDependency(name="incidentDependencies/c", target=[Matcher(label="is", value="1")])
    with desk.user(), pytest.raises(InvalidInput, match="cycle"):
        await desk.dependencies.UpdateIncidentDependency(dependency_pb.UpdateIncidentDependencyRequest(incident_dependency=change))
    await desk.depend("d", Matcher(label="severity", value="critical"), Matcher(label="severity", value="warning"))


@pytest.mark.parametrize(
    ("source", "target", "field"),
    [
        (Matcher(label="a", value="*"), Matcher(label="b", value="2"), "incidentDependency.source"),
        (Matcher(label="a", value="1", negate=True), Matcher(label="b", value="2"), "incidentDependency.source"),
        (Matcher(label="escalationPolicy", value="p"), Matcher(label="b", value="2"), "incidentDependency.source"),
        (Matcher(label="a", value="1"), Matcher(value="2"), "incidentDependency.target[0].label"),
    ],
)
async def test_a_bad_dependency_is_refused_by_its_field(desk: Desk, source: Matcher, target: Matcher, field: str) -> None:
    """Open sources have to be found by a value."""
    with pytest.raises(InvalidInput) as caught:
        await desk.depend("d", source, target)
    assert violations(caught.value)[0][0] == field


async def test_what_depends_goes_on_when_its_cause_ends(desk: Desk) -> None:
    """Over the mesh: it says what holds it back, and is let go by the loop that takes steps."""
    await desk.policy()
    await desk.depend("d", Matcher(label="name", value="down"), Matcher(label="severity", value="warning"), equal=["site"])
    cause = await desk.trigger("down", labels={"name": "down", "site": "x"})
    held = await desk.trigger("late", labels={"site": "x"}, severity=pb.Incident.WARNING)
    assert (held.held_by, held.next_step) == (cause.name, 0)
    with desk.user():
        await desk.incidents.ResolveIncident(pb.ResolveIncidentRequest(name=cause.name))

    async def taken() -> bool:
        await desk.passes(1)
        return await desk.happened(held.name) == ["TRIGGERED", "STEP_SKIPPED", "RELEASED", "STEP"]

    await eventually(taken, what="the step that was held back")


async def test_windows_of_maintenance_over_the_mesh(desk: Desk) -> None:
    """Shown with what comes next, previewed, and ended for good by expire."""
    window = alarm_pb2.Window(cron="30 * * * *", duration=Duration(seconds=600), time_zone="Europe/Berlin")
    made = await desk.silence(recurrence=window)
    assert (silence_pb.Silence.State.Name(made.state), made.HasField("end_time")) == ("PENDING", False)
    assert made.next_window_time.seconds % 3600 == 30 * MINUTE
    assert made.recurrence == window
    windows = await desk.preview(name=made.name, count=3)
    assert [end - start for start, end in windows] == [10, 10, 10]
    assert [later[0] - sooner[0] for sooner, later in pairwise(windows)] == [60, 60]
    assert await desk.preview(silence=silence_pb.Silence(recurrence=window), count=3) == windows
    with desk.user():
        ended = await desk.silences.ExpireSilence(silence_pb.ExpireSilenceRequest(name=made.name))
    assert (silence_pb.Silence.State.Name(ended.state), ended.HasField("next_window_time")) == ("EXPIRED", False)
    assert await desk.preview(name=made.name) == []
    single = await desk.silence(end_time=Timestamp(seconds=round(desk.rig.clock.now().timestamp()) + 600))
    assert await desk.preview(name=single.name) == [(0, 10)]


@pytest.mark.parametrize(
    ("window", "field"),
    [
        ({"cron": "61 * * * *"}, "silence.recurrence.cron"),
        ({"cron": "0 0 30 2 *"}, "silence.recurrence"),
        ({"rrule": "FREQ=DAILY;COUNT=0"}, "silence.recurrence.rrule"),
        ({"cron": "0 2 * * *", "time_zone": "Mars/Olympus"}, "silence.recurrence"),
        ({"cron": "0 2 * * *", "duration": Duration(seconds=60), "end": "07:00"}, "silence.recurrence.end"),
        ({"cron": "0 2 * * *", "end": "25:00"}, "silence.recurrence.end"),
        ({"cron": "0 2 * * *", "duration": Duration(seconds=-1)}, "silence.recurrence.duration"),
    ],
)
async def test_bad_windows_are_refused_by_their_field(desk: Desk, window: dict[str, Any], field: str) -> None:
    """When they are made, and when they are previewed."""
    recurrence = alarm_pb2.Window(**window)
    for call in (desk.silence(recurrence=recurrence), desk.preview(silence=silence_pb.Silence(recurrence=recurrence))):
        with pytest.raises(InvalidInput) as caught:
            await call
        assert violations(caught.value)[0][0].startswith(field), violations(caught.value)


async def test_a_silence_needs_an_end_or_windows(desk: Desk) -> None:
    """And a preview one of both."""
    with pytest.raises(InvalidInput, match="unless there is a recurrence"):
        await desk.silence()
    for fields in ({}, {"name": "silences/x", "silence": silence_pb.Silence()}):
        with pytest.raises(InvalidInput, match="either name or silence"):
            await desk.preview(**fields)


@pytest.mark.parametrize(
    ("steps", "fields", "field"),
    [
        ([], {}, "escalationPolicy.steps"),
        ([{}], {}, "escalationPolicy.steps[0].targets"),
        ([{"targets": ["ann"]}], {}, "escalationPolicy.steps[0].targets[0]"),
        ([{"targets": ["recipients/ann"] * 2}], {}, "escalationPolicy.steps[0].targets"),
        ([{"targets": ["recipients/ann"], "wait": Duration(seconds=604_801)}], {}, "escalationPolicy.steps[0].wait"),
        ([{"targets": ["recipients/ann"], "wait": Duration(seconds=-1)}], {}, "escalationPolicy.steps[0].wait"),
        ([{"targets": ["recipients/ann"], "wait": Duration()}], {"repeat": 1}, "escalationPolicy.repeat"),
        ([{"targets": ["recipients/ann"], "occurrence_window": Duration(seconds=60)}], {}, "escalationPolicy.steps[0].occurrenceWindow"),
        (
            [{"targets": ["recipients/ann"], "hours": [policy_pb.WeeklyHours(start="9:00", end="18:00")]}],
            {},
            "escalationPolicy.steps[0].hours",
        ),
        ([{"targets": ["recipients/ann"]}], {"repeat": 6}, "escalationPolicy.repeat"),
        ([{"targets": ["recipients/ann"]}], {"time_zone": "Mars/Olympus"}, "escalationPolicy.timeZone"),
        ([{"targets": ["recipients/ann"]}], {"unacknowledge_after": Duration(seconds=59)}, "escalationPolicy.unacknowledgeAfter"),
        ([{"targets": ["recipients/ann"]}] * 21, {}, "escalationPolicy.steps"),
    ],
)
async def test_a_bad_policy_is_refused_by_its_field(desk: Desk, steps: list[dict[str, Any]], fields: dict[str, Any], field: str) -> None:
    """And is not kept."""
    message = policy_pb.EscalationPolicy(name="escalationPolicies/p", steps=[policy_pb.EscalationStep(**step) for step in steps], **fields)
    with desk.user():
        with pytest.raises(InvalidInput) as caught:
            await desk.policies.CreateEscalationPolicy(policy_pb.CreateEscalationPolicyRequest(escalation_policy=message))
        assert violations(caught.value)[0][0].startswith(field)
        assert not (await desk.policies.ListEscalationPolicies(policy_pb.ListEscalationPoliciesRequest())).escalation_policies


async def test_thousands_of_labels_cost_who_sends_them(desk: Desk) -> None:
    """Named with the field; routes and groups never see them."""
    await desk.policy()
    await desk.route(group_by=["l1"])
    with pytest.raises(InvalidInput) as caught:
        await desk.trigger("a", policy="", labels={f"l{number}": "x" for number in range(5000)})
    assert violations(caught.value)[0][0] == "incident.labels"
    with pytest.raises(InvalidInput):
        await desk.trigger("a", policy="", labels={"l": "x" * 1025})
    full = await desk.trigger("a", policy="", labels={f"l{number}": "x" * 1024 for number in range(64)})
    assert full.alert_count == 1
    assert len(full.dedup_key) <= 255
