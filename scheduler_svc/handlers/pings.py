"""The pings of TriggerService: our own, and those of healthchecks.io."""

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl

import grpc
from google.api.httpbody_pb2 import HttpBody

from scheduler_svc.handlers.caller import caller
from scheduler_svc.handlers.convert import draft_of
from scheduler_svc.handlers.times import micros_of, set_instant
from scheduler_svc.service.alarms import Alarms, Caller
from scheduler_svc.service.ping_keys import PingKeys
from scheduler_svc.service.signals import PingDraft, Triggers
from scheduler_svc.triggers import HeartbeatKeyTaken, HeartbeatNotFound, PingKind, TooManyPings, is_uuid
from tocsin.api.scheduler.v1 import alarm_pb2
from tocsin.api.scheduler.v1 import trigger_service_pb2 as pb
from tocsin.errors import InvalidInput, PermissionDenied
from tocsin.mesh.context import current
from tocsin.telemetry import current_traceparent

Context = grpc.aio.ServicerContext[Any, Any]

BODY_LIMIT: Final = 100_000
"""Bytes of a body that are kept, as many as healthchecks.io keeps."""

_SCOPE: Final = "events:write"
_POLICIES: Final = "escalationPolicies/"
_KEY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\Z")
_SLUG: Final = re.compile(r"[a-z0-9_-]{1,100}\Z")
_NUMBER: Final = re.compile(r"[0-9]{1,20}\Z")
_HIGHEST_STATUS: Final = 255
_MOST_PARAMETERS: Final = 50
_LONGEST_AGENT: Final = 200
_WORDS: Final = {"": PingKind.SUCCESS, "start": PingKind.START, "fail": PingKind.FAIL, "log": PingKind.LOG}
# What healthchecks.io takes unless it is told otherwise.
_MADE_EVERY: Final = 86_400
_MADE_GRACE: Final = 3600


class ScopeNeeded(PermissionDenied):
    """The token lacks the scope events:write, which a key of the client's own choice needs."""


