"""The states of a heartbeat: a function of its pings, in the order in which they come. Pure.

The rules are those of healthchecks.io: a job that says that it began must end within the grace, and a run is told from others by its id.
"""

from dataclasses import replace
from typing import NamedTuple

from scheduler_svc.triggers.messages import Pinged, PingKind
from scheduler_svc.triggers.state import Signal, Status, deadline
from tocsin.recurrence import Heartbeat, Micros, Trigger


class BeatStep(NamedTuple):
    """Where a heartbeat stands after a ping, its deadline, and what happened: it was raised, or resolved."""

    signal: Signal
    due: Micros | None
    raised: bool = False
    resolved: bool = False


def beaten(trigger: Trigger, signal: Signal, due: Micros | None, ping: Pinged) -> BeatStep:
    """What a ping leads to, of an active heartbeat whose deadline is ``due``."""
    spec = trigger.spec
    if not isinstance(spec, Heartbeat) or ping.kind is PingKind.LOG:
        return BeatStep(signal, due)
    if ping.kind is PingKind.START:
        begun = replace(signal, started=ping.sent, run=ping.run)
        return BeatStep(begun, None if signal.status is Status.RAISED else _begun(trigger, spec, signal, due, ping))
    ended = _ended(spec, signal, ping)
    if ping.kind is PingKind.FAIL:
        raised = signal.status is not Status.RAISED
        return BeatStep(_turned(ended, Status.RAISED, at=ping.received), None, raised=raised)
    next_due = _first(deadline(trigger, seen=ping.received), None if ended.started is None else ended.started + spec.tolerance)
    was = signal.status is Status.RAISED
    if was and next_due is not None and next_due <= signal.since:
        return BeatStep(ended, None)  # it came before the deadline that raised it, and is heard after it: the run that is overdue still is
    return BeatStep(_turned(ended, Status.OK, at=ping.received), next_due, resolved=was)


def heard(signal: Signal, ping: Pinged) -> Signal:
    """A heartbeat that is not active: the ping came, and changes nothing else."""
    return replace(signal, seen=ping.received) if ping.kind in (PingKind.SUCCESS, PingKind.FAIL) else signal


def unstarted_deadline(trigger: Trigger, signal: Signal, due: Micros | None) -> Micros | None:
    """When the next ping must have come, whatever runs now; ``due`` is the deadline, which a run may have brought forward."""
    if signal.started is None or due is None:
        return due
    found = deadline(trigger, seen=max(signal.since, signal.seen or 0))
    return due if found is None else max(due, found)


def _begun(trigger: Trigger, spec: Heartbeat, signal: Signal, due: Micros | None, ping: Pinged) -> Micros | None:
    """The deadline of a heartbeat whose job has begun: the end of the job, if that is earlier than the next ping must come."""
    return _first(unstarted_deadline(trigger, signal, due), ping.received + spec.tolerance)


def _ended(spec: Heartbeat, signal: Signal, ping: Pinged) -> Signal:
    """The heartbeat after the end of a run: its own, or that of another one, which goes on if it has an id and is not overdue."""
    signal = replace(signal, seen=ping.received, duration=None)
    if signal.started is None:
        return signal
    own = signal.run == ping.run
    overdue = signal.started + spec.tolerance <= ping.received
    if not own and ping.run and ping.kind is not PingKind.FAIL and not overdue:
        return signal
    return replace(signal, started=None, run="", duration=max(0, ping.sent - signal.started) if own else None)


def _turned(signal: Signal, status: Status, *, at: Micros) -> Signal:
    return signal if signal.status is status else replace(signal, status=status, since=at)


def _first(*instants: Micros | None) -> Micros | None:
    return min((instant for instant in instants if instant is not None), default=None)
