"""What comes from outside, and which alarms it lets go: topics and conditions of events, limits of readings, deadlines of pings. Pure.

A threshold is judged by the times at which its readings were measured, so the same readings lead to the same firings whenever they come;
only the wait for ``for_duration`` ends by the clock, in the engine of time.
"""

from scheduler_svc.signals.checks import check_listening
from scheduler_svc.signals.conditions import Listening, Test, conditions_of
from scheduler_svc.signals.messages import (
    EventAnswer,
    HeartbeatKeyTaken,
    HeartbeatNotFound,
    InboundKind,
    Logged,
    Measured,
    PingAnswer,
    Pinged,
    Published,
    ReadingAnswer,
    TriggerCounts,
)
from scheduler_svc.signals.standing import (
    Deaf,
    Signal,
    SignalKind,
    Standing,
    Status,
    beginning,
    deadline,
    keyed,
    kind_of,
    listens,
    resumed,
    topic_of,
    undeaf,
)
from scheduler_svc.signals.threshold import Change, Step, matured, observed, pending_until
from scheduler_svc.signals.topics import is_pattern, topic_matches

__all__ = [
    "Change",
    "Deaf",
    "EventAnswer",
    "HeartbeatKeyTaken",
    "HeartbeatNotFound",
    "InboundKind",
    "Listening",
    "Logged",
    "Measured",
    "PingAnswer",
    "Pinged",
    "Published",
    "ReadingAnswer",
    "Signal",
    "SignalKind",
    "Standing",
    "Status",
    "Step",
    "Test",
    "TriggerCounts",
    "beginning",
    "check_listening",
    "conditions_of",
    "deadline",
    "is_pattern",
    "keyed",
    "kind_of",
    "listens",
    "matured",
    "observed",
    "pending_until",
    "resumed",
    "topic_matches",
    "topic_of",
    "undeaf",
]
