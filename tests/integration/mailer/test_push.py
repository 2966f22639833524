"""Push through a mailer: to a push server, a Firebase and a OneSignal of this machine, which answer as documented and otherwise."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from mailer_svc.channels.push.message import topic_of
from tests.integration.mailer.support import Rig, State, certificate, message
from tests.integration.mailer.test_oauth import KEY_FILE
from tocsin.api.mailer.v1 import delivery_service_pb2, push_service_pb2, push_service_pb2_grpc
from tocsin.egress.network import default_tls
from tocsin.testing.browser import PushReceiver
from tocsin.testing.http import HttpSink, Reply, SeenRequest
from tocsin.testing.waiting import eventually

APP = "1dd608f2-c6a1-11e3-851d-000c2940e62c"
FCM = "fcm:" + "dZ1:APA91b-_" * 12
ONESIGNAL = f"onesignal:{APP}"
BROWSER = PushReceiver()
SENT, DEAD, UNKNOWN, RETRYING = State.SENT, State.DEAD, State.OUTCOME_UNKNOWN, State.RETRYING


class FarEnds:
    """The servers, and a mailer that knows them."""

    def __init__(self, *, push: HttpSink, firebase: HttpSink, tokens: HttpSink, onesignal: HttpSink, rig: Rig) -> None:
        self.push = push
        self.firebase = firebase
        self.tokens = tokens
        self.onesignal = onesignal
        self.rig = rig
        self.webpush = BROWSER.address(f"{push.url}/p/1")

    def of(self, kind: str) -> tuple[str, HttpSink]:
        """An address, and the server that has it."""
        return {"webpush": (self.webpush, self.push), "fcm": (FCM, self.firebase), "onesignal": (ONESIGNAL, self.onesignal)}[kind]

    async def sent(self, to: str, *, key: int = 1, state: Any = SENT, **fields: Any) -> delivery_service_pb2.Delivery:
        """The delivery of a message, once it is in a state."""
        (ack,) = await self.rig.deliver(message(key, to=to, channel="push", **fields))
        assert not ack.reason, ack
        return await self.rig.settled(ack.delivery, state)


@pytest.fixture
async def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FarEnds]:
    """Everything, up and answering well."""
    context, authority = await asyncio.to_thread(certificate, tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    default_tls.cache_clear()
    async with HttpSink(tls=context) as push, HttpSink() as firebase, HttpSink() as tokens, HttpSink() as onesignal:
        push.script(Reply(status=201, headers={"location": "https://push.example.net/m/1"}))
        firebase.script(Reply.of_json({"name": "projects/p/messages/7"}))
        tokens.script(Reply.of_json({"access_token": "a1", "expires_in": 3600}), Reply.of_json({"access_token": "a2", "expires_in": 3600}))
        onesignal.script(Reply.of_json({"id": "n1"}))
        rig = Rig(folder=tmp_path)
        await rig.start(
            webpush_subject="mailto:ops@example.com",
            fcm_credentials=json.dumps(KEY_FILE | {"token_uri": f"{tokens.url}/token"}),
            fcm_url=firebase.url,
            onesignal_app_id=APP,
            onesignal_api_key="k1",
            onesignal_url=onesignal.url,
            egress_allow=("127.0.0.0/8",),
            retry_initial_seconds=0.05,
            retry_longest_seconds=0.1,
        )
        yield FarEnds(push=push, firebase=firebase, tokens=tokens, onesignal=onesignal, rig=rig)
        await rig.stop()
    default_tls.cache_clear()


async def test_a_message_goes_to_whom_its_address_names(far: FarEnds) -> None:
    """Each by its provider, each once, each told as SENT with the far end's answer."""
    for key, (kind, to) in enumerate([("webpush", far.webpush), ("fcm", FCM), ("onesignal", ONESIGNAL)], start=1):
        delivery = await far.sent(to, key=key)
        assert [entry.provider for entry in delivery.timeline if entry.provider] == [kind] * 2
    (pushed,), (by_firebase,), (by_onesignal,) = far.push.requests, far.firebase.requests, far.onesignal.requests
    assert json.loads(BROWSER.decrypt(pushed.body))["title"] == "Stand-up"
    assert pushed.headers["urgency"] == "normal"
    assert (by_firebase.target, by_firebase.headers["authorization"]) == ("/v1/projects/tocsin-test/messages:send", "Bearer a1")
    assert by_onesignal.json["include_subscription_ids"] == [APP]
    assert len(far.tokens.requests) == 1


async def test_the_key_is_public_and_the_one_that_signs(far: FarEnds) -> None:
    """No token is needed to ask for it."""
    stub: Any = push_service_pb2_grpc.PushServiceStub(far.rig.mesh_of("gateway").channel("mailer_svc"))
    key = await stub.GetPushKey(push_service_pb2.GetPushKeyRequest())
    await far.sent(far.webpush)
    assert far.push.requests[0].headers["authorization"].endswith(f", k={key.public_key}")


async def test_an_installation_without_web_push_says_what_to_set(tmp_path: Path) -> None:
    """Neither a key nor a message: both name the setting."""
    rig = Rig(folder=tmp_path)
    await rig.start()
    stub: Any = push_service_pb2_grpc.PushServiceStub(rig.mesh_of("gateway").channel("mailer_svc"))
    with pytest.raises(Exception, match="TOCSIN_MAILER_WEBPUSH_SUBJECT"):
        await stub.GetPushKey(push_service_pb2.GetPushKeyRequest())
    (ack,) = await rig.deliver(message(to=ONESIGNAL, channel="push"))
    assert (ack.reason, ack.retryable) == ("NO_PROVIDER", False)
    assert "TOCSIN_MAILER_WEBPUSH_SUBJECT" in ack.message
    await rig.stop()


