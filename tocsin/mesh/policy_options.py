"""The options of one method as the contract says them: its own over those of its service."""

from google.protobuf import descriptor_pb2
from google.protobuf.message import Message

from tocsin.api.mesh.v1 import policy_pb2


def merged_options(service: descriptor_pb2.ServiceDescriptorProto, method: descriptor_pb2.MethodDescriptorProto) -> policy_pb2.Policy:
    """The service's defaults overlaid with the method's own option.

    A list given by the method replaces the default list, and ``public`` drops the default's scope and callers, which it excludes.
    """
    own = method.options.Extensions[policy_pb2.policy]
    merged = policy_pb2.Policy()
    merged.CopyFrom(service.options.Extensions[policy_pb2.defaults])
    if own.public:
        merged.ClearField("scope")
        merged.ClearField("callers")
    if own.scope or own.callers:
        merged.ClearField("public")
    _overlay(merged, own)
    return merged


def _overlay(base: Message, own: Message) -> None:
    """Sets in ``base`` what ``own`` says. Unlike MergeFrom it takes durations and lists whole: 9 s over 2.5 s is 9 s, not 9.5 s."""
    for field, value in own.ListFields():
        if isinstance(value, policy_pb2.Retry | policy_pb2.Breaker | policy_pb2.Hedge):
            _overlay(getattr(base, field.name), value)
        else:
            base.ClearField(field.name)
            base.MergeFrom(type(own)(**{field.name: value}))
