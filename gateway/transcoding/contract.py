"""The compiled contract: descriptors with their options, and comments where they stand."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, Final, cast

from google.api import annotations_pb2, field_behavior_pb2, field_info_pb2, http_pb2
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from gateway.transcoding.options import STRICT, Transcoding
from tocsin.api.mesh.v1 import http_pb2 as door_pb2
from tocsin.mesh.policy import MethodPolicy, checked, qualified, read
from tocsin.protojson.codec import Codec, Codecs, UnreadableReply
from tocsin.protojson.converters import JsonCodec
from tocsin.protojson.fields import JsonValue

HTTP_BODY = "google.api.HttpBody"
_KNOWN_DETAILS: Final[Mapping[str, Any]] = {
    descriptor.full_name: message_factory.GetMessageClass(descriptor)
    for descriptor in error_details_pb2.DESCRIPTOR.message_types_by_name.values()
}
"""The details of google/rpc/error_details.proto, which few contracts import."""

# The published stubs type an extension as a plain descriptor, which the stubs of protobuf do not take as a key; the casts stand here once.
_HTTP = cast("Any", annotations_pb2.http)
_BEHAVIOR = cast("Any", field_behavior_pb2.field_behavior)
_INFO = cast("Any", field_info_pb2.field_info)


@dataclass(frozen=True, slots=True, eq=False)
class Rpc:
    """One method that the outside world may call."""

    descriptor: MethodDescriptor
    policy: MethodPolicy
    contract: "Contract"
    """The contract that it stands in."""
    transcoding: Transcoding = STRICT

    @property
    def path(self) -> str:
        """The gRPC path, "/package.Service/Method"."""
        return self.policy.path

    @property
    def rule(self) -> http_pb2.HttpRule | None:
        """Its google.api.http option, if it has one."""
        return http_rule(self.descriptor)

    @property
    def door(self) -> door_pb2.Http:
        """What the HTTP door does for it beyond its rule (tocsin/api/mesh/v1/http.proto)."""
        return self.descriptor.GetOptions().Extensions[door_pb2.http]


class Contract:
    """A file descriptor set, ready for use, and those of other teams that are mounted beside it."""

    def __init__(
        self,
        *,
        descriptor_set: bytes,
        package: str = "",
        name: str = "",
        policies: Mapping[str, MethodPolicy] | None = None,
        transcoding: Mapping[str, Transcoding] | None = None,
        prefix: str = "",
        mounted: Sequence["Contract"] = (),
        codec: JsonCodec = "protobuf-py",
    ) -> None:
        """Loads a contract.

        Args:
            descriptor_set: a serialized google.protobuf.FileDescriptorSet with imports; comments are read from its source info.
            package: prefix of the packages whose services are served, unless their policies are given.
            name: what the operator calls it; empty for Tocsin's own.
            policies: of the methods that are served, by path; read from the options in the contract unless given.
            transcoding: by path, where it is not the strict one.
            prefix: what stands before its paths over HTTP.
            mounted: contracts that are served beside this one.
            codec: converts its JSON.

        Raises:
            PolicyError: a method of these packages has no complete policy.
        """
        self.name = name
        self.prefix = prefix
        self.mounted = tuple(mounted)
        self.files = descriptor_pb2.FileDescriptorSet.FromString(descriptor_set)
        self.pool = descriptor_pool.DescriptorPool()
        for file in self.files.file:
            self.pool.Add(file)
        self._codecs = Codecs(descriptor_set=descriptor_set, codec=codec)
        self.policies = checked(read(self.files, package=package) if policies is None else policies)
        self._transcoding = transcoding or {}
        self.comments = {name: text for file in self.files.file for name, text in _comments(file)}

    def beside(self, mounted: Sequence["Contract"]) -> "Contract":
        """The same contract with others beside it."""
        made = copy(self)
        made.mounted = tuple(mounted)
        return made

    def rpcs(self) -> list[Rpc]:
        """Every method that is not internal, in the order of the contract, then those that are mounted."""
        found = [self._rpc(policy) for policy in self.policies.values() if not policy.internal]
        return [*found, *(rpc for contract in self.mounted for rpc in contract.rpcs())]

    def _rpc(self, policy: MethodPolicy) -> Rpc:
        descriptor = self.service(policy.service).methods_by_name[policy.method]
        return Rpc(descriptor=descriptor, policy=policy, contract=self, transcoding=self._transcoding.get(policy.path, STRICT))

    def service(self, name: str) -> ServiceDescriptor:
        """The service called ``name``, of this contract alone.

        Raises:
            KeyError: there is none.
        """
        return self.pool.FindServiceByName(name)

    def codec(self, descriptor: Descriptor) -> Codec:
        """The JSON converter of a message type, of this contract or of a mounted one."""
        return self._home(descriptor)._codecs.of(descriptor)  # noqa: SLF001 - another object of this class

    def _home(self, descriptor: Descriptor) -> "Contract":
        pool: object = descriptor.file.pool
        return next((contract for contract in self.mounted if contract.pool is pool), self)

    def details(self, status: bytes) -> list[dict[str, JsonValue]]:
        """The details of a google.rpc.Status in JSON; one of a type that the contract does not hold is its bytes in base64."""
        return [self._detail(detail) for detail in status_pb2.Status.FromString(status).details]

    def _detail(self, detail: any_pb2.Any) -> dict[str, JsonValue]:
        name = detail.type_url.rpartition("/")[2]
        try:
            if name in _KNOWN_DETAILS:
                message = _KNOWN_DETAILS[name].FromString(detail.value)
                return {"@type": detail.type_url, **json_format.MessageToDict(message)}
            value: JsonValue = self.codec(self.pool.FindMessageTypeByName(name)).to_value(detail.value)
        except (KeyError, UnreadableReply, DecodeError):
            value = base64.b64encode(detail.value).decode()
        return {"@type": detail.type_url, **value} if isinstance(value, dict) else {"@type": detail.type_url, "value": value}

    def comment(self, full_name: str) -> str:
        """The comment above an element; empty if there is none."""
        return next((text for contract in (self, *self.mounted) if (text := contract.comments.get(full_name, ""))), "")


def _comments(file: descriptor_pb2.FileDescriptorProto) -> Iterator[tuple[str, str]]:
    """The leading comments of a file by full name (google.protobuf.SourceCodeInfo)."""
    names = dict(_element_paths(file))
    for location in file.source_code_info.location:
        comment = location.leading_comments  # first, for four places of five have none
        if comment and (name := names.get(tuple(location.path))) is not None:
            yield name, "\n".join(line.strip() for line in comment.strip().splitlines())


def _element_paths(file: descriptor_pb2.FileDescriptorProto) -> Iterator[tuple[tuple[int, ...], str]]:
    """Full names by their path of field numbers within descriptor.proto."""
    for index, message in enumerate(file.message_type):
        yield from _message_paths(message, (4, index), file.package)
    for index, enum in enumerate(file.enum_type):
        yield from _enum_paths(enum, (5, index), file.package)
    for index, service in enumerate(file.service):
        name = qualified(file.package, service.name)
        yield (6, index), name
        for number, method in enumerate(service.method):
            yield (6, index, 2, number), f"{name}.{method.name}"


def _message_paths(message: descriptor_pb2.DescriptorProto, path: tuple[int, ...], scope: str) -> Iterator[tuple[tuple[int, ...], str]]:
    name = qualified(scope, message.name)
    yield path, name
    for index, field in enumerate(message.field):
        yield (*path, 2, index), f"{name}.{field.name}"
    for index, nested in enumerate(message.nested_type):
        yield from _message_paths(nested, (*path, 3, index), name)
    for index, enum in enumerate(message.enum_type):
        yield from _enum_paths(enum, (*path, 4, index), name)


def _enum_paths(enum: descriptor_pb2.EnumDescriptorProto, path: tuple[int, ...], scope: str) -> Iterator[tuple[tuple[int, ...], str]]:
    name = qualified(scope, enum.name)
    yield path, name
    for index, value in enumerate(enum.value):
        yield (*path, 2, index), f"{name}.{value.name}"


def http_rule(method: MethodDescriptor) -> http_pb2.HttpRule | None:
    """The google.api.http rule of a method, if it has one."""
    options = method.GetOptions()
    return cast("http_pb2.HttpRule", options.Extensions[_HTTP]) if options.HasExtension(_HTTP) else None


def behavior(field: FieldDescriptor) -> frozenset[int]:
    """The google.api.field_behavior values of a field (AIP-203)."""
    return frozenset(cast("list[int]", field.GetOptions().Extensions[_BEHAVIOR]))


def is_uuid(field: FieldDescriptor) -> bool:
    """Whether the field's google.api.field_info says UUID4: then the gateway may fill it (AIP-4235)."""
    return cast("field_info_pb2.FieldInfo", field.GetOptions().Extensions[_INFO]).format == field_info_pb2.FieldInfo.UUID4
