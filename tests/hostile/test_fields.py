"""Every field of the resources of people with every hostile value, at both doors: what is refused is named, what is taken comes back."""

import asyncio
import itertools
import json
import os
import random
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import grpc
import httpx2
import pytest
from google.protobuf import json_format, message_factory
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from gateway.transcoding.contract import Rpc
from tests.hostile.conftest import FULL
from tests.hostile.json_values import Many, Raw
from tests.hostile.neighbour import sign_up
from tests.hostile.walk import Attack, attacks, contract, http_request, wire
from tocsin.api.validate import DESCRIPTOR
from tocsin.testing.stack import RunningStack

assert DESCRIPTOR
SAMPLE: Final = 250
SEED: Final = int(os.environ.get("HOSTILE_SEED", "1"))
_ABREAST: Final = 6
_LONGEST_TARGET: Final = 60_000
"""What this client sends at most."""
_MOST_MESSAGES: Final = 96
"""Messages in one another that every parser reads, with a few to spare for what holds the value."""
_TOO_MANY: Final = 5_000
"""Characters, or members; what has more may be refused as a whole document, which names no field."""

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(3600 if FULL else 600),
    pytest.mark.parametrize("stack", ["sqlite", "postgresql"] if FULL else ["sqlite"], indirect=True),
]


class Resource(NamedTuple):
    """What is made by one RPC: a good one by a number, and the field of the request that holds it."""

    rpc: str
    field: str
    good: Callable[[int], dict[str, Any]]


