"""Every field of every public RPC's request, with every hostile value of its kind, as REST requests and as gRPC messages."""

import copy
import itertools
import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import quote_from_bytes

from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from gateway.transcoding.contract import Contract, Rpc
from gateway.transcoding.template import parse
from tests.hostile.json_values import LISTS, Many, Raw, crowds_of, is_well_known, values_of
from tocsin.mesh.policy import contract as descriptor_set

DEPTH: Final = 6
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Attack:
    """One hostile value in one field of one request.

    Attributes:
        rpc: what is called.
        path: names of fields from the request on, with 0 for an element of a list.
        value: what is put there.
        request: the whole request in the JSON form, with the value in it.
    """

    rpc: Rpc
    path: Path
    value: Any
    request: dict[str, Any]

    def __str__(self) -> str:
        """For a report."""
        shown = ascii(self.value)
        return f"{self.rpc.policy.service.rpartition('.')[2]}.{self.rpc.policy.method} {'.'.join(map(str, self.path))} = {shown[:80]}"


def contract() -> Contract:
    """Tocsin's own."""
    return Contract(descriptor_set=descriptor_set().SerializeToString(), package="tocsin.api.")


def fields(message: Descriptor, *, depth: int = DEPTH, inside: Sequence[str] = ()) -> Iterator[tuple[Path, FieldDescriptor, Path]]:
    """Every field that a request may have: its path, itself, and the path of the list or object whose kind it is."""
    for field in message.fields:
        path: Path = (field.name,)
        repeated = field.is_repeated and not (field.message_type is not None and field.message_type.GetOptions().map_entry)
        element: Path = (*path, 0) if repeated else path
        yield element, field, path
        if field.message_type is None or is_well_known(field) or field.message_type.GetOptions().map_entry:
            continue
        if depth and field.message_type.full_name not in inside:
            for inner, found, whole in fields(field.message_type, depth=depth - 1, inside=(*inside, message.full_name)):
                yield (*element, *inner), found, (*element, *whole)


def attacks(rpc: Rpc, base: Mapping[str, Any]) -> Iterator[Attack]:
    """Every attack on ``rpc``; ``base`` is a good request in the JSON form, with the names of the contract."""
    for path, field, whole in fields(rpc.descriptor.input_type):
        for value in values_of(field):
            yield Attack(rpc, path, value, _with(base, path, value, rpc.descriptor.input_type))
        if path != whole:
            for value in (*LISTS, *crowds_of(field)):
                yield Attack(rpc, whole, value, _with(base, whole, value, rpc.descriptor.input_type))


def _with(base: Mapping[str, Any], path: Path, value: Any, message: Descriptor) -> dict[str, Any]:
    request = copy.deepcopy(dict(base))
    at: Any = request
    for step, following in itertools.pairwise(path):
        if isinstance(step, str):
            message = _leave_oneof(at, step, message)
            if not isinstance(at.get(step), list if following == 0 else dict):
                at[step] = [{}] if following == 0 else {}
        at = at[step]
    last = path[-1]
    if isinstance(last, str):
        _leave_oneof(at, last, message)
    at[last] = value
    return request


def _leave_oneof(at: dict[str, Any], name: str, message: Descriptor) -> Descriptor:
    """Takes the other members of a oneof out; the message type of the field ``name``."""
    field = message.fields_by_name[name]
    if field.containing_oneof is not None:
        for other in field.containing_oneof.fields:
            if other.name != name:
                at.pop(other.name, None)
    return cast("Descriptor", field.message_type)


# -- REST ----------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What is sent; the target is raw, as it stands on the wire."""

    method: str
    target: bytes
    body: bytes | None
    streamed: bool


