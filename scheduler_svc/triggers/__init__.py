"""What comes from outside, and which alarms it fires: topics and conditions of events, limits of readings, deadlines of pings. Pure.

A threshold is judged by the times at which its readings were measured, so the same readings lead to the same firings whenever they come;
only the wait for ``for_duration`` ends by the clock, in the engine of time.
"""

from scheduler_svc.triggers.beats import BeatStep, beaten, heard, unstarted_deadline
from scheduler_svc.triggers.checks import check_listening
from scheduler_svc.triggers.conditions import Subscription, Test, conditions_of
from scheduler_svc.triggers.messages import (
    EventAnswer,
    HeartbeatKeyTaken,
    HeartbeatNotFound,
    InboundKind,
    KeptPing,
    LatestReading,
    Logged,
    Measured,
    MetricNotFound,
    PingAnswer,
    Pinged,
    PingKind,
    Published,
    ReadingAnswer,
    TooManyPings,
    TriggerCounts,
)
from scheduler_svc.triggers.state import (
    Outage,
    Signal,
    SignalKind,
    SignalState,
    Status,
    after_outage,
    deadline,
    initial_signal,
    is_uuid,
    kind_of,
    listens,
    resumed,
    topic_of,
    with_ping_key,
)
from scheduler_svc.triggers.threshold import Change, Step, matured, observed, pending_until
from scheduler_svc.triggers.topics import is_pattern, topic_matches

__all__ = [
    "BeatStep",
    "Change",
    "EventAnswer",
    "HeartbeatKeyTaken",
    "HeartbeatNotFound",
    "InboundKind",
    "KeptPing",
    "LatestReading",
    "Logged",
    "Measured",
    "MetricNotFound",
    "Outage",
    "PingAnswer",
    "PingKind",
    "Pinged",
    "Published",
    "ReadingAnswer",
    "Signal",
    "SignalKind",
    "SignalState",
    "Status",
    "Step",
    "Subscription",
    "Test",
    "TooManyPings",
    "TriggerCounts",
    "after_outage",
    "beaten",
    "check_listening",
    "conditions_of",
    "deadline",
    "heard",
    "initial_signal",
    "is_pattern",
    "is_uuid",
    "kind_of",
    "listens",
    "matured",
    "observed",
    "pending_until",
    "resumed",
    "topic_matches",
    "topic_of",
    "unstarted_deadline",
    "with_ping_key",
]
