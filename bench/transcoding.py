"""JSON to messages on the fast path and on the fallback, and back as text and over values, as it was before: in turns of one run."""

import json
import time
from collections.abc import Callable
from typing import Any, Final, cast

from gateway.transcoding.binding import Incoming
from gateway.transcoding.contract import Contract
from gateway.transcoding.routes import Route, build_routes
from tocsin.api.scheduler.v1 import alarm_pb2, alarm_service_pb2
from tocsin.mesh.policy import contract
from tocsin.protojson.codec import dump_json
from tocsin.protojson.fields import JsonValue

TURNS, CALLS = 30, 1000
_NO_PARAMETERS: Final = b"&"
"""A query without a parameter: it changes nothing, and is for the fallback."""

_TASK: Final = {"trigger": {"at": "2027-01-01T09:00:00Z", "catchUp": {"mode": "LATEST"}}, "action": {"task": {"handler": "noop"}}}
_MAIL: Final = {
    "key": "report",
    "displayName": "Weekly report",
    "labels": {"team": "core", "env": "prod"},
    "priority": "BULK",
    "trigger": {"cron": "0 9 * * MON", "timeZone": "Europe/Paris", "catchUp": {"mode": "ALL", "limit": 3}},
    "action": {"notify": {"to": ["ann@example.com"], "subject": "The report of the week", "text": "It is ready. " * 30}},
    "retry": {"maxAttempts": 3, "initialBackoff": "2s"},
}
_EVENT: Final = {"topic": "orders.created", "data": {"order": "A-17", "amount": 12.5, "items": [1, 2, 3], "who": {"name": "Ann"}}}


async def measure() -> dict[str, Any]:
    """Microseconds of CPU for requests that become messages, and for answers that become JSON; the best of many turns."""
    door = Contract(descriptor_set=contract().SerializeToString(), package="tocsin.api")
    routes = {(route.http_method, route.template.text): route for route in build_routes(door)}
    create, event = routes["POST", "/v1/alarms"], routes["POST", "/v1/events"]
    return {
        "request": {
            "an alarm with a task": _requests(create, _TASK),
            "an alarm with a mail": _requests(create, _MAIL),
            "an event": _requests(event, {"event": _EVENT} if event.body == "*" else _EVENT),
            "an alarm with a unit in its duration, left to the fallback": _requests(create, _TASK | {"retry": {"initialBackoff": "2m"}}),
        },
        "answer": {
            "a page of 100 alarms": _page(door, routes["GET", "/v1/alarms"]),
            "100 alarms of an export, a line each": _export(door, routes["GET", "/v1/alarms:export"]),
        },
    }


def _requests(route: Route, body: dict[str, Any]) -> dict[str, float]:
    text = json.dumps(body).encode()
    fast, fallback = Incoming(variables={}, body=text), Incoming(variables={}, body=text, query_string=_NO_PARAMETERS)
    return _in_turns(fast_path=lambda: route.binder.bind(fast), fallback=lambda: route.binder.bind(fallback), calls=CALLS)


def _page(door: Contract, route: Route) -> dict[str, float]:
    codec = door.codec(route.rpc.descriptor.output_type)
    wire = alarm_service_pb2.ListAlarmsResponse(alarms=_alarms(door)).SerializeToString()

    def by_value() -> bytes:
        return dump_json(codec.to_value(wire))

    return _in_turns(as_text=lambda: route.renderer.render(wire), as_value=by_value, calls=CALLS // 100)


def _export(door: Contract, route: Route) -> dict[str, float]:
    codec = door.codec(route.rpc.descriptor.output_type)
    wire = alarm_service_pb2.ExportAlarmsResponse(alarms=_alarms(door)).SerializeToString()

    def by_value() -> list[bytes]:
        return [dump_json(item) for item in cast("list[JsonValue]", codec.to_value(wire)["alarms"])]

    return _in_turns(as_text=lambda: route.renderer.elements(wire), as_value=by_value, calls=CALLS // 100)


def _alarms(door: Contract) -> list[alarm_pb2.Alarm]:
    made = alarm_pb2.Alarm.FromString(door.codec(alarm_pb2.Alarm.DESCRIPTOR).to_wire(json.loads(json.dumps(_MAIL))))
    made.name = "alarms/01JABCDEFGHJKMNPQRSTVWXYZ0"
    made.create_time.seconds = made.next_fire_time.seconds = 1_800_000_000
    return [made] * 100


def _in_turns(*, calls: int, **ways: Callable[[], object]) -> dict[str, float]:
    """Each way's best time a call, in microseconds of CPU; they take turns, so that the machine is the same for all."""
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(TURNS):
        for name, way in ways.items():
            begin = time.process_time_ns()
            for _ in range(calls):
                way()
            best[name] = min(best[name], (time.process_time_ns() - begin) / calls / 1000)
    return {name: round(each, 1) for name, each in best.items()}
