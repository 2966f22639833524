"""What gRPC's core knows of this process: servers, channels and sockets, by channelz (gRFC A14), for grpcdebug and grpcurl.

It needs the extra ``channelz``, and is imported where the option is on. ``grpcio-channelz`` reads the core. For what it does not find it
tells the context of the call a code and returns nothing, which is no answer for a server that writes messages itself.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar, cast

import grpc
from google.protobuf.message import Message
from grpc_channelz.v1 import channelz_pb2, channelz_pb2_grpc
from grpc_channelz.v1.channelz import ChannelzServicer

from tocsin.errors import Internal, InvalidInput, NotFound
from tocsin.mesh.policy import Criticality, MethodPolicy, checked, read, with_imports

_CORE: Final[Any] = ChannelzServicer
_GENERATED: Final = cast("Any", channelz_pb2_grpc)  # without types
_FILE: Final[Any] = channelz_pb2.DESCRIPTOR
add_channelz: Final[Any] = _GENERATED.add_ChannelzServicer_to_server
"""Registers a `Channelz`."""
_TIMEOUT: Final = 10.0
_SCOPE: Final = "mesh:read"

Answer = TypeVar("Answer", bound=Message)


class ChannelzNotFound(NotFound):
    """There is no server, channel or socket of this number: it was closed, or belongs to another process."""


class _CallContext:
    """Stands in the place of a call's context, and keeps what it is told."""

    def __init__(self) -> None:
        self.code: grpc.StatusCode | None = None
        self.details = ""

    def set_code(self, code: grpc.StatusCode) -> None:
        """Keeps it."""
        self.code = code

    def set_details(self, details: str) -> None:
        """Keeps them."""
        self.details = details


def channelz_policies(operators: Collection[str] = ()) -> Mapping[str, MethodPolicy]:
    """The policy of each method of channelz, by path.

    Args:
        operators: the services that may call, by their certificates; without any, whoever has a token with the scope ``mesh:read``.
    """
    allowed: dict[str, Any] = {"callers": frozenset(operators)} if operators else {"scope": _SCOPE}
    common = {"timeout": _TIMEOUT, "rate_class": "internal", "criticality": Criticality.CRITICAL, "audited": False}
    found = read(with_imports([_FILE]), package="grpc.channelz.")
    return checked({path: replace(policy, **common, **allowed) for path, policy in found.items()})


class Channelz(_GENERATED.ChannelzServicer):
    """Answers as ``grpcio-channelz`` does, and fails as the mesh does."""

    async def GetTopChannels(self, request: Any, context: Any) -> Any:  # noqa: N802 - the RPC's name
        """The channels that the process has opened, from a number on."""
        return _page(_CORE.GetTopChannels, request, "channel")

    async def GetServers(self, request: Any, context: Any) -> Any:  # noqa: N802 - likewise
        """The servers of the process, from a number on."""
        return _page(_CORE.GetServers, request, "server")

    async def GetServer(self, request: Any, context: Any) -> Any:  # noqa: N802 - likewise
        """One server."""
        return _read(_CORE.GetServer, request)

    async def GetServerSockets(self, request: Any, context: Any) -> Any:  # noqa: N802 - likewise
        """The connections of a server, from a number on."""
        return _page(_CORE.GetServerSockets, request, "socket_ref")

    async def GetChannel(self, request: Any, context: Any) -> Any:  # noqa: N802 - likewise
        """One channel."""
        return _read(_CORE.GetChannel, request)

    async def GetSubchannel(self, request: Any, context: Any) -> Any:  # noqa: N802 - likewise
        """One of the ways to the addresses of a channel."""
        return _read(_CORE.GetSubchannel, request)

    async def GetSocket(self, request: Any, context: Any) -> Any:  # noqa: N802 - likewise
        """One connection."""
        return _read(_CORE.GetSocket, request)


def _page(method: Callable[[Any, Any], Any], request: Any, items: str) -> Any:
    """As many items as were asked for: ``grpcio-channelz`` has no ear for that but of sockets.

    Raises:
        InvalidInput: less than none (gRFC A14: "must never be negative").
    """
    most = request.max_results
    if most < 0:
        raise InvalidInput.at("max_results", f"{most} must not be negative; 0 leaves it to the server")
    answer = _read(method, request)
    found = getattr(answer, items)
    if 0 < most < len(found):
        del found[most:]
        answer.end = False
    return answer


def _read(method: Callable[[Any, Any], Answer | None], request: Message) -> Answer:
    """What the core says.

    Raises:
        ChannelzNotFound: it does not know what was asked for.
        Internal: what it says cannot be read.
    """
    told = _CallContext()
    answer = method(request, told)
    if answer is not None:
        return answer
    if told.code is grpc.StatusCode.NOT_FOUND:
        asked = ", ".join(f"{field.name} {value}" for field, value in request.ListFields()) or "number 0"
        raise ChannelzNotFound(f"There is no server, channel or socket of {asked}.")
    raise Internal(told.details)
