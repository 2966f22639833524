"""What is archived: its kinds, and the columns of each, as docs/archive.md describes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple


class Column(NamedTuple):
    """A column: its type, whether a value may be missing, and what it means; JSON is a string."""

    name: str
    kind: Literal["string", "json", "timestamp", "int64", "binary"]
    optional: bool
    meaning: str


class ArchivedFiring(NamedTuple):
    """A firing as it is archived, in the order of `FIRINGS.columns`; times are microseconds since the Unix epoch."""

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


class ArchivedDelivery(NamedTuple):
    """A delivery as it is archived, in the order of `DELIVERIES.columns`; times are microseconds since the Unix epoch."""

    id: str
    tenant: str
    firing: str
    alarm: str
    notification: str
    digest: str
    category: str
    channel: str
    recipient: str
    address: str
    subject: str
    priority: str
    create_time: int
    update_time: int
    state: str
    reason: str
    attempts: int
    message_id: str
    reference: str
    timeline: str
    traceparent: str
    change: int


_FIRING_COLUMNS: Final[Sequence[Column]] = (
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
    Column("result", "json", True, "What the work answered"),
    Column("context", "json", True, "What triggered it beside its alarm"),
    Column("failed", "json", True, "Its messages that went wrong: `[state, reason]` by the name of the delivery"),
    Column("traceparent", "string", False, "Trace of the request that it goes back to (W3C trace context)"),
    Column(
        "action", "binary", False, "What it did: a serialised `tocsin.api.scheduler.v1.Action`; empty where an alarm's firing has succeeded"
    ),
    Column("change", "int64", False, "Number of its last change; of two rows with one id the one with the larger number is the later"),
)
_DELIVERY_COLUMNS: Final[Sequence[Column]] = (
    Column("id", "string", False, "Id of the delivery: `deliveries/{id}` of the API"),
    Column("tenant", "string", False, "Id of the tenant"),
    Column("firing", "string", False, "Id of the firing that it is of; may be empty"),
    Column("alarm", "string", False, "Name of that firing's alarm; may be empty"),
    Column("notification", "string", False, "Id of the notification that it is of; may be empty"),
    Column("digest", "string", False, "Id of the digest that it waited in; may be empty"),
    Column("category", "string", False, "Id of its category; may be empty"),
    Column("channel", "string", False, "Channel, such as `email`"),
    Column("recipient", "string", False, "Id of the recipient; empty if nobody's address is known to be it"),
    Column("address", "string", False, "Address; of channels whose addresses are secrets a digest of it, `hmac-sha256:…`"),
    Column("subject", "string", False, "Subject; empty for the mailer's own messages, such as codes and links for accounts"),
    Column("priority", "string", False, "`CRITICAL`, `NORMAL` or `BULK`"),
    Column("create_time", "timestamp", False, "When it was accepted"),
    Column("update_time", "timestamp", False, "When it changed last"),
    Column("state", "string", False, "State at the end, such as `DELIVERED` or `DEAD`"),
    Column("reason", "string", False, "Why it was not sent, for `SUPPRESSED`"),
    Column("attempts", "int64", False, "Attempts that were made"),
    Column("message_id", "string", False, "Message-ID of its mails"),
    Column("reference", "string", False, "The provider's name for the message; may be empty"),
    Column("timeline", "json", False, "Its changes, in order: `time`, `state`, `attempts`, `provider`, `code`, `detail` of each"),
    Column("traceparent", "string", False, "Trace of the request that it goes back to (W3C trace context)"),
    Column("change", "int64", False, "Number of its last change; of two rows with one id the one with the larger number is the later"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveKind:
    """A kind of what is archived. Its rows have an ``id``, a ``tenant`` and a ``change``.

    Attributes:
        name: in the plural, of its folder.
        columns: of its rows, in order.
        time: the column by whose day (UTC) rows are kept together.
    """

    name: str
    columns: Sequence[Column]
    time: str


FIRINGS: Final = ArchiveKind(name="firings", columns=_FIRING_COLUMNS, time="due_time")
DELIVERIES: Final = ArchiveKind(name="deliveries", columns=_DELIVERY_COLUMNS, time="create_time")
KINDS: Final = {kind.name: kind for kind in (FIRINGS, DELIVERIES)}
