"""What the audit log learns of a call from its messages: the resource, the identity of the request, how many messages there were."""

import inspect
from collections.abc import Callable
from typing import Any

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tocsin.mesh.context import note
from tocsin.mesh.policy import MethodKind, MethodPolicy

Read = Callable[[Any], str]


def noted(function: Callable[..., Any], policy: MethodPolicy) -> Callable[..., Any]:
    """The handler ``function`` of a method, which notes what its request and its answer say."""
    pool = descriptor_pool.Default()
    of_request = _name_in(pool.FindMessageTypeByName(policy.request_type))
    of_answer = _name_in(pool.FindMessageTypeByName(policy.response_type))
    identity = policy.identity.names if policy.identity is not None else ()
    if policy.kind is not MethodKind.UNARY_UNARY or not inspect.iscoroutinefunction(function):
        return function

    async def handle(request: Any, context: Any) -> Any:
        found = note()
        if found is None:
            return await function(request, context)
        found.resource = of_request(request)
        if identity:
            found.request_id = _at(request, identity)
        answer = await function(request, context)
        found.resource = of_answer(answer) or found.resource
        return answer

    return handle


def counted(parse: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """Parses the messages of a stream, and counts them."""

    def read(raw: bytes) -> Any:
        if (found := note()) is not None:
            found.count += 1
        return parse(raw)

    return read


def _name_in(message: Descriptor) -> Read:
    """Reads the resource's name in messages of a type: its field "name", or that of the resource in it; "" where there is none."""
    if _is_name(message):
        return _own
    for field in message.fields:
        if field.message_type is not None and not field.is_repeated and _is_name(field.message_type):
            return lambda found, field=field.name: getattr(found, field).name
    if (parent := message.fields_by_name.get("parent")) is not None and parent.type == FieldDescriptor.TYPE_STRING:
        return lambda found: found.parent
    return lambda _: ""


def _is_name(message: Descriptor) -> bool:
    field = message.fields_by_name.get("name")
    return field is not None and field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated


def _own(message: Any) -> str:
    return message.name


def _at(message: Any, path: tuple[str, ...]) -> str:
    for name in path:
        message = getattr(message, name)
    return message
