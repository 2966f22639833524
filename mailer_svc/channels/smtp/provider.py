"""The SMTP server as a provider: a breaker around each attempt, and an outcome for each."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from mailer_svc.channels.circuit import ProviderCircuit
from mailer_svc.channels.outgoing import OutgoingMail
from mailer_svc.channels.rate import TokenBucket
from mailer_svc.channels.smtp.connect import SmtpConnector
from mailer_svc.channels.smtp.pool import SmtpPool
from mailer_svc.channels.smtp.replies import NotHandedOver, SmtpFailure, SmtpPhase, SmtpReply, counts_against_provider, outcome_of
from mailer_svc.channels.smtp.session import Envelope, SmtpSession
from mailer_svc.domain import SendJob, SendOutcome, SendResult
from tocsin.clock import Clock
from tocsin.errors import InvalidInput, TocsinError
from tocsin.mesh.breaker import Breaker, CallOutcome
from tocsin.telemetry import get_logger

NAME = "smtp"
_PATIENCE_SECONDS = 5.0
_NO_UTF8 = SendOutcome(SendResult.REFUSED, 0, "the address is not ASCII, and the server does not offer SMTPUTF8")
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpRule:
    """Bounds: connections (each carries one message at a time), seconds before an idle one is closed, messages on one connection.

    ``per_second`` is how many mails are sent a second, at most; 0: as many as the server takes.
    """

    connections: int
    idle_seconds: float
    messages: int
    per_second: float = 0.0


class SmtpProvider(ProviderCircuit):
    """Sends mails to one SMTP server."""

    def __init__(
        self,
        *,
        connector: SmtpConnector,
        outgoing: OutgoingMail,
        breaker: Breaker,
        rule: SmtpRule,
        clock: Clock,
        name: str = NAME,
    ) -> None:
        super().__init__(name=name, capacity=rule.connections, breaker=breaker)
        self._outgoing = outgoing
        self._clock = clock
        self._bucket = TokenBucket(per_second=rule.per_second, clock=clock)
        self._pool = SmtpPool(
            connector=connector, clock=clock, connections=rule.connections, idle_seconds=rule.idle_seconds, messages=rule.messages
        )

    @property
    def connections(self) -> int:
        """Open connections."""
        return self._pool.size

    async def start(self) -> None:
        """Gets ready; connects to nothing yet."""
        await self._pool.start()

    async def stop(self) -> None:
        """Close every connection."""
        await self._pool.stop()

    async def send(self, job: SendJob, *, hand_over: Callable[[], Awaitable[bool]]) -> SendOutcome:
        """Attempts one mail; never raises for what the server does."""
        try:
            content = self._outgoing.compose(job)
        except InvalidInput as error:
            return SendOutcome(SendResult.REFUSED, 0, error.message)
        except Exception as error:  # noqa: BLE001 - what cannot be written now can never be, and is no reason to stop for the others
            _log.error("not written as a mail", delivery=job.id, exc_info=error)
            return SendOutcome(SendResult.REFUSED, 0, f"cannot be written as a mail: {type(error).__name__}: {error}"[:500])
        wait = self._bucket.take(longest=_PATIENCE_SECONDS)
        if wait > _PATIENCE_SECONDS:
            return SendOutcome(SendResult.NOT_TRIED, 0, "as many mails were sent as its rate allows", retry_after=wait)
        if wait:
            await self._clock.sleep(wait)
        sender = self._outgoing.return_path(job)
        # The return path may be ASCII where the header From is not.
        utf8 = not (job.to.isascii() and sender.isascii() and self._outgoing.sender.address.isascii())
        envelope = Envelope(sender, job.to, utf8, job.id)
        # A probe that is lost in the middle leaves the circuit half open, for another message to try: this one may be why.
        try:
            async with self.guard(partial(self._health, telling=self.conclusive(job))):
                reply = await self._attempt(envelope, content, hand_over)
        except SmtpFailure as failure:
            return outcome_of(failure)
        except (TocsinError, NotHandedOver) as error:  # the circuit is open, or the mark could not be stored
            return SendOutcome(SendResult.NOT_TRIED, 0, str(error))
        return _NO_UTF8 if reply is None else SendOutcome(SendResult.SENT, reply.code, reply.text[:500])

    def _health(self, error: Exception, *, telling: bool) -> CallOutcome:
        """What an attempt that failed says of the server."""
        counts = counts_against_provider(error, telling=telling) if isinstance(error, SmtpFailure) else None
        if counts is None:
            return CallOutcome.IGNORED
        if counts:
            # Without the words that follow on a recipient: health is shown to people who may not see addresses.
            early = isinstance(error, SmtpFailure) and error.phase in (SmtpPhase.CONNECT, SmtpPhase.AUTH, SmtpPhase.MAIL)
            self.last_failure = str(error) if early else "the connection was lost in the middle of a mail"
        return CallOutcome.FAILURE if counts else CallOutcome.SUCCESS

    async def _attempt(self, envelope: Envelope, content: bytes, hand_over: Callable[[], Awaitable[bool]]) -> SmtpReply | None:
        session = await self._pool.acquire()
        used = session.sent > 0
        try:
            return await self._send(session, envelope, content, hand_over)
        except SmtpFailure as failure:
            if not (used and _went_stale(failure)):
                raise
        # The server had closed an idle connection, as servers do; that is nobody's failure.
        fresh = await self._pool.acquire(fresh=True)
        return await self._send(fresh, envelope, content, hand_over)

    async def _send(
        self, session: SmtpSession, envelope: Envelope, content: bytes, hand_over: Callable[[], Awaitable[bool]]
    ) -> SmtpReply | None:
        try:
            if envelope.utf8 and not session.utf8:
                return None
            return await session.send(envelope, content, hand_over=hand_over)
        except (SmtpFailure, NotHandedOver):
            raise
        except BaseException:
            session.abort()  # nobody knows where it stands
            raise
        finally:
            await self._pool.release(session)


def _went_stale(failure: SmtpFailure) -> bool:
    """Only the sender was named: what stands against it on a connection that was used before may not on a new one."""
    return failure.phase is SmtpPhase.MAIL