@pytest.mark.parametrize("to", ["ann@example.com", "webpush:{}", "fcm:x", "onesignal:x", 'webpush:{"endpoint":"http://127.0.0.1/"}'])
async def test_an_address_of_another_form_is_refused(far: FarEnds, to: str) -> None:
    """In its acknowledgement, beside one that is taken."""
    bad, good = await far.rig.deliver(message(1, to=to, channel="push"), message(2, to=ONESIGNAL, channel="push"))
    assert (bad.reason, bad.retryable, bad.delivery) == ("ADDRESS_INVALID", False, "")
    await far.rig.settled(good.delivery, SENT)


async def test_a_subscription_cannot_lead_inside(tmp_path: Path, far: FarEnds) -> None:
    """Its endpoint is whatever a user says: without the operator's leave it reaches no private address."""
    await far.rig.stop()
    await far.rig.start(egress_allow=())
    for key, url in enumerate([far.push.url, "https://10.0.0.1/p", "https://[::ffff:127.0.0.1]/p", "https://localhost/p"], start=1):
        delivery = await far.sent(BROWSER.address(url), key=key, state=DEAD)
        assert "public" in delivery.timeline[-1].detail
    assert far.push.connections == 0


async def late(_request: SeenRequest, _writer: asyncio.StreamWriter) -> None:
    """Takes the message, and hangs up without a word."""


async def endless(_request: SeenRequest, writer: asyncio.StreamWriter) -> None:
    """An answer that does not end before the bound."""
    writer.write(b"HTTP/1.1 500 X\r\n\r\n" + b"x" * 200_000)
    await writer.drain()


TORN = Reply(raw=b'HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{"name": "pro')
MOVED = Reply(status=302, headers={"location": "http://127.0.0.1:9/"})


@pytest.mark.parametrize(
    ("kind", "reply", "state"),
    [
        ("webpush", Reply(status=410), DEAD),
        ("webpush", Reply(status=413), DEAD),
        ("webpush", MOVED, DEAD),
        ("webpush", Reply(status=503), SENT),
        ("webpush", endless, SENT),
        ("webpush", late, UNKNOWN),
        ("webpush", Reply(raw=b"nonsense\r\n\r\n"), UNKNOWN),
        ("webpush", Reply(status=403, body=b'{"reason":"VapidPkHashMismatch"}'), DEAD),
        ("webpush", Reply(status=403, body=b'{"reason":"BadJwtToken"}'), SENT),
        ("fcm", Reply(status=400, body=b"{"), DEAD),
        ("fcm", Reply(status=200, body=b"<html>"), UNKNOWN),
        ("fcm", TORN, UNKNOWN),
        ("fcm", late, UNKNOWN),
        ("onesignal", Reply(status=400), DEAD),
        ("onesignal", Reply.of_json({"id": "", "errors": ["All included players are not subscribed"]}), DEAD),
        ("onesignal", Reply(status=200, body=b"<html>"), SENT),
        ("onesignal", TORN, SENT),
        ("onesignal", late, SENT),
        ("onesignal", endless, SENT),
    ],
)
async def test_what_follows_from_an_answer(
    far: FarEnds, kind: str, reply: Reply | Callable[[SeenRequest, asyncio.StreamWriter], Awaitable[None]], state: Any
) -> None:
    """The first answer, and good ones after it: dead at once, unknown, or sent by another attempt that is the same message."""
    to, server = far.of(kind)
    server.script(reply, Reply.of_json({"id": "n1", "name": "m1"}, status=201))
    delivery = await far.sent(to, state=state)
    wanted = 2 if state == SENT else 1
    assert len(server.requests) == wanted, [entry.detail for entry in delivery.timeline]
    if kind == "onesignal":
        assert len({request.json["idempotency_key"] for request in server.requests}) == 1
    if kind == "webpush":
        assert {request.headers["topic"] for request in server.requests} == {topic_of(delivery.name.removeprefix("deliveries/"))}


async def test_a_refused_token_is_fetched_again_once(far: FarEnds) -> None:
    """What was refused is never sent again; the message goes out in the same attempt."""
    far.firebase.script(Reply(status=401), Reply.of_json({"name": "m1"}))
    delivery = await far.sent(FCM)
    assert [request.headers["authorization"] for request in far.firebase.requests] == ["Bearer a1", "Bearer a2"]
    assert (delivery.attempts, len(far.tokens.requests)) == (1, 2)


async def test_refused_credentials_kill_nothing_and_are_told(far: FarEnds) -> None:
    """The lane of Firebase rests and health says why; what goes by other providers is sent."""
    far.firebase.script(Reply(status=403))
    delivery = await far.sent(FCM, state=RETRYING)
    assert "403" in delivery.timeline[-1].detail
    await far.sent(FCM, key=2, state=State.ACCEPTED)
    await far.sent(ONESIGNAL, key=3)
    assert len(far.firebase.requests) == 1

    async def told() -> bool:
        return "it refuses our credentials (403)" in (await far.rig.health())["providers"][1]

    await eventually(told, what="health tells of it")


async def test_a_host_that_does_not_work_costs_no_other(far: FarEnds) -> None:
    """Two push services: messages to the one that fails wait, those to the other go out."""
    far.push.script(Reply(status=500))
    other = BROWSER.address(f"https://localhost:{far.push.port}/p/2")
    for key in range(1, 9):
        (ack,) = await far.rig.deliver(message(key, to=BROWSER.address(f"{far.push.url}/p/{key}"), channel="push"))
        await far.rig.settled(ack.delivery, RETRYING)
    far.push.script(Reply(status=201))
    await far.sent(other, key=20)
