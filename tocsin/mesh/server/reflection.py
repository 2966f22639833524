"""Reflection, v1 and v1alpha, which differ in their names alone (grpc/reflection/v1/reflection.proto)."""

from collections.abc import Sequence
from typing import Any, Final

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from tocsin.mesh.server.acceptor import AcceptingServer

V1: Final = "grpc.reflection.v1.ServerReflection"
V1_ALPHA: Final = reflection.SERVICE_NAME
_HEALTH: Final = "grpc.health.v1.Health"
_ALWAYS: Final[tuple[Any, ...]] = (status_pb2.DESCRIPTOR, error_details_pb2.DESCRIPTOR, health_pb2.DESCRIPTOR, reflection_pb2.DESCRIPTOR)
"""What every server speaks: errors, health, reflection itself."""


def add_reflection(server: AcceptingServer, services: Sequence[str], pools: Sequence[descriptor_pool.DescriptorPool] = ()) -> None:
    """Lets ``server`` tell of ``services``.

    Args:
        server: which has not started yet.
        services: full names; health and reflection itself come along.
        pools: where their descriptors are; the default pool unless given.
    """
    made: Any = reflection.aio.ReflectionServicer((*services, _HEALTH, V1_ALPHA, V1), DescriptorPools(pools))
    handler = grpc.stream_stream_rpc_method_handler(
        made.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    for name in (V1, V1_ALPHA):
        server.add_registered_method_handlers(name, {"ServerReflectionInfo": handler})


class DescriptorPools:
    """Several descriptor pools, asked as reflection asks one: the first that knows an element answers.

    Contracts have pools of their own, for each may bring another version of a common file.
    """

    def __init__(self, pools: Sequence[descriptor_pool.DescriptorPool] = ()) -> None:
        """Takes the pools; without any, the default one is asked."""
        default: Any = descriptor_pool.Default()
        common: Any = descriptor_pool.DescriptorPool()
        for file in () if not pools else _ALWAYS:
            for each in (*_imports(file), file):
                common.AddSerializedFile(each.serialized_pb)
        self._pools: tuple[Any, ...] = (*pools, common) if pools else (default,)

    def FindFileByName(self, name: str) -> Any:  # noqa: N802 - as a pool does
        """The file called ``name``.

        Raises:
            KeyError: there is none.
        """
        return self._first("FindFileByName", name)

    def FindFileContainingSymbol(self, symbol: str) -> Any:  # noqa: N802
        """The file that has a symbol; pools know services, but not their methods.

        Raises:
            KeyError: there is none.
        """
        try:
            return self._first("FindFileContainingSymbol", V1_ALPHA if symbol == V1 else symbol)
        except KeyError:
            service, _, method = symbol.rpartition(".")
            found = self._first("FindServiceByName", service)
            if method not in found.methods_by_name:
                raise
            return found.file

    def FindMessageTypeByName(self, name: str) -> Any:  # noqa: N802
        """The message type called ``name``.

        Raises:
            KeyError: there is none.
        """
        return self._first("FindMessageTypeByName", name)

    def FindExtensionByNumber(self, message: Descriptor, number: int) -> Any:  # noqa: N802
        """An extension of ``message``, of the pool that it belongs to.

        Raises:
            KeyError: there is none.
        """
        return message.file.pool.FindExtensionByNumber(message, number)

    def FindAllExtensions(self, message: Descriptor) -> Any:  # noqa: N802
        """All extensions of ``message``, of the pool that it belongs to."""
        return message.file.pool.FindAllExtensions(message)

    def _first(self, find: str, name: str) -> Any:
        for pool in self._pools[:-1]:
            try:
                return getattr(pool, find)(name)
            except KeyError:
                continue
        return getattr(self._pools[-1], find)(name)


def _imports(file: Any) -> list[Any]:
    """All that a file imports, each behind its own imports."""
    found: dict[str, Any] = {}
    for each in file.dependencies:
        for inner in (*_imports(each), each):
            found.setdefault(inner.name, inner)
    return list(found.values())