def http_request(attack: Attack) -> HttpRequest | None:
    """The request by the RPC's own rule; None when it has none, or when its path cannot say the value."""
    rule = attack.rpc.rule
    if rule is None:
        return None
    method = next(name for name in ("get", "post", "put", "patch", "delete") if getattr(rule, name))
    rest = copy.deepcopy(attack.request)
    target = _path(getattr(rule, method), rest)
    if target is None:
        return None
    body: bytes | None = None
    if rule.body == "*":
        body, rest = dumps(rest), {}
    elif rule.body:
        body = dumps(rest.pop(rule.body, {}))
    if attack.rpc.descriptor.client_streaming and body is not None:
        body = body.replace(b"\n", b" ") + b"\n"
    query = b"&".join(_query(rest))
    return HttpRequest(method.upper(), target + (b"?" + query if query else b""), body, attack.rpc.descriptor.client_streaming)


def _path(template: str, request: dict[str, Any]) -> bytes | None:
    parsed = parse(template)
    found = template
    for variable in parsed.variables:
        names = variable.field_path
        at: Any = request
        *parents, last = names.split(".")
        for name in parents:
            at = at.get(name) if isinstance(at, dict) else None
        value = at.pop(last, None) if isinstance(at, dict) else None
        if isinstance(value, Many):
            value = value.make()
        if not isinstance(value, str) or not value:
            return None
        text = "/".join(_quoted(part) for part in value.split("/")) if variable.multi else _quoted(value)
        start = found.index("{" + names)
        found = found[:start] + text + found[found.index("}", start) + 1 :]
    return found.encode("latin-1")


def _quoted(text: str) -> str:
    return quote_from_bytes(text.encode("utf-8", "surrogatepass"), safe="")


def _query(value: Any, prefix: str = "") -> Iterator[bytes]:
    if isinstance(value, Many):
        value = value.make()
    if isinstance(value, dict) and prefix.count(".") < DEPTH:
        for name, inner in value.items():
            yield from _query(inner, f"{prefix}.{name}" if prefix else str(name))
    elif isinstance(value, list):
        for inner in value[:2_000]:
            yield from _query(inner, prefix)
    elif value is not None:
        text = value.text if isinstance(value, Raw) else json.dumps(value) if isinstance(value, bool | dict) else str(value)
        yield (_quoted(prefix) + "=" + _quoted(text)).encode()


def dumps(value: Any) -> bytes:
    """JSON in which `Raw` stands as it is and lone surrogates are escaped, as JSON allows."""
    raws: list[str] = []

    def plain(item: Any) -> Any:
        if isinstance(item, Raw):
            raws.append(item.text)
            return f"\ue000{len(raws) - 1}\ue001"
        if isinstance(item, Many):
            return plain(item.make())
        if isinstance(item, dict):
            return {key: plain(inner) for key, inner in cast("dict[str, Any]", item).items()}
        return [plain(inner) for inner in cast("list[Any]", item)] if isinstance(item, list) else item

    text = json.dumps(plain(value))
    for number, raw in enumerate(raws):
        text = text.replace(f'"\\ue000{number}\\ue001"', raw)
    return text.encode()


# -- gRPC ----------------------------------------------------------------------------------------------------------------------

_INVALID_UTF8: Final = b"a\xff\xfe\x80"


def wire(attack: Attack) -> bytes | None:
    """The request as bytes, with the hostile value where a protobuf can say it; None where it cannot."""
    message = message_factory.GetMessageClass(attack.rpc.descriptor.input_type)()
    base = copy.deepcopy(attack.request)
    _take_out(base, attack.path)
    try:
        json_format.ParseDict(base, message, ignore_unknown_fields=True)
    except json_format.ParseError:
        return None
    return _encoded(message, attack.path, attack.value)


def _take_out(request: Any, path: Path) -> None:
    for step in path[:-1]:
        request = request[step]
    if isinstance(path[-1], str):
        request.pop(path[-1], None)
    else:
        request.clear()


