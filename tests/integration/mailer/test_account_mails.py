"""Mails about accounts, by a real SMTP dialogue: the installation's own, whatever a tenant has made."""

import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from mailer_svc.service.account_mails import TEMPLATES
from tests.integration.mailer.support import Rig, smtp_settings
from tocsin.api.mailer.v1 import account_mail_service_pb2 as pb
from tocsin.api.mailer.v1 import account_mail_service_pb2_grpc as rpc
from tocsin.api.mailer.v1 import delivery_service_pb2
from tocsin.errors import FailedPrecondition, InvalidInput, PermissionDenied
from tocsin.testing.smtp import SmtpSink

URL = "https://tocsin.example/account/reset/to_1"


def mail(**fields: Any) -> pb.SendAccountMailRequest:
    """A good one; ``fields`` replace its own."""
    values: dict[str, Any] = {"id": "m1", "template": "tocsin.password-reset", "address": "ann@example.com", **fields}
    values.setdefault("variables", {"url": URL, "token": "to_1", "name": "Ann"})
    return pb.SendAccountMailRequest(**values)


def stub(rig: Rig, name: str = "auth_svc") -> Any:
    """The service as ``name`` calls it."""
    return rpc.AccountMailServiceStub(rig.mesh_of(name).channel("mailer_svc"))


class Post:
    """A mailer that all of these tests share, and the server that it sends to."""

    def __init__(self, rig: Rig, sink: SmtpSink) -> None:
        self.rig = rig
        self.sink = sink
        self.mails = stub(rig)

    async def sends(self, **fields: Any) -> None:
        """Hands in a mail that nobody handed in before."""
        await self.mails.SendAccountMail(mail(**{"id": secrets.token_hex(8), **fields}))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def everybodys(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Post]:
    """One for the whole module."""
    sink = SmtpSink()
    await sink.start()
    rig = Rig(folder=tmp_path_factory.mktemp("mailing"), **smtp_settings(sink))
    await rig.start()
    yield Post(rig, sink)
    await rig.stop()
    await sink.stop()


@pytest.fixture
def post(everybodys: Post) -> Post:
    """The same, whose server has got nothing yet."""
    everybodys.sink.clear()
    return everybodys


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("locale", "subject", "words"),
    [
        ("", "Reset your password", "somebody asked for a new password"),
        ("de-CH", "Passwort zurücksetzen", "jemand hat für Ihr Konto"),
        ("de_DE", "Passwort zurücksetzen", "jemand hat für Ihr Konto"),
        ("fr", "Reset your password", "somebody asked for a new password"),
        ("Deutsch (Schweiz)", "Reset your password", "somebody asked for a new password"),
    ],
)
async def test_it_arrives_in_its_readers_language(post: Post, locale: str, subject: str, words: str) -> None:
    """Text and HTML, both with the link; what is no language is English."""
    await post.sends(locale=locale)
    (received,) = await post.sink.received(1)
    text, html = received.message.get_body(("plain",)), received.message.get_body(("html",))
    assert text is not None
    assert html is not None
    assert received.message["Subject"] == subject
    assert words in text.get_content()
    assert URL in text.get_content()
    assert f'href="{URL}"' in html.get_content()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("template", sorted(TEMPLATES))
@pytest.mark.parametrize("locale", ["", "de"])
async def test_each_can_be_sent_without_a_public_url(post: Post, template: str, locale: str) -> None:
    """Those that have a link show its token then."""
    linked = {
        "tocsin.password-reset",
        "tocsin.address-confirmation",
        "tocsin.invitation",
        "tocsin.address-change",
        "tocsin.address-changed",
    }
    await post.sends(template=template, locale=locale, variables={"url": "", "token": "to_7"} if template in linked else {})
    (received,) = await post.sink.received(1)
    text = received.message.get_body(("plain",))
    assert text is not None
    assert ("to_7" in text.get_content()) == (template in linked)


async def test_the_same_mail_is_sent_once(mailing: Rig, smtp_sink: SmtpSink) -> None:
    """However often it is handed over, such as after an answer that was lost."""
    for _ in range(3):
        await stub(mailing).SendAccountMail(mail())
    await stub(mailing).SendAccountMail(mail(id="m2"))
    await smtp_sink.received(2)
    assert smtp_sink.taken == 2


async def test_nobodys_template_takes_its_place(mailing: Rig, smtp_sink: SmtpSink) -> None:
    """Whoever may write templates could read the links of others by it; and nobody finds it among the deliveries."""
    mine = "<p>{{ url }} to https://evil.example</p>"
    await mailing.template("templates/tocsin.password-reset", subject="Mine", text="{{ url }}", html=mine)
    await stub(mailing).SendAccountMail(mail())
    (received,) = await smtp_sink.received(1)
    assert "evil.example" not in received.content.decode()
    with mailing.user():
        listed = await mailing.deliveries.ListDeliveries(delivery_service_pb2.ListDeliveriesRequest())
    assert list(listed.deliveries) == []


async def test_without_a_mail_server_it_is_refused(rig: Rig) -> None:
    """It never goes to the inbox, which a whole tenant reads."""
    with pytest.raises(FailedPrecondition) as caught:
        await stub(rig).SendAccountMail(mail())
    assert caught.value.error_reason == "NO_PROVIDER"


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "fields",
    [
        {"template": "tocsin.alarm"},
        {"template": "tocsin.none"},
        {"template": "mine"},
        {"address": "ann@example.com\r\nBcc: eve@example.com"},
        {"address": "Ann <ann@example.com>"},
        {"address": ""},
        {"id": "a b"},
        {"variables": {"nobody_declared": "x"}},
        {"variables": {"x" * 65: "x"}},
    ],
    ids=str,
)
async def test_what_it_is_not_for_is_refused(post: Post, fields: dict[str, Any]) -> None:
    """Other templates, what is no address, what the template does not know."""
    with pytest.raises((InvalidInput, FailedPrecondition)):
        await post.sends(**fields)
    assert post.sink.taken == 0


@pytest.mark.parametrize("name", ["gateway", "processor_svc"])
async def test_only_auth_svc_may_send(rig: Rig, name: str) -> None:
    """By its certificate."""
    with pytest.raises(PermissionDenied):
        await stub(rig, name).SendAccountMail(mail())
