"""What can be done to alarms and firings in each of their states is what docs/states.md draws."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final

from google.protobuf.field_mask_pb2 import FieldMask

from scheduler_svc.domain import COUNTED, AlarmState, FailedAttempt, FiringState, Origin, Succeeded
from scheduler_svc.domain.planning import Plan
from tests.integration.scheduler.bulk import export, import_text
from tests.integration.scheduler.outside import on
from tests.integration.scheduler.stores import NOW, OWNER, SECOND, Stores, alarm, firing
from tests.integration.scheduler.support import Rig, every
from tests.integration.scheduler.test_bulk import line, text
from tests.integration.states import Edge, Witness, drawn
from tocsin.api.scheduler.v1 import alarm_pb2, alarm_service_pb2
from tocsin.clock import SystemClock
from tocsin.database import Database
from tocsin.errors import TocsinError
from tocsin.recurrence import CatchUp, CatchUpMode, Every, Trigger

ALARMS: Final = {int(state): state.name for state in AlarmState}
FIRINGS: Final = {int(state): state.name for state in FiringState}
PAST: Final = {"at": "2020-01-01T00:00:00Z"}
FUTURE: Final = {"at": "2099-01-01T00:00:00Z"}
Request = Callable[[Rig, alarm_pb2.Alarm], Awaitable[object]]
Operation = Callable[[Stores, str], Awaitable[object]]


def failed(state: FiringState) -> Operation:
    """The end of a delivery without success."""

    async def do(stores: Stores, identity: str) -> None:
        ready = None if state is FiringState.DEAD else NOW
        back = FailedAttempt(firing=identity, state=state, attempts=1, ready=ready, reason="", error="", failure="BROKEN")
        await stores.ledger.record(done={}, failed_attempts=[back], now=NOW)

    return do


async def _replay(stores: Stores, identity: str) -> None:
    shard = next(row.shard for row in await stores.all_firings() if row.id == identity)
    await stores.ledger.replay("t1", identity, now=NOW, shard=shard, owner=OWNER, held=stores.held)


ON_FIRINGS: Final[dict[str, Operation]] = {
    "succeed": lambda stores, identity: stores.ledger.record(done={identity: Succeeded()}, failed_attempts=[], now=NOW),
    "fail": failed(FiringState.RETRYING),
    "give back": failed(FiringState.PENDING),
    "die": failed(FiringState.DEAD),
    "replay": _replay,
    "forget": lambda stores, _identity: stores.housekeeping.forget_firings(before=NOW + 60 * SECOND, most=9),
}


async def test_firings(stores: Stores) -> None:
    """Everything in every state, and how they come to be."""
    witness = Witness(stores.database, schema="scheduler_svc", table="firings")
    await witness.start()
    skipping = alarm(trigger=Trigger(spec=Every(SECOND), catch_up=CatchUp(mode=CatchUpMode.LATEST)))
    await stores.add(skipping)
    await stores.fire((skipping.id, NOW), now=NOW + 5 * SECOND)
    found: set[Edge] = await witness.seen(FIRINGS)
    for state in FiringState:
        for operation in ON_FIRINGS.values():
            one = firing(state=state)
            await stores.ledger.enqueue([one], owner=OWNER, held=stores.held)
            await witness.forget()
            await operation(stores, one.id)
            found |= await witness.seen(FIRINGS)
    assert found == drawn("Firing")


async def _pause(stores: Stores, identity: str) -> None:
    await stores.alarms.pause("t1", identity, now=NOW)


async def _resume(stores: Stores, identity: str) -> None:
    await stores.alarms.resume("t1", identity, now=NOW)


async def _delete(stores: Stores, identity: str) -> None:
    await stores.alarms.delete("t1", identity, version=None, now=NOW)


async def _fire(stores: Stores, identity: str) -> None:
    await stores.fire((identity, NOW))


async def _too_costly(stores: Stores, identity: str) -> None:
    def plan(_due: object, _room: int) -> Plan:
        return Plan((), NOW, 0, pause="RULE_TOO_COSTLY")

    await stores.due.fire([(identity, NOW)], owner=OWNER, now=NOW, most=9, planner=plan, held=stores.held)


async def _fail_too_often(stores: Stores, identity: str) -> None:
    one = firing(alarm=identity, flags=COUNTED, origin=Origin.BACKFILL)
    await stores.ledger.enqueue([one], owner=OWNER, held=stores.held)
    await failed(FiringState.DEAD)(stores, one.id)


ON_ALARMS: Final[dict[str, Operation]] = {
    "pause": _pause,
    "resume": _resume,
    "delete": _delete,
    "fire": _fire,
    "pause for its cost": _too_costly,
    "pause for its failures": _fail_too_often,
    "end of listening": lambda stores, _identity: stores.housekeeping.complete_listeners(now=NOW + SECOND, most=9),
}


async def stored_alarms(stores: Stores) -> set[Edge]:
    """Everything that the store does by itself, in every state, to alarms by time and by event."""
    witness = Witness(stores.database, schema="scheduler_svc", table="alarms")
    await witness.start()
    found: set[Edge] = set()
    for state in AlarmState:
        for operation in ON_ALARMS.values():
            by_time, by_event = (alarm(state=state, auto_pause_after=1), on("a.b", end=NOW + SECOND, state=state, auto_pause_after=1))
            await stores.add(by_time, by_event)
            await witness.forget()
            for one in (by_time, by_event):
                await operation(stores, one.id)
            found |= await witness.seen(ALARMS)
            for one in (by_time, by_event):
                await stores.alarms.delete("t1", one.id, version=None, now=NOW)
    return found


def imported(state: AlarmState, trigger: Mapping[str, str]) -> Request:
    """A line with the key of an alarm."""

    async def do(rig: Rig, alarm: alarm_pb2.Alarm) -> None:
        await import_text(rig, text(line(alarm.key, state=state.name, trigger=trigger)))

    return do


def updated(*fields: str, state: "alarm_pb2.Alarm.State.ValueType" = alarm_pb2.Alarm.ACTIVE) -> Request:
    """A PATCH of these fields."""

    async def do(rig: Rig, alarm: alarm_pb2.Alarm) -> None:
        changed = alarm_pb2.Alarm(name=alarm.name, trigger=every(3600), state=state)
        await rig.alarms.UpdateAlarm(alarm_service_pb2.UpdateAlarmRequest(alarm=changed, update_mask=FieldMask(paths=fields)))

    return do


REQUESTS: Final[list[Request]] = [
    lambda rig, alarm: rig.alarms.PauseAlarm(alarm_service_pb2.PauseAlarmRequest(name=alarm.name)),
    lambda rig, alarm: rig.alarms.ResumeAlarm(alarm_service_pb2.ResumeAlarmRequest(name=alarm.name)),
    lambda rig, alarm: rig.alarms.DeleteAlarm(alarm_service_pb2.DeleteAlarmRequest(name=alarm.name)),
    *(imported(state, trigger) for state in AlarmState for trigger in (PAST, FUTURE, {"every": "3600s"})),
    updated("trigger"),
    *(updated(*fields, state=state) for fields in (("state",), ("trigger", "state")) for state in alarm_pb2.Alarm.State.values()[1:]),
]


async def asked_alarms(rig: Rig) -> set[Edge]:
    """Everything that a client may ask for, in every state."""
    database = Database(url=f"sqlite:///{rig.folder / 'scheduler_svc.db'}", schema="scheduler_svc", clock=SystemClock())
    await database.start()
    witness = Witness(database, schema="scheduler_svc", table="alarms")
    await witness.start()
    for stored in AlarmState:
        for number, request in enumerate(REQUESTS):
            key = f"{stored.name}-{number}"
            await import_text(rig, text(line(key, state=stored.name, trigger=PAST if stored is AlarmState.COMPLETED else FUTURE)))
            (made,) = await export(rig, filter=f'key="{key}"')
            with rig.user(), suppress(TocsinError):
                await request(rig, made)
    found = await witness.seen(ALARMS)
    await database.stop()
    return found


async def test_alarms(stores: Stores, rig: Rig) -> None:
    """What the store does by itself, and what clients may ask for, together."""
    assert await stored_alarms(stores) | await asked_alarms(rig) == drawn("Alarm")
