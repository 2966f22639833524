"""What a server's reply, or its silence, means for the message and for the provider (pure)."""

from dataclasses import dataclass
from enum import Enum

from mailer_svc.domain import Outcome, Result

_DETAIL = 500


class Phase(Enum):
    """How far a message had come. CONNECT is everything before MAIL: greeting, EHLO, STARTTLS, AUTH; END is after the final dot."""

    CONNECT = "connecting"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    CONTENT = "sending the content"
    END = "waiting for the answer to the message"


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete reply; the lines of a long one are joined by spaces."""

    code: int
    text: str

    @property
    def positive(self) -> bool:
        """2yz: done."""
        return 200 <= self.code < 300


class SmtpFailure(Exception):
    """An attempt that did not end with 250. ``reply`` is the server's; None when the connection broke or timed out."""

    def __init__(self, phase: Phase, detail: str, *, reply: Reply | None = None) -> None:
        self.phase = phase
        self.reply = reply
        self.detail = detail[:_DETAIL]
        super().__init__(f"{phase.value}: {detail}")

    @classmethod
    def refused(cls, phase: Phase, reply: Reply) -> "SmtpFailure":
        """The server said no."""
        return cls(phase, f"{reply.code} {reply.text}", reply=reply)


class NotHandedOver(Exception):
    """The message is no longer ours to send, or that cannot be known; nothing was sent."""


# 421: the service is closing. 454, 530, 534, 535, 538: it wants other credentials or another connection (RFC 4954, 6; RFC 3207, 4).
_PROVIDER_CODES = frozenset({421, 454, 530, 534, 535, 538})
# 503: the server lost the thread. That is between it and us; the message deserves another connection.
_CONFUSED = 503


def outcome_of(failure: SmtpFailure) -> Outcome:
    """What a failure means for the message.

    ============================================  ==================================================================
    before MAIL, whatever it was                  PROVIDER_DOWN: it says nothing about the message, however permanent
    421, or credentials demanded, at any command  PROVIDER_DOWN
    4yz at MAIL, RCPT, DATA or after the dot      DEFERRED
    5yz there                                     REFUSED
    connection lost or silent before the dot      DEFERRED: without the dot the server has no message (RFC 5321, 4.1.1.4)
    connection lost or silent after the dot       UNKNOWN (RFC 5321, 4.5.3.2.6 and RFC 1047)
    ============================================  ==================================================================
    """
    reply = failure.reply
    code = reply.code if reply else 0
    return Outcome(_result(failure.phase, reply), code, f"{failure.phase.value}: {failure.detail}"[:_DETAIL])


def _result(phase: Phase, reply: Reply | None) -> Result:
    if phase is Phase.CONNECT:
        return Result.PROVIDER_DOWN
    if reply is None:
        return Result.UNKNOWN if phase is Phase.END else Result.DEFERRED
    if reply.code in _PROVIDER_CODES:
        return Result.PROVIDER_DOWN
    if 500 <= reply.code < 600 and reply.code != _CONFUSED:
        return Result.REFUSED
    if 400 <= reply.code < 500 or phase is not Phase.END or reply.code == _CONFUSED:
        return Result.DEFERRED
    return Result.UNKNOWN  # neither yes nor no to the message itself


def is_providers_fault(failure: SmtpFailure) -> bool:
    """Whether a failure says that the provider does not work, so that its breaker has to count it."""
    return failure.reply is None or _result(failure.phase, failure.reply) in (Result.PROVIDER_DOWN, Result.UNKNOWN)
