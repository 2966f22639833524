"""The audit log of a real stack: each writing RPC of the contract leaves an entry that says who, what and from where; reads none."""

import asyncio
import contextlib
import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import grpc
import httpx2
import pytest
from google.api import field_behavior_pb2
from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.transcoding.contract import Rpc
from tests.hostile.requests import GOOD
from tests.hostile.walk import contract
from tocsin.api.validate import DESCRIPTOR
from tocsin.mesh.policy import MethodKind
from tocsin.telemetry import new_traceparent, trace_id_of
from tocsin.testing.stack import RunningStack
from tocsin.testing.waiting import eventually

assert DESCRIPTOR
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

AGENT: Final = "contract-walk/1"
LEDGERS: Final = {
    "PublishEvent": "/logs",
    "RecordReading": "/logs",
    "Ping": "/v1/alarms/{alarm}/pings",
    "ReceivePing": "/v1/alarms/{alarm}/pings",
    "ReceivePayload": "/v1/integrations/{integration}/payloads",
    "EnqueuePagerDutyEvent": "/v1/integrations/{integration}/payloads",
    "ReceiveCallback": "/v1/deliveries/{delivery}",
}
"""What the contract marks as unaudited, and where its own account is read."""
NAMES: Final = ("name", "parent", "user", "subject", "key")
"""Fields by which requests name what they write to."""
UNREAD: Final = ("INVALID_ARGUMENT", "PERMISSION_DENIED")
"""How calls end that were refused before anybody looked at what they name."""
LAST: Final = ("ChangePassword", "DeleteSession", "RevokeAllSessions")
"""What may end the session that calls."""
_ABREAST: Final = 8
_BEHAVIOUR: Final[Any] = descriptor_pool.Default().FindExtensionByName("google.api.field_behavior")
_RULES: Final[Any] = descriptor_pool.Default().FindExtensionByName("buf.validate.field")
_CHARACTERS: Final = re.compile(r"\[(?:\\.|[^\]\\])*\](?:\{[0-9,]+\}|[+*])?")
_CHOICE: Final = re.compile(r"\(([A-Za-z]+)[^)]*\)\??")


class Made(NamedTuple):
    """A call that was made: the trace by which it is found again, how it ended, and the resource that its request names."""

    rpc: Rpc
    trace: str
    code: str
    resource: str


def good(message: Descriptor) -> dict[str, Any]:
    """A request in which what is required has a value of the form that its rule asks for, in JSON with the names of the contract."""
    required = [field for field in message.fields if field_behavior_pb2.REQUIRED in field.GetOptions().Extensions[_BEHAVIOUR]]
    return {field.name: [_value(field)] if field.is_repeated else _value(field) for field in required}


def _value(field: FieldDescriptor) -> Any:
    if field.message_type is not None:
        known = {"google.protobuf.Timestamp": "2026-01-01T00:00:00Z", "google.protobuf.Duration": "60s"}
        return known.get(field.message_type.full_name) or good(field.message_type)
    if field.enum_type is not None:
        return 1
    if field.type != FieldDescriptor.TYPE_STRING:
        return "MQ==" if field.type == FieldDescriptor.TYPE_BYTES else 1
    rules = field.GetOptions().Extensions[_RULES].string
    pattern = _CHARACTERS.sub("1", _CHOICE.sub(r"\1", rules.pattern)).strip("^$")
    return pattern or "1" * max(1, rules.min_len)


class Walk:
    """Calls RPCs at the gRPC door as somebody, each under a trace of its own."""

    def __init__(self, channel: grpc.aio.Channel, authorization: str) -> None:
        self._channel = channel
        self._authorization = authorization

    async def all_of(self, rpcs: list[Rpc]) -> list[Made]:
        """Each once."""
        made, rest = list[Made](), iter(rpcs)

        async def caller() -> None:
            for rpc in rest:
                made.append(await self._one(rpc))

        await asyncio.gather(*(caller() for _ in range(_ABREAST)))
        return made

    async def _one(self, rpc: Rpc) -> Made:
        policy = rpc.policy
        kind = rpc.descriptor.input_type
        plain = {**good(kind), **GOOD.get(policy.method, {})}
        request = json_format.ParseDict(plain, message_factory.GetMessageClass(kind)(), ignore_unknown_fields=True)
        raw, parent = request.SerializeToString(), new_traceparent()
        metadata = (("authorization", self._authorization), ("traceparent", parent))
        streams = rpc.descriptor.server_streaming
        call: Any = getattr(self._channel, policy.kind.value)(policy.path)
        given: Any = iter([raw]) if rpc.descriptor.client_streaming else raw
        code = "OK"
        try:
            running = call(given, metadata=metadata, timeout=1 if policy.kind is MethodKind.UNARY_STREAM else 30)
            if streams:
                async for _ in running:
                    pass
            else:
                await running
        except grpc.aio.AioRpcError as error:
            code = error.code().name
        return Made(
            rpc, trace_id_of(parent), code, next((given for name in NAMES if isinstance(given := getattr(request, name, None), str)), "")
        )


