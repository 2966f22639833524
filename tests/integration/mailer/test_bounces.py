"""The listener for returned mail: real conversations, in SMTP and LMTP, by those who may and those who may not."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiosmtplib
import pytest
from prometheus_client import CollectorRegistry

from mailer_svc.bounces import BounceDoor, BounceListener, LeavingMail, ReturnedMail
from mailer_svc.bounces.reading import MAX_BYTES
from mailer_svc.channels.email import return_paths
from mailer_svc.domain import ReportKind, ReturnPaths, StatusReport, UnsubscribeTokenInvalid
from mailer_svc.metrics import BounceMetrics
from tests.integration.mailer.support import Rig, State, message, smtp_settings
from tests.unit.mailer.test_bounce_reading import QMAIL, block, dsn
from tocsin.errors import Unavailable
from tocsin.installation_key import KEY_FILE, InstallationKey
from tocsin.testing.process import free_port
from tocsin.testing.smtp import SmtpSink

PATHS = ReturnPaths(address="bounces@example.org", key=b"k" * 32)
DELIVERY = "0123456789abcdef0123456789abcdef"
GOOD = PATHS.of(DELIVERY)


class Heard:
    """Takes reports and tokens."""

    def __init__(self) -> None:
        self.reports: list[StatusReport] = []
        self.tokens: list[str] = []
        self.away = False

    async def report(self, reports: Any) -> int:
        """Notes reports."""
        if self.away:
            raise Unavailable("the database is away")
        self.reports += reports
        return len(reports)

    async def leave(self, token: str) -> None:
        """Notes a token."""
        if token != "good":
            raise UnsubscribeTokenInvalid
        self.tokens.append(token)


@pytest.fixture
def heard() -> Heard:
    """What the listener is told."""
    return Heard()


@pytest.fixture
def registry() -> CollectorRegistry:
    """Where it counts."""
    return CollectorRegistry()


@pytest.fixture
async def listener(heard: Heard, registry: CollectorRegistry) -> AsyncIterator[BounceListener]:
    """A listener."""
    anything: Any = heard
    takers = [ReturnedMail(paths=PATHS, reports=anything), LeavingMail(address="leave@example.org", unsubscribing=anything)]
    door = BounceDoor(takers=takers, metrics=BounceMetrics(registry))
    made = BounceListener(host="127.0.0.1", port=0, door=door)
    await made.start()
    yield made
    await made.stop()


async def hand_in(listener: BounceListener, data: bytes, to: str = GOOD) -> str:
    """What the listener says in the end to a mail that somebody hands in; "" for one that it takes."""
    client = aiosmtplib.SMTP(hostname="127.0.0.1", port=listener.port, timeout=120, start_tls=False)
    async with client:
        try:
            await client.sendmail("", [to], data)
        except (aiosmtplib.SMTPResponseException, aiosmtplib.SMTPRecipientsRefused) as error:
            return str(error)
    return ""


@pytest.mark.parametrize(
    ("data", "kind", "soft"),
    [
        (dsn(block("failed", "5.1.1", "550 5.1.1 unknown")), ReportKind.BOUNCED, False),
        (dsn(block("failed", "5.2.2")), ReportKind.BOUNCED, True),
        (dsn(block("delayed", "4.4.1")), ReportKind.NOTED, False),
        (QMAIL, ReportKind.BOUNCED, False),
        (b"Subject: Holiday\n\nI am away.\n", ReportKind.NOTED, False),
        (b"Content-Type: message/rfc822\n\n" * 1000, ReportKind.NOTED, False),
    ],
)
async def test_what_comes_back_is_told_of_its_delivery(
    listener: BounceListener, heard: Heard, data: bytes, kind: ReportKind, soft: bool
) -> None:
    """By the return path, whatever else the mail says of itself."""
    assert await hand_in(listener, data) == ""
    (report,) = heard.reports
    assert (report.delivery, report.kind, report.soft, report.provider) == (DELIVERY, kind, soft, "bounces")


@pytest.mark.parametrize(
    "to",
    ["ann@example.com", "bounces@example.org", GOOD[:-13] + "0@example.org", GOOD.replace("example", "other"), "bounces+x@example.org"],
)
async def test_who_guesses_is_refused_and_counted(listener: BounceListener, heard: Heard, registry: CollectorRegistry, to: str) -> None:
    """550 before any content."""
    assert "550" in await hand_in(listener, dsn(block("failed", "5.1.1")), to)
    assert heard.reports == []
    assert registry.get_sample_value("tocsin_returned_mails_total", {"kind": "unknown_address"}) == 1


async def test_a_mail_that_leaves_is_its_subject(listener: BounceListener, heard: Heard) -> None:
    """List-Unsubscribe by mail: the token is the subject; one that is none of ours changes nothing."""
    for subject in ("good", "bad", ""):
        assert await hand_in(listener, f"From: a@b.c\r\nSubject: {subject}\r\n\r\n.\r\n".encode(), "leave@example.org") == ""
    assert heard.tokens == ["good"]


async def test_what_cannot_be_stored_comes_again(listener: BounceListener, heard: Heard) -> None:
    """A mail is acknowledged once its report is stored."""
    heard.away = True
    assert "451" in await hand_in(listener, dsn(block("failed", "5.1.1")))
    heard.away = False
    assert await hand_in(listener, dsn(block("failed", "5.1.1"))) == ""


async def test_a_mail_that_is_too_large_is_refused(listener: BounceListener, heard: Heard) -> None:
    """One that is nearly so is read."""
    assert "552" in await hand_in(listener, dsn(block("failed", "5.1.1"), extra=("x" * 70 + "\n") * (MAX_BYTES // 70)))
    assert heard.reports == []


async def talk(listener: BounceListener, *lines: str) -> list[str]:
    """The first words of each answer in a conversation that is written by hand."""
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    said = [await reader.readline()]
    for line in lines:
        writer.write(line.encode() + b"\r\n")
        answer = await reader.readline()
        while answer[3:4] == b"-":
            answer = await reader.readline()
        said.append(answer)
    writer.close()
    await writer.wait_closed()
    return [answer.decode()[:3] for answer in said]


async def test_it_speaks_lmtp_and_takes_one_recipient(listener: BounceListener, heard: Heard) -> None:
    """RFC 2033 asks for an answer for each recipient, and one has one."""
    mail = dsn(block("failed", "5.1.1")).decode()
    said = await talk(listener, "LHLO relay", "MAIL FROM:<>", f"RCPT TO:<{GOOD}>", f"RCPT TO:<{GOOD}>", "DATA", f"{mail}\r\n.", "QUIT")
    assert said == ["220", "250", "250", "250", "452", "354", "250", "221"]
    assert len(heard.reports) == 1


async def test_connections_are_bounded_and_a_stop_ends_them(listener: BounceListener) -> None:
    """The fifty-first is told to come later; those that say nothing hold nobody else's mail once they are gone."""
    held = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in range(50)]
    for reader, _ in held:
        assert (await reader.readline()).startswith(b"220")
    assert await talk(listener) == ["421"]
    held[0][1].close()
    await held[0][1].wait_closed()
    assert (await talk(listener))[0] in ("220", "421")
    await listener.stop()
    for reader, _ in held[1:]:
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
    for _, writer in held[1:]:
        writer.close()


async def test_a_bounce_goes_all_the_way(tmp_path: Path, smtp_sink: SmtpSink) -> None:
    """A mail is sent with its return path, comes back to it, and the delivery says so."""
    port = free_port()
    rig = Rig(folder=tmp_path, **smtp_settings(smtp_sink, smtp_return_path="bounces@example.org", bounce_port=port))
    await rig.start()
    (ack,) = await rig.deliver(message(1))
    await rig.settled(ack.delivery, State.SENT)
    (received,) = await smtp_sink.received(1)
    paths = return_paths("bounces@example.org", InstallationKey(secret="", file=tmp_path / KEY_FILE))
    assert paths is not None
    assert f"deliveries/{paths.delivery(received.sender)}" == ack.delivery
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, timeout=20, start_tls=False) as client:
        await client.sendmail("", [received.sender], dsn(block("failed", "5.1.1", "550 5.1.1 unknown")))
    delivery = await rig.settled(ack.delivery, State.BOUNCED)
    assert (delivery.timeline[-1].provider, "unknown" in delivery.timeline[-1].detail) == ("bounces", True)
    await rig.stop()
