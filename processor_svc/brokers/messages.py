"""What goes to a broker and comes from one, and how each can fail (pure)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Protocol

from tocsin.errors import Unavailable

CONFIRM_SECONDS: Final = 10.0
"""How long a broker may take to confirm a message."""


class BrokerAway(Unavailable):
    """The broker confirmed nothing: it is away, or went away in between. The message may be there; sending it again does no harm."""


class MessageRefused(Exception):
    """The broker answered, and does not take this message.

    Attributes:
        reason: for programs, as in "NO_SUCH_DESTINATION".
        retryable: whether another attempt may help, because somebody may mend it.
    """

    def __init__(self, reason: str, message: str, *, retryable: bool = True) -> None:
        super().__init__(message)
        self.reason = reason
        self.retryable = retryable


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerMessage:
    """One message that leaves.

    Attributes:
        id: the same each time that it is sent.
        to: stream, topic or queue; with ``exchange``, the routing key.
        exchange: of RabbitMQ; empty: the default one.
        key: of Kafka; empty: none.
        headers: from the user.
        body: what it says.
        content_type: of the body.
    """

    id: str
    to: str
    exchange: str = ""
    key: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = field(repr=False)
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceMessage:
    """One message that came.

    Attributes:
        id: identity within its source, the same each time that it comes.
        body: what it says; a mapping where the broker keeps fields.
        happened: when the broker or its sender says that it was sent, in seconds since the epoch; None unless known.
        mark: what the source needs to be done with it.
    """

    id: str
    body: bytes | Mapping[bytes, bytes] = field(repr=False)
    happened: float | None = None
    mark: Any = field(default=None, repr=False)


class Publisher(Protocol):
    """One connection to a broker, on which messages go out."""

    kind: ClassVar[str]

    async def open(self) -> None:
        """Connects.

        Raises:
            BrokerAway: it cannot be reached, or does not let us in.
        """
        ...

    async def send(self, message: BrokerMessage) -> Mapping[str, Any]:
        """Sends a message; where it is, once the broker has confirmed it.

        Raises:
            BrokerAway: no confirmation came.
            MessageRefused: the broker does not take it.
        """
        ...

    async def close(self) -> None:
        """Closes the connection; may be repeated, and never fails."""
        ...


class SourceStream(Protocol):
    """One connection to a broker, from which messages come. Each raises `BrokerAway` when the connection is lost."""

    async def open(self) -> None:
        """Connects and joins the group."""
        ...

    async def take(self, most: int) -> Sequence[SourceMessage]:
        """Up to ``most`` messages; none when none came within a second or so."""
        ...

    async def done(self, messages: Sequence[SourceMessage]) -> None:
        """These messages do not come again. They are all that the last `take` gave, in order."""
        ...

    async def bury(self, message: SourceMessage, reason: str) -> bool:
        """Copies a message that cannot be an event to where people find it; False when the broker does not take it there."""
        ...

    async def close(self) -> None:
        """Closes the connection; what is not done comes again. May be repeated, and never fails."""
        ...
