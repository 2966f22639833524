"""What the audit log learns of a call from its messages: the resource, the identity of the request, how many messages there were."""

import inspect
import re
from collections.abc import Callable
from typing import Any, Final

from google.api import annotations_pb2
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tocsin.mesh.context import note
from tocsin.mesh.policy import MethodKind, MethodPolicy

Read = Callable[[Any], str]
_VARIABLE: Final = re.compile(r"\{(\w{1,100})(?:=[^{}]{0,500})?\}")
_PREFIX: Final = "/v1/"


def noted(function: Callable[..., Any], policy: MethodPolicy) -> Callable[..., Any]:
    """The handler ``function`` of a method, which notes what its request and its answer say."""
    pool = descriptor_pool.Default()
    of_request = resource_of(policy)
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
        if of_answer is not None:
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


def resource_of(policy: MethodPolicy) -> Read:
    """Reads the resource in a method's request: its name, or else what the path of its REST form names; "" where neither does."""
    return _name_in(descriptor_pool.Default().FindMessageTypeByName(policy.request_type)) or _path_of(policy)


def _name_in(message: Descriptor) -> Read | None:
    """Reads the resource's name in messages of a type: its field "name", that of the resource in it, or the parent; None without any."""
    if _is_name(message):
        return _own
    inner = next((field.name for field in message.fields if _holds_name(field)), None)
    parent = message.fields_by_name.get("parent")
    above = _parent if parent is not None and parent.type == FieldDescriptor.TYPE_STRING else None
    if inner is None:
        return above
    return lambda found: getattr(found, inner).name or (above(found) if above else "")


def _holds_name(field: FieldDescriptor) -> bool:
    return field.message_type is not None and not field.is_repeated and _is_name(field.message_type)


def _path_of(policy: MethodPolicy) -> Read:
    """Reads what the path of the method's REST form names, such as "records/{key}"; nothing that is secret, such as the token of a link."""
    method = descriptor_pool.Default().FindServiceByName(policy.service).methods_by_name[policy.method]
    options: Any = method.GetOptions()
    rule = options.Extensions[annotations_pb2.http]
    template = str(getattr(rule, rule.WhichOneof("pattern") or "get"))
    variables = list(_VARIABLE.finditer(template))
    secret = any(method.input_type.fields_by_name[found[1]].GetOptions().debug_redact for found in variables)
    if not template.startswith(_PREFIX) or not variables or secret:
        return lambda _: ""
    named = template[len(_PREFIX) : variables[-1].end()]
    return lambda request: _VARIABLE.sub(lambda found: str(getattr(request, found[1])), named)


def _is_name(message: Descriptor) -> bool:
    field = message.fields_by_name.get("name")
    return field is not None and field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated


def _own(message: Any) -> str:
    return message.name


def _parent(message: Any) -> str:
    return message.parent


def _at(message: Any, path: tuple[str, ...]) -> str:
    for name in path:
        message = getattr(message, name)
    return message