async def logged(client: httpx2.AsyncClient) -> dict[str, list[Mapping[str, Any]]]:
    """The whole log of a tenant, by trace."""
    found = defaultdict[str, list[Mapping[str, Any]]](list)
    answer = await client.get("/v1/auditLogs:export", timeout=60)
    assert answer.status_code == 200, answer.text
    for line in map(json.loads, answer.text.splitlines()):
        if "auditLog" in line:
            found[line["auditLog"].get("traceId", "")].append(line["auditLog"])
    return found


def wrong(call: Made, entries: Sequence[Mapping[str, Any]], *, subject: str, tenant: str) -> str:
    """What an entry does not say of a call as it was; empty if all is well."""
    path = call.rpc.policy.path
    said = {name: str(entries[0].get(name, "")) for name in ("subject", "tenant", "clientAddress", "outcome", "method")}
    meant = {
        "subject": subject,
        "tenant": tenant,
        "clientAddress": "127.0.0.1",
        "outcome": call.code,
        "method": path.rpartition(".")[2],
    }
    agent, resource = (str(entries[0].get(name, "")) for name in ("userAgent", "resource"))
    named = resource.endswith(call.resource) or (call.code == "OK" and resource) or call.code in UNREAD  # an answer may name what was made
    count = f"; {len(entries)} entries" if len(entries) != 1 else ""
    differs = {name: (said[name], meant[name]) for name in meant if said[name] != meant[name]}
    differs |= {} if agent.startswith(AGENT) else {"userAgent": (agent, AGENT)}
    differs |= {} if named else {"resource": (resource, call.resource)}
    return f"{path}: {differs}{count}" if differs or count else ""


async def test_each_writing_rpc_leaves_an_entry_and_no_read_does(stack: RunningStack, stranger: httpx2.AsyncClient) -> None:
    """The owner of a tenant calls everything once, and is refused or not; a read leaves an entry only where the door refuses its scope."""
    who = (await stranger.get("/v1/auth:verify")).json()
    subject, tenant = who["subject"], who["tenant"].removeprefix("tenants/")
    rpcs = [rpc for rpc in contract().rpcs() if not rpc.policy.internal]
    writes = [rpc for rpc in rpcs if rpc.policy.audited]
    reads = [rpc for rpc in rpcs if rpc.policy.side_effect_free]
    rest = {rpc.policy.method for rpc in rpcs} - {rpc.policy.method for rpc in (*writes, *reads)}
    assert rest == LEDGERS.keys(), "what is unaudited has an account of its own"
    key = (await stranger.post("/v1/apiKeys", json={"displayName": "reads", "scopes": ["audit:read"]})).json()["secret"]
    options = [("grpc.primary_user_agent", AGENT)]
    async with (
        grpc.aio.insecure_channel(stack.info["grpc"].removeprefix("grpc://"), options=options) as channel,
        stack.client(key=key) as reader,
    ):
        walk = Walk(channel, stranger.headers["authorization"])
        read = await walk.all_of(reads)
        made = await walk.all_of([rpc for rpc in writes if rpc.policy.method not in LAST])
        for method in LAST:
            made += await walk.all_of([rpc for rpc in writes if rpc.policy.method == method])
        log: dict[str, list[Mapping[str, Any]]] = {}

        async def told() -> bool:
            nonlocal log
            log = await logged(reader)
            return all(call.trace in log for call in made)

        with contextlib.suppress(AssertionError):  # what is missing is named below
            await eventually(told)
    assert [call.rpc.policy.path for call in made if call.trace not in log] == [], "no entry"
    found = [wrong(call, log[call.trace], subject=subject, tenant=tenant) for call in made]
    assert [words for words in found if words] == []
    assert [call.rpc.policy.path for call in read if call.trace in log and call.code != "PERMISSION_DENIED"] == []
    assert {call.code for call in made} >= {"OK", "NOT_FOUND", "INVALID_ARGUMENT", "PERMISSION_DENIED"}
    assert len(made) == len(writes) > 100
