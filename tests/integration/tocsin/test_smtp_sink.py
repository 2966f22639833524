"""The SMTP sink, spoken to by a real client."""

import datetime
import ipaddress
import ssl
from pathlib import Path

import aiosmtplib
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tocsin.testing.smtp import ScriptedReply, SmtpFault, SmtpSink, Stage

MAIL = "From: a@example.com\r\nTo: b@example.com\r\nSubject: hello\r\n\r\n.dot first\r\nend\r\n"


async def send(sink: SmtpSink, **options: object) -> None:
    """Sends the one mail, without encryption unless asked."""
    await aiosmtplib.send(
        MAIL,
        sender="a@example.com",
        recipients=["b@example.com"],
        hostname="127.0.0.1",
        port=sink.port,
        timeout=2,
        **{"start_tls": False, **options},  # pyright: ignore[reportArgumentType]  options of send
    )


async def test_it_takes_mail(smtp_sink: SmtpSink) -> None:
    """A message arrives with its envelope, its headers and a body whose leading dot survived."""
    await send(smtp_sink)
    (received,) = await smtp_sink.received(1)
    assert (received.sender, received.recipients) == ("a@example.com", ("b@example.com",))
    assert received.message["Subject"] == "hello"
    assert received.message.get_content() == ".dot first\r\nend\r\n"


@pytest.mark.parametrize(
    ("stage", "error"),
    [
        (Stage.CONNECT, aiosmtplib.SMTPConnectError),
        (Stage.EHLO, aiosmtplib.SMTPHeloError),
        (Stage.MAIL, aiosmtplib.SMTPSenderRefused),
        (Stage.RCPT, aiosmtplib.SMTPRecipientsRefused),
        (Stage.DATA, aiosmtplib.SMTPDataError),
        (Stage.END, aiosmtplib.SMTPDataError),
    ],
)
async def test_a_scripted_reply_refuses(smtp_sink: SmtpSink, stage: Stage, error: type[Exception]) -> None:
    """A scripted code is what the client sees at that stage, nothing is taken, and it takes mail again afterwards."""
    smtp_sink.script(stage, ScriptedReply(451, "4.3.0 later"), times=None)
    with pytest.raises(error):
        await send(smtp_sink)
    assert smtp_sink.taken == 0
    smtp_sink.clear()
    await send(smtp_sink)
    assert smtp_sink.taken == 1


@pytest.mark.parametrize(("stage", "taken"), [(Stage.MAIL, 0), (Stage.DATA, 0), (Stage.BODY, 0), (Stage.END, 1)])
@pytest.mark.parametrize("trouble", list(SmtpFault))
async def test_a_connection_dies_at_a_stage(smtp_sink: SmtpSink, stage: Stage, taken: int, trouble: SmtpFault) -> None:
    """A cut or a silence is an error to the client; only after the final dot was the message taken all the same."""
    smtp_sink.script(stage, trouble)
    with pytest.raises((aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPReadTimeoutError)):
        await send(smtp_sink)
    assert smtp_sink.taken == taken


async def test_a_script_may_choose_the_recipient(smtp_sink: SmtpSink) -> None:
    """A script with a condition leaves other recipients alone."""
    smtp_sink.script(Stage.RCPT, ScriptedReply(550, "5.1.1 nobody"), times=None, when=lambda line: "nobody@" in line)
    refused, _ = await aiosmtplib.send(
        MAIL, sender="a@x", recipients=["nobody@x", "b@x"], hostname="127.0.0.1", port=smtp_sink.port, start_tls=False
    )
    assert set(refused) == {"nobody@x"}
    assert smtp_sink.messages[0].recipients == ("b@x",)


async def test_it_checks_passwords() -> None:
    """A sink with credentials takes mail from who knows them, and from nobody else."""
    sink = SmtpSink(user="u", password="p")
    await sink.start()
    try:
        with pytest.raises(aiosmtplib.SMTPException):
            await send(sink)
        with pytest.raises(aiosmtplib.SMTPAuthenticationError):
            await send(sink, username="u", password="wrong")
        await send(sink, username="u", password="p")
        assert sink.taken == 1
    finally:
        await sink.stop()


async def test_it_counts_what_its_scripts_did() -> None:
    """By stage and action; what has yet to happen is pending."""
    sink = SmtpSink()
    await sink.start()
    try:
        sink.script(Stage.RCPT, ScriptedReply(450, "later"), times=2)
        with pytest.raises(aiosmtplib.SMTPRecipientsRefused):
            await send(sink)
        assert (sink.pending, dict(sink.injected)) == (1, {"RCPT 450": 1})
        with pytest.raises(aiosmtplib.SMTPRecipientsRefused):
            await send(sink)
        assert (sink.pending, dict(sink.injected)) == (0, {"RCPT 450": 2})
    finally:
        await sink.stop()


def make_certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A self-signed certificate for 127.0.0.1, and a server's context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(subject_name=name, issuer_name=name, public_key=key.public_key(), serial_number=1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "sink.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return path, context


@pytest.mark.parametrize("implicit", [False, True], ids=["STARTTLS", "implicit"])
async def test_it_speaks_tls(tmp_path: Path, implicit: bool) -> None:
    """A client that insists on TLS, by either way, delivers its mail."""
    path, context = make_certificate(tmp_path)
    sink = SmtpSink(tls=context, implicit_tls=implicit)
    await sink.start()
    try:
        trusting = ssl.create_default_context(cafile=path)
        await send(sink, use_tls=implicit, start_tls=None if implicit else True, tls_context=trusting)
        assert sink.taken == 1
    finally:
        await sink.stop()
