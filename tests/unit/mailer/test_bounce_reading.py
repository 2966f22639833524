"""What returned mails say: the standard forms, others, and mails that are built to hurt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer_svc.bounces.reading import BounceFinding, BounceUnreadable, parsed, standard_finding
from mailer_svc.bounces.scan import scan
from mailer_svc.domain import ReportKind

K = ReportKind


def dsn(*blocks: str, extra: str = "") -> bytes:
    """A report of RFC 3464 with a block for each recipient."""
    joined = "\n\n".join(["Reporting-MTA: dns; mx.example.org\nOriginal-Envelope-Id: d1", *blocks])
    return (
        "From: MAILER-DAEMON@example.org\nSubject: Undelivered Mail\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n'
        f"--b\nContent-Type: text/plain\n\nIt did not work.\n{extra}\n--b\nContent-Type: message/delivery-status\n\n{joined}\n\n"
        "--b\nContent-Type: text/rfc822-headers\n\nSubject: Stand-up\n\n--b--\n"
    ).encode()


def block(action: str, status: str, diagnostic: str = "") -> str:
    """The fields of a recipient."""
    told = f"\nDiagnostic-Code: smtp; {diagnostic}" if diagnostic else ""
    return f"Final-Recipient: rfc822; ann@example.com\nAction: {action}\nStatus: {status}{told}"


@pytest.mark.parametrize(
    ("action", "status", "diagnostic", "kind", "soft"),
    [
        ("failed", "5.1.1", "550 5.1.1 <ann@example.com> user unknown", K.BOUNCED, False),
        ("Failed", "5.1.10", "", K.BOUNCED, False),
        ("failed", "5.2.1", "", K.BOUNCED, False),
        ("failed", "5.7.13", "", K.BOUNCED, False),
        ("failed", "5.0.0", "550 5.1.1 no such user", K.BOUNCED, False),
        ("failed", "", "550 5.1.2 no such host", K.BOUNCED, False),
        ("failed", "5.1.8", "", K.BOUNCED, True),
        ("failed", "5.2.2", "552 5.2.2 mailbox full", K.BOUNCED, True),
        ("failed", "5.7.1", "554 5.7.1 looks like spam, see 5.1.1.9", K.BOUNCED, True),
        ("failed", "4.4.7", "delivery time expired", K.BOUNCED, True),
        ("failed", "nonsense", "", K.BOUNCED, True),
        ("delayed", "4.4.1", "", K.NOTED, False),
        ("delivered", "2.0.0", "", K.DELIVERED, False),
        ("relayed", "2.0.0", "", K.NOTED, False),
        ("expanded", "2.0.0", "", K.NOTED, False),
        ("something", "5.1.1", "", K.NOTED, False),
    ],
)
def test_a_standard_report_is_read(action: str, status: str, diagnostic: str, kind: ReportKind, soft: bool) -> None:
    """RFC 3464: what happened, and whether it is for good; the words of the far end come along."""
    found = standard_finding(parsed(dsn(block(action, status, diagnostic))))
    assert found is not None
    assert (found.kind, found.soft) == (kind, soft)
    assert diagnostic in found.detail


def test_of_several_recipients_the_worst_counts() -> None:
    """A list may have forwarded the mail."""
    found = standard_finding(parsed(dsn(block("delivered", "2.0.0"), block("failed", "5.1.1"), block("failed", "4.2.2"))))
    assert found is not None
    assert (found.kind, found.soft) == (K.BOUNCED, False)


@pytest.mark.parametrize(
    ("feedback", "kind"),
    [("abuse", K.COMPLAINED), ("fraud", K.COMPLAINED), ("not-spam", K.NOTED), ("opt-out", K.UNSUBSCRIBED), ("", K.NOTED)],
)
def test_a_complaint_is_read(feedback: str, kind: ReportKind) -> None:
    """RFC 5965."""
    data = (
        'From: fbl@example.com\nContent-Type: multipart/report; report-type=feedback-report; boundary="b"\n\n'
        "--b\n\nA complaint.\n--b\nContent-Type: message/feedback-report\n\n"
        f"Feedback-Type: {feedback}\nUser-Agent: Feed/1.0\nVersion: 1\n\n--b\nContent-Type: message/rfc822\n\nSubject: x\n\ny\n--b--\n"
    ).encode()
    found = standard_finding(parsed(data))
    assert found is not None
    assert found.kind is kind


QMAIL = b"""From: MAILER-DAEMON@example.org
Subject: failure notice

Hi. This is the qmail-send program at example.org.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<ann@example.com>:
Sorry, no mailbox here by that name. (#5.1.1)

--- Below this line is a copy of the message.
"""


@pytest.mark.parametrize(
    ("data", "said"), [(QMAIL, "failed"), (b"Subject: Holiday\n\nI am away.\n", "nothing"), (b"", "nothing"), (b"\xff\x00" * 99, "nothing")]
)
def test_other_forms_are_scanned(data: bytes, said: str) -> None:
    """By flufl-bounce; a notice of absence is no bounce."""
    assert standard_finding(parsed(data)) is None
    assert scan(data) == said


@pytest.mark.parametrize(
    "data",
    [
        b"".join(b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (n, n) for n in range(1000)),
        b'Content-Type: multipart/mixed; boundary="b"\n\n' + b"--b\n\n" * 50_000,
        b"Content-Type: message/rfc822\n\n" * 1000,
        b"a:\n" * 300_000,
        b"Content-Type: message/Delivery-Status\n\n" + b"\n" * 100_000,
        b"Content-Type: message/delivery-status\n\n" + b"\r" * 100_000,
        b"Content-Type: multipart/mixed; boundary*=a\x00b''x\n\n",
        b"Content-Type: multipart/mixed; boundary*" + b"9" * 5000 + b"=x\n\n",
    ],
    ids=["nested", "many parts", "mails in mails", "many headers", "blocks", "blocks of old", "NUL", "digits"],
)
def test_what_is_built_to_hurt_is_not_parsed(data: bytes) -> None:
    """It is counted in the bytes before any parser sees it."""
    with pytest.raises(BounceUnreadable):
        parsed(data)
    assert scan(data) == "nothing"


pieces = st.lists(
    st.sampled_from(
        [
            b"--b\n",
            b"--b--\n",
            b"\n",
            b"Action: failed\n",
            b"Status: 5.1.1\n",
            b"Content-Type: message/delivery-status\n",
            b"\xff",
            b"\x00",
            b": ",
            b"x" * 90,
            b'Content-Type: multipart/report; boundary="b"\n',
            b"Content-Type: message/feedback-report\n",
            b"Feedback-Type: abuse\n",
            b"=?utf-8?q?=ff?=",
        ]
    ),
    max_size=60,
).map(b"".join)


@given(pieces | st.binary(max_size=300))
def test_whatever_comes_is_read_or_refused(data: bytes) -> None:
    """Nothing raises, and what is told is one printable line of bounded length."""
    found = standard_finding(parsed(data))
    assert found is None or (isinstance(found, BounceFinding) and found.detail.isprintable() and len(found.detail) <= 500)