class _Refused(Exception):
    """A ping that is refused, in the words of healthchecks.io."""

    def __init__(self, status: int, text: str, *, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.retry_after = retry_after


class _Signalled(NamedTuple):
    """What the end of a path says."""

    kind: PingKind
    exit_status: int | None = None


class PingRpcs:
    """The RPCs of TriggerService that take pings."""

    def __init__(self, *, triggers: Triggers, keys: PingKeys, alarms: Alarms, active: Callable[[str], bool]) -> None:
        self._active = active
        self._triggers = triggers
        self._keys = keys
        self._alarms = alarms

    async def Ping(self, request: pb.PingRequest, context: Context) -> pb.PingResponse:
        """Takes a ping. A secret key needs no sign-in; one that the client chose does."""
        call = current()
        who = call.principal if call is not None else None
        known = who is not None and _SCOPE in who.scopes
        draft = PingDraft(
            key=request.key,
            kind=PingKind(request.kind or PingKind.SUCCESS),
            exit_status=request.exit_status if request.HasField("exit_status") else None,
            run=request.run_id,
            happened=micros_of(request.time, field="time") if request.HasField("time") else None,
            body=request.body,
        )
        try:
            answer = await self._triggers.ping(who.tenant if who and known else "", draft, traceparent=current_traceparent() or "")
        except HeartbeatNotFound:
            if who is None or known:
                raise
            raise ScopeNeeded(metadata={"scope": _SCOPE}) from None
        response = pb.PingResponse(alarm=f"alarms/{answer.alarm}", resolved=answer.resolved)
        set_instant(response.deadline, answer.deadline)
        return response

    async def ReceivePing(self, request: pb.ReceivePingRequest, context: Context) -> pb.ReceivePingResponse:
        """Takes a ping, and answers in the words of healthchecks.io."""
        try:
            made = await self._received(request)
        except HeartbeatNotFound:
            return _said(404, "not found")
        except TooManyPings as error:
            return _said(429, "rate limit exceeded", retry_after=error.retry_after)
        except _Refused as error:
            return _said(error.status, error.text, retry_after=error.retry_after)
        return _said(201, "Created") if made else _said(200, "OK")

    async def GetPingKey(self, request: pb.GetPingKeyRequest, context: Context) -> pb.PingKey:
        """Reads the key."""
        found = await self._keys.get(caller().tenant)
        return pb.PingKey(key=found.secret, escalation_policy=f"{_POLICIES}{found.policy}" if found.policy else "")

    async def UpdatePingKey(self, request: pb.UpdatePingKeyRequest, context: Context) -> pb.PingKey:
        """Makes or changes the key."""
        said = request.ping_key
        if is_uuid(said.key):
            raise InvalidInput.at("pingKey.key", "must not be a UUID: those name heartbeats")
        policy = said.escalation_policy.removeprefix(_POLICIES)
        made = await self._keys.update(caller().tenant, secret=said.key, policy=policy, rotate=request.rotate)
        return pb.PingKey(key=made.secret, escalation_policy=f"{_POLICIES}{made.policy}" if made.policy else "")

    async def _received(self, request: pb.ReceivePingRequest) -> bool:
        """Takes the ping that a request is; whether its heartbeat was made for it."""
        query = _query(request.query)
        key = None if is_uuid(request.key) or not request.first else await self._keys.find(request.key)
        if key is not None:
            if not _SLUG.match(request.first):
                raise HeartbeatNotFound
            draft = _draft(request, query, slug=request.first, signal=_signal(request.second))
            return await self._by_slug(key.tenant, key.policy, draft, create=query.get("create") == "1")
        if request.second or not _KEY.match(request.key):
            raise HeartbeatNotFound
        call = current()
        who = call.principal if call is not None else None
        tenant = who.tenant if who is not None and _SCOPE in who.scopes else ""
        draft = _draft(request, query, key=request.key, signal=_signal(request.first))
        await self._triggers.ping(tenant, draft, traceparent=current_traceparent() or "")
        return False

    async def _by_slug(self, tenant: str, policy: str, draft: PingDraft, *, create: bool) -> bool:
        trace = current_traceparent() or ""
        try:
            await self._triggers.ping(tenant, draft, traceparent=trace)
            return False
        except HeartbeatNotFound:
            if not create:
                raise
        if not self._active(tenant):
            raise _Refused(403, "suspended")
        if not policy:
            raise _Refused(400, "no escalation policy for what is created")
        if not await self._keys.may_make(tenant):
            raise _Refused(400, "too many checks")
        try:
            await self._alarms.create(Caller(tenant=tenant, traceparent=trace), draft_of(_made(draft.slug, policy)))
        except HeartbeatKeyTaken:
            pass  # a ping at the same time has made it
        except InvalidInput as error:
            raise _Refused(400, "cannot be created") from error
        await self._triggers.ping(tenant, draft, traceparent=trace)
        return True


def _made(slug: str, policy: str) -> alarm_pb2.Alarm:
    """The heartbeat that a ping makes."""
    made = alarm_pb2.Alarm(display_name=slug)
    made.trigger.heartbeat.every.seconds = _MADE_EVERY
    made.trigger.heartbeat.grace.seconds = _MADE_GRACE
    made.trigger.heartbeat.slug = slug
    made.action.notify.escalation_policy = f"{_POLICIES}{policy}"
    made.action.notify.subject = f"{slug} is down"
    made.action.notify.text = f"The job {slug} has failed, or its ping has not come in time."
    return made


def _signal(text: str) -> _Signalled:
    """What "start", "fail", "log", an exit status or nothing says."""
    if text in _WORDS:
        return _Signalled(_WORDS[text])
    if not _NUMBER.match(text):
        raise HeartbeatNotFound
    if int(text) > _HIGHEST_STATUS:
        raise _Refused(400, "invalid url format")
    return _Signalled(PingKind.FAIL if int(text) else PingKind.SUCCESS, int(text))


def _query(text: str) -> dict[str, str]:
    try:
        found = dict(parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS))
    except ValueError:
        raise _Refused(400, "invalid query") from None
    if "rid" in found and not is_uuid(found["rid"]):
        raise _Refused(400, "invalid uuid format")
    return found


def _draft(request: pb.ReceivePingRequest, query: dict[str, str], *, signal: _Signalled, key: str = "", slug: str = "") -> PingDraft:
    length = request.headers.get("content-length", "")
    return PingDraft(
        key=key,
        slug=slug,
        kind=signal.kind,
        exit_status=signal.exit_status,
        run=query.get("rid", ""),
        happened=micros_of(request.time, field="time") if request.HasField("time") else None,
        method=request.method,
        agent=request.headers.get("user-agent", "")[:_LONGEST_AGENT],
        address=request.address,
        body=request.body.data[:BODY_LIMIT],
        size=int(length) if len(length) < len(str(2**60)) and length.isdecimal() and request.body.data else len(request.body.data),
    )


def _said(status: int, text: str, *, retry_after: float | None = None) -> pb.ReceivePingResponse:
    headers = {"ping-body-limit": str(BODY_LIMIT)}
    if retry_after is not None:
        headers["retry-after"] = str(max(1, round(retry_after)))
    body = HttpBody(content_type="text/plain; charset=utf-8", data=text.encode())
    return pb.ReceivePingResponse(text=body, status=status, headers=headers)
