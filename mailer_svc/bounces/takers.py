"""Who takes the mails that come to the listener, by the address that they are for."""

from typing import Final, NamedTuple, Protocol

from mailer_svc.bounces.reader import BounceReader
from mailer_svc.bounces.reading import BounceFinding
from mailer_svc.domain import ReportKind, ReturnPaths, StatusReport, UnsubscribeTokenInvalid
from mailer_svc.ports.reporting import StatusReports
from mailer_svc.service import Unsubscribing

PROVIDER: Final = "bounces"
TAKEN: Final = "250 2.0.0 taken"
_HEAD: Final = 64 * 1024
_MOST_TOKEN: Final = 1000


class MailVerdict(NamedTuple):
    """What became of a mail: how it is counted, and the reply to whoever hands it in (RFC 5321, 4.2)."""

    kind: str
    reply: str = TAKEN


class MailTaker(Protocol):
    """Takes the mails for some addresses."""

    def takes(self, address: str) -> bool:
        """Whether an address is one of its own; decides before any content comes."""
        ...

    async def take(self, address: str, data: bytes) -> MailVerdict:
        """Takes a mail, once what follows from it is stored.

        Raises:
            TocsinError: not now; it is to come again.
        """
        ...


class ReturnedMail:
    """What comes back to the return path of a delivery."""

    def __init__(self, *, paths: ReturnPaths, reports: StatusReports) -> None:
        self._paths = paths
        self._reports = reports
        self._reader = BounceReader()

    def takes(self, address: str) -> bool:
        """Return paths that we made."""
        return bool(self._paths.delivery(address))

    async def take(self, address: str, data: bytes) -> MailVerdict:
        """Tells the delivery."""
        finding = await self._reader.read(data)
        await self._reports.report([_report(self._paths.delivery(address), finding)])
        return MailVerdict(finding.kind.value)


class LeavingMail:
    """What comes to the address that List-Unsubscribe names: its subject is the token, and nothing else of it is looked at."""

    def __init__(self, *, address: str, unsubscribing: Unsubscribing) -> None:
        self._address = address.lower()
        self._unsubscribing = unsubscribing

    def takes(self, address: str) -> bool:
        """The one address."""
        return address.lower() == self._address

    async def take(self, address: str, data: bytes) -> MailVerdict:
        """Takes people at their word."""
        del address
        head = data[:_HEAD].partition(b"\r\n\r\n")[0]
        lines = [line for line in head.split(b"\r\n") if line[:8].lower() == b"subject:"]
        token = lines[0][8:].strip()[:_MOST_TOKEN].decode("ascii", "replace") if lines else ""
        try:
            await self._unsubscribing.leave(token)
        except UnsubscribeTokenInvalid:
            return MailVerdict("unknown_token")
        return MailVerdict(ReportKind.UNSUBSCRIBED.value)


def _report(delivery: str, finding: BounceFinding) -> StatusReport:
    return StatusReport(kind=finding.kind, delivery=delivery, provider=PROVIDER, detail=finding.detail, soft=finding.soft)
