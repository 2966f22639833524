"""What a server's reply, or its silence, means for the message and for the provider (pure)."""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from mailer_svc.domain import SendOutcome, SendResult, printable

_DETAIL: Final = 500
_ENHANCED: Final = re.compile(r"[245]\.(\d{1,3})\.\d{1,3}(?!\d)")


class SmtpPhase(Enum):
    """How far a message had come. CONNECT is everything before AUTH: greeting, EHLO, STARTTLS; END is after the final dot."""

    CONNECT = "connecting"
    AUTH = "signing in"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    CONTENT = "sending the content"
    END = "waiting for the answer to the message"


class Subject(Enum):
    """What an enhanced status code is about (RFC 3463, 3): the second of its numbers."""

    OTHER = 0
    ADDRESS = 1
    MAILBOX = 2
    SYSTEM = 3
    NETWORK = 4
    PROTOCOL = 5
    CONTENT = 6
    POLICY = 7


@dataclass(frozen=True, slots=True)
class SmtpReply:
    """A complete reply; the lines of a long one are joined by spaces."""

    code: int
    text: str

    @property
    def positive(self) -> bool:
        """2yz: done."""
        return 200 <= self.code < 300

    @property
    def subject(self) -> Subject:
        """What its enhanced status code is about; OTHER without one."""
        found = _ENHANCED.match(self.text)
        number = int(found[1]) if found else 0
        return Subject(number) if number <= Subject.POLICY.value else Subject.OTHER


class SmtpFailure(Exception):
    """An attempt that did not end with 250.

    ``reply`` is the server's; None when the connection broke or timed out. ``credentials``: there are none that anybody would take.
    """

    def __init__(self, phase: SmtpPhase, detail: str, *, reply: SmtpReply | None = None, credentials: bool = False) -> None:
        self.phase = phase
        self.reply = reply
        self.credentials = credentials
        self.detail = printable(detail[:_DETAIL])
        super().__init__(f"{phase.value}: {self.detail}")

    @property
    def about_parameters(self) -> bool:
        """Whether the server did not like a parameter of MAIL or RCPT."""
        early = self.phase in (SmtpPhase.MAIL, SmtpPhase.RCPT)
        return early and self.reply is not None and self.reply.code in _ABOUT_PARAMETERS

    @property
    def too_many_connections(self) -> bool:
        """Whether the server takes no further connection now, and may take mail on those that stand."""
        early = self.phase in (SmtpPhase.CONNECT, SmtpPhase.AUTH)
        return early and self.reply is not None and (self.reply.code in _TOO_MANY or self.reply.text.startswith("4.3.2"))

    @classmethod
    def refused(cls, phase: SmtpPhase, reply: SmtpReply) -> "SmtpFailure":
        """The server said no."""
        return cls(phase, f"{reply.code} {reply.text}", reply=reply)


class NotHandedOver(Exception):
    """The message is no longer ours to send, or that cannot be known; nothing was sent."""


_CLOSING: Final = 421
_TOO_MANY: Final = frozenset({421, 432})  # 432 4.3.2: Exchange, of concurrent connections
_ABOUT_PARAMETERS: Final = frozenset({501, 504, 555})
_PARAMETERS: Final = 555  # RFC 5321, 4.1.1.11: of MAIL, such as SMTPUTF8, which only some messages need
# 503: the server lost the thread. 530, 534, 535, 538: it wants other credentials (RFC 4954, 6), which only the operator has; asked for at
# RCPT it means this recipient, as servers do that take mail for their own people from anybody. None of it is the message's fault.
_NOT_FOR_GOOD: Final = frozenset({503, 530, 534, 535, 538})
_ABOUT_THE_MESSAGE: Final = frozenset({Subject.ADDRESS, Subject.MAILBOX, Subject.CONTENT})


def outcome_of(failure: SmtpFailure) -> SendOutcome:
    """What a failure means for the message.

    ==============================================  =================================================================================
    5yz at AUTH                                     MISCONFIGURED: an operator has to mend the credentials
    anything else before MAIL                       PROVIDER_DOWN: it says nothing about the message, however permanent
    any refusal of MAIL                             PROVIDER_DOWN: only the sender was named, which all messages share
    5yz at MAIL about its parameters or content     REFUSED (555, x.6.z): this message needed them
    421 at RCPT or later                            LOST: the server closes; DEFERRED if it is about the address, mailbox or content
    4yz at RCPT, DATA or after the dot              DEFERRED, whatever else it says: "454 4.7.1 Relay access denied" is one recipient's
    5yz there                                       REFUSED; DEFERRED where it asks for credentials or lost the thread
    anything else there                             LOST; UNKNOWN after the dot
    connection lost or silent before the dot        LOST: without the dot the server has no message (RFC 5321, 4.1.1.4)
    connection lost or silent after the dot         UNKNOWN (RFC 5321, 4.5.3.2.6 and RFC 1047)
    ==============================================  =================================================================================
    """
    reply = failure.reply
    code = reply.code if reply and 0 < reply.code < 1000 else 0
    return SendOutcome(_result(failure), code, f"{failure.phase.value}: {failure.detail}"[:_DETAIL])


def _result(failure: SmtpFailure) -> SendResult:
    phase, reply = failure.phase, failure.reply
    if failure.credentials or (phase is SmtpPhase.AUTH and reply is not None and 500 <= reply.code < 600):
        return SendResult.MISCONFIGURED
    if phase in (SmtpPhase.CONNECT, SmtpPhase.AUTH):
        return SendResult.PROVIDER_DOWN
    if reply is None:
        return SendResult.UNKNOWN if phase is SmtpPhase.END else SendResult.LOST
    permanent = 500 <= reply.code < 600
    if phase is SmtpPhase.MAIL:
        needed = reply.code == _PARAMETERS or reply.subject is Subject.CONTENT
        return SendResult.REFUSED if permanent and needed else SendResult.PROVIDER_DOWN
    if reply.code == _CLOSING:
        return SendResult.DEFERRED if reply.subject in _ABOUT_THE_MESSAGE else SendResult.LOST
    if permanent:
        return SendResult.DEFERRED if reply.code in _NOT_FOR_GOOD else SendResult.REFUSED
    if 400 <= reply.code < 500:
        return SendResult.DEFERRED
    return SendResult.UNKNOWN if phase is SmtpPhase.END else SendResult.LOST  # neither yes nor no to the message itself


def counts_against_provider(failure: SmtpFailure, *, telling: bool) -> bool | None:
    """Whether a failure says that the provider does not work, so that its breaker has to count it; None: it says nothing of that.

    What a server says of a recipient or of a message never counts. A connection that is lost in the middle counts once for each message:
    the message may be why.

    Args:
        failure: how the attempt ended.
        telling: whether a loss in the middle says something: it was the first attempt at this message, and no probe.
    """
    result = _result(failure)
    if result in (SendResult.PROVIDER_DOWN, SendResult.MISCONFIGURED):
        return True
    if result in (SendResult.LOST, SendResult.UNKNOWN):
        return True if telling else None
    return False