RESOURCES: Final = (
    Resource("CreateRecipient", "recipient", lambda number: {"name": f"recipients/w{number}", "display_name": "w"}),
    Resource("CreateGroup", "group", lambda number: {"name": f"groups/w{number}", "display_name": "w"}),
    Resource("CreateCategory", "category", lambda number: {"name": f"categories/w{number}"}),
    Resource("ReplacePreferences", "preferences", lambda _: {"name": "preferences"}),
    Resource("CreateSuppression", "suppression", lambda number: {"channel": "email", "address": f"w{number}@example.com"}),
    Resource("SendNotification", "notification", lambda _: {"to": ["w@example.com"], "channels": ["inbox"], "subject": "w", "text": "w"}),
    Resource("CreateTemplate", "template", lambda number: {"name": f"templates/w{number}", "subject": "w", "text": "w"}),
    Resource("CreateProvider", "provider", lambda _: {"kind": "ntfy", "config": {"url": "https://ntfy.example.com"}}),
    Resource("SetPiiPolicy", "policy", lambda number: {"name": f"pii/policies/w{number}", "measure": "FLAG"}),
)
_NORMALISED: Final = frozenset(
    {
        "Recipient.name",  # made if none is given
        "Recipient.locale",
        "Recipient.addresses",  # values in their normal form, with a name and a state
        "Recipient.groups",  # in order
        "Group.name",
        "Category.kind",
        "Suppression.address",
        "Suppression.reason",
        "Suppression.source",
        "Notification.subject",  # "(no subject)" for a blank one
        "Notification.send_time",  # at once if none is given
        "Notification.priority",
        "Preferences.choices",  # "*" for what is left out
        "Preferences.quiet_hours",
        "Template.parts",  # locales in their normal form; the subject of the default part
        "Provider.config",  # secrets are marked, defaults left out
        "Provider.name",  # made
        "Provider.position",
        "PiiPolicy.subject",  # "*" for everything
        "Recipient.time_zone",  # that of the tenant if none is given
        "Notification.event",
        "PiiPolicy.kinds",
    }
)
"""Fields whose value the contract says to be stored in another form than it was given in."""
_REFUSED: Final = frozenset(
    {"INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "FAILED_PRECONDITION", "RESOURCE_EXHAUSTED", "OUT_OF_RANGE"}
)


class Answer(NamedTuple):
    """What a door said: its code, the fields that it refused with the reasons, and the resource that was made."""

    code: str
    violations: list[tuple[str, str]]
    made: Message | None


def chosen() -> list[tuple[Resource, Attack]]:
    """Every attack on every field of every resource in a drawn order, or as many as a sample has."""
    rpcs = {rpc.policy.method: rpc for rpc in contract().rpcs()}
    numbers = itertools.count()
    found = [
        (resource, attack)
        for resource in RESOURCES
        for attack in _attacks(resource, rpcs[resource.rpc], numbers)
        if attack.path[0] == resource.field and len(attack.path) > 1
    ]
    random.Random(SEED).shuffle(found)
    return found if FULL else found[:SAMPLE]


def _attacks(resource: Resource, rpc: Rpc, numbers: Iterator[int]) -> Iterator[Attack]:
    """Each of a resource of its own, so that none meets the name of another."""
    common = resource.good(0)
    for attack in attacks(rpc, {resource.field: common}):
        holder = attack.request[resource.field]
        if isinstance(holder, dict):
            own = resource.good(next(numbers)).items()
            holder.update({key: value for key, value in own if key != attack.path[-1] and holder.get(key) == common[key]})
        yield attack


@pytest.mark.parametrize("door", ["rest", "grpc"])
async def test_what_is_refused_is_named_and_what_is_taken_comes_back(stack: RunningStack, door: str) -> None:
    """By REST and by gRPC; a refusal names a field and the reason, and nothing is our fault."""
    token = await sign_up(stack)
    wrong: list[str] = []
    rest = iter(chosen())
    async with stack.client(key=token) as client:
        options = [("grpc.max_send_message_length", -1)]
        async with grpc.aio.insecure_channel(stack.info["grpc"].removeprefix("grpc://"), options=options) as channel:

            async def assailant() -> None:
                for resource, attack in rest:
                    answer = await (_by_rest(client, resource, attack) if door == "rest" else _by_grpc(channel, token, attack))
                    if door == "grpc" and _is_no_message(attack.value) and answer is not None and answer.code == "INVALID_ARGUMENT":
                        continue  # bytes that are no message name no field
                    if answer is not None and (words := _fault(resource, attack, answer)):
                        wrong.append(f"{attack}: {words}")

            await asyncio.gather(*(assailant() for _ in range(_ABREAST)))
    assert not wrong, f"{len(wrong)}:\n" + "\n".join(sorted(wrong)[:100])


def _fault(resource: Resource, attack: Attack, answer: Answer) -> str:
    """What is wrong with an answer; empty if nothing is."""
    if answer.made is None:
        if answer.code not in _REFUSED:
            return f"answered {answer.code}"
        if answer.code == "INVALID_ARGUMENT" and not _is_of_the_whole(attack) and not any(name and why for name, why in answer.violations):
            return f"refused without a field: {answer.violations}"
        return ""
    name, descriptor = str(attack.path[1]), attack.rpc.descriptor.output_type
    if f"{answer.made.DESCRIPTOR.name}.{name}" in _NORMALISED or _is_output(descriptor.fields_by_name[name]):
        return ""
    given = message_factory.GetMessageClass(descriptor)()
    try:
        json_format.ParseDict(_plain(attack.request[resource.field]), given)
    except (json_format.ParseError, TypeError, ValueError, AttributeError):
        return ""  # the gateway reads more forms than this library does, and gRPC has no text
    field = given.DESCRIPTOR.fields_by_name[name]
    sent, stored = (_shown(getattr(message, name), field) for message in (given, answer.made))
    return "" if sent == stored else f"sent {sent!r:.120}, came back as {stored!r:.120}"


def _plain(value: Any) -> Any:
    """The value as a Python program has it."""
    if hasattr(value, "make"):
        return _plain(value.make())
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def _shown(value: Any, field: Any) -> Any:
    """A value that can be compared; times are kept to the microsecond."""
    if field.message_type is not None and field.message_type.full_name in ("google.protobuf.Timestamp", "google.protobuf.Duration"):
        return value.ToMicroseconds()
    if isinstance(value, Message):
        return json_format.MessageToDict(value)
    return [_shown(item, field) for item in value] if field.is_repeated and not hasattr(value, "items") else value


def _is_output(field: Any) -> bool:
    return "OUTPUT_ONLY" in str(field.GetOptions())


def _is_no_text(value: Any) -> bool:
    """Whether `wire` says it by bytes that are no UTF-8."""
    return value is True or (isinstance(value, str) and value.encode("utf-8", "replace").decode() != value)


def _is_no_message(value: Any) -> bool:
    """Whether no parser of protobuf reads what `wire` says it by: three messages a level, and 100 in all (`tocsin.values`)."""
    levels, inner = 0, value
    while isinstance(inner, dict | list) and inner:
        levels, inner = levels + 1, next(iter(inner.values() if isinstance(inner, dict) else inner))
    return _is_no_text(value) or levels * 3 > _MOST_MESSAGES


def _is_of_the_whole(attack: Attack) -> bool:
    """Whether what is wrong is the document: that it is no JSON, too large, or has too many members for one."""
    inner = attack.value.values() if isinstance(attack.value, dict) else (attack.value,)
    return any(isinstance(value, Raw) or (isinstance(value, Many) and value.count > _TOO_MANY) for value in inner) or (
        isinstance(attack.value, dict | list) and len(json.dumps(_plain(attack.value), default=str)) > _TOO_MANY
    )


async def _by_rest(client: httpx2.AsyncClient, resource: Resource, attack: Attack) -> Answer | None:
    request = http_request(attack)
    if request is None or len(request.target) > _LONGEST_TARGET:
        return None
    url = client.base_url.copy_with(raw_path=request.target)
    try:
        answer = await client.request(request.method, url, content=request.body, headers={"Content-Type": "application/json"}, timeout=30)
    except (httpx2.RemoteProtocolError, httpx2.WriteError, httpx2.ReadError) as error:
        return None if request.body is not None and len(request.body) > 1_000_000 else Answer(f"no answer: {error!r}", [], None)
    if answer.is_success:
        made = message_factory.GetMessageClass(attack.rpc.descriptor.output_type)()
        return Answer("OK", [], json_format.Parse(answer.text, made, ignore_unknown_fields=True))
    body = answer.json() if "json" in answer.headers.get("content-type", "") else {}
    found = [item for detail in body.get("details", ()) for item in detail.get("fieldViolations", ())]
    return Answer(str(body.get("code", answer.status_code)), [(item["field"], item["description"]) for item in found], None)


async def _by_grpc(channel: grpc.aio.Channel, token: str, attack: Attack) -> Answer | None:
    message = wire(attack)
    if message is None:
        return None
    output = message_factory.GetMessageClass(attack.rpc.descriptor.output_type)
    call: Any = channel.unary_unary(attack.rpc.policy.path, response_deserializer=output.FromString)
    try:
        return Answer("OK", [], await call(message, metadata=(("authorization", f"Bearer {token}"),), timeout=30))
    except grpc.aio.AioRpcError as error:
        status = status_pb2.Status()
        for key, value in error.trailing_metadata() or ():
            if key == "grpc-status-details-bin" and isinstance(value, bytes):
                status.MergeFromString(value)
        bad = error_details_pb2.BadRequest()
        for detail in status.details:
            detail.Unpack(bad)
        return Answer(error.code().name, [(item.field, item.description) for item in bad.field_violations], None)