def _encoded(message: Message, path: Path, value: Any) -> bytes | None:
    """``message`` with one more field at ``path``, on the level of bytes: parsers merge what comes twice."""
    name, *rest = path
    field = cast("FieldDescriptor", message.DESCRIPTOR.fields_by_name[str(name)])
    if rest and rest[0] == 0:
        rest = rest[1:]
    if rest:
        inner = message_factory.GetMessageClass(cast("Descriptor", field.message_type))()
        content = _encoded(inner, tuple(rest), value)
    else:
        content = _content(field, value)
    if content is None:
        return None
    own = message.SerializePartialToString()
    if field.message_type is None and field.type not in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
        return own + content
    return own + _varint(field.number << 3 | 2) + _varint(len(content)) + content


def _content(field: FieldDescriptor, value: Any) -> bytes | None:
    if isinstance(value, Many):
        value = value.make()
    if field.type == FieldDescriptor.TYPE_STRING:
        return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else _INVALID_UTF8 if value is True else None
    if field.type == FieldDescriptor.TYPE_BYTES:
        return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else None
    if field.message_type is not None:
        return _message(field.message_type, value)
    return _scalar(field, value)


def _message(kind: Descriptor, value: Any) -> bytes | None:
    if kind.full_name in ("google.protobuf.Struct", "google.protobuf.Value"):
        value = json.loads(value.text) if isinstance(value, Raw) and value.text.count("[") + value.text.count("{") < 500 else value
        if not isinstance(value, dict):
            return None
        content = _struct(value)
        return content if kind.full_name.endswith("Struct") else _tagged(5, content)
    if kind.GetOptions().map_entry:
        if not isinstance(value, dict):
            return None
        pairs = [(key, inner.make() if isinstance(inner, Many) else inner) for key, inner in value.items()]
        if not all(isinstance(inner, str) for _, inner in pairs):
            return None
        return b"".join(
            _tagged(1, key.encode("utf-8", "surrogatepass")) + _tagged(2, inner.encode("utf-8", "surrogatepass"))
            for key, inner in pairs[:1]
        )
    if value == {}:
        return b""
    inner = message_factory.GetMessageClass(kind)()
    try:
        json_format.ParseDict(value, inner)
    except (json_format.ParseError, AttributeError, TypeError, ValueError, SystemError):
        # What the JSON form cannot say, the seconds and nanoseconds of a time can.
        return (
            _varint(1 << 3) + _varint(2**63 - 1) + _varint(2 << 3) + _varint(2**31 - 1)
            if kind.full_name.startswith("google.protobuf.")
            else None
        )
    return inner.SerializeToString()


def _struct(value: Mapping[str, Any]) -> bytes:
    return b"".join(
        _tagged(1, _tagged(1, key.encode("utf-8", "surrogatepass")) + _tagged(2, _value(inner))) for key, inner in value.items()
    )


def _value(value: Any) -> bytes:
    if isinstance(value, Many):
        value = value.make()
    if isinstance(value, Raw):
        value = float(value.text) if value.text.lstrip("-").lower()[:1] in "0123456789n" else value.text
    match value:
        case None:
            return b""  # a Value of no kind
        case bool():
            return _varint(4 << 3) + _varint(int(value))
        case int() | float():
            return _varint(2 << 3 | 1) + struct.pack("<d", float(value) if abs(value) < 10**308 else float("inf"))
        case str():
            return _tagged(3, value.encode("utf-8", "surrogatepass"))
        case dict():
            return _tagged(5, _struct(cast("dict[str, Any]", value)))
        case _:
            return _tagged(6, b"".join(_tagged(1, _value(inner)) for inner in value))


def _scalar(field: FieldDescriptor, value: Any) -> bytes | None:
    if isinstance(value, Raw):
        value = float(value.text[:300])
    if isinstance(value, str):
        value = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}.get(value)
    if not isinstance(value, int | float):
        return None
    if field.cpp_type == FieldDescriptor.CPPTYPE_DOUBLE:
        return _varint(field.number << 3 | 1) + struct.pack("<d", float(value))
    if field.cpp_type == FieldDescriptor.CPPTYPE_FLOAT:
        return None
    if not isinstance(value, int):
        return None
    return _varint(field.number << 3) + _varint(value & (2**64 - 1))


def _tagged(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)
