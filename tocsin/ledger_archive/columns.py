"""The columns of an archived firing, as docs/archive.md describes them."""

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple


class Column(NamedTuple):
    """A column: its type, whether a value may be missing, and what it means."""

    name: str
    kind: Literal["string", "timestamp", "int64", "binary"]
    optional: bool
    meaning: str


class ArchivedFiring(NamedTuple):
    """A firing as it is archived, in the order of `COLUMNS`; times are microseconds since the Unix epoch."""

    id: str
    tenant: str
    alarm: str
    origin: str
    priority: str
    due_time: int
    fire_time: int | None
    complete_time: int | None
    outcome: str
    reason: str
    state: str
    attempts: int
    kind: str
    error: str
    result: str | None
    context: str | None
    failed: str | None
    traceparent: str
    action: bytes
    change: int


COLUMNS: Final[Sequence[Column]] = (
    Column("id", "string", False, "Id of the firing: `firings/{id}` of the API"),
    Column("tenant", "string", False, "Id of the tenant"),
    Column("alarm", "string", False, "Id of the alarm; empty for an ad-hoc task"),
    Column("origin", "string", False, "`SCHEDULE`, `MANUAL`, `ADHOC`, `BACKFILL`, `EVENT`, `RAISED`, `RESOLVED` or `ESCALATION`"),
    Column("priority", "string", False, "`CRITICAL`, `NORMAL` or `BULK`"),
    Column("due_time", "timestamp", False, "When it was due"),
    Column("fire_time", "timestamp", True, "When it fired; missing if it did not"),
    Column("complete_time", "timestamp", True, "When its work ended"),
    Column("outcome", "string", False, "`FIRED`, `LATE`, `SKIPPED`, `COALESCED` or `FAILED`"),
    Column("reason", "string", False, "Why, for an outcome other than `FIRED`"),
    Column("state", "string", False, "`SUCCEEDED`, `DEAD` or `CLOSED`"),
    Column("attempts", "int64", False, "Attempts that were made"),
    Column("kind", "string", False, "Kind of its action, such as `notify` or `webhook`"),
    Column("error", "string", False, "Why the last attempt failed"),
    Column("result", "string", True, "What the work answered, JSON"),
    Column("context", "string", True, "What triggered it beside its alarm, JSON"),
    Column("failed", "string", True, "Its messages that went wrong, JSON: `[state, reason]` by the name of the delivery"),
    Column("traceparent", "string", False, "Trace of the request that it goes back to (W3C trace context)"),
    Column(
        "action", "binary", False, "What it did: a serialised `tocsin.api.scheduler.v1.Action`; empty where an alarm's firing has succeeded"
    ),
    Column("change", "int64", False, "Number of its last change; of two rows with one id the one with the larger number is the later"),
)
