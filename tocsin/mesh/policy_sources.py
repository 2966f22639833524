"""Where policies come from: the mesh's own contract, and which part of a contract said what a policy says."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from google.protobuf import descriptor_pool

from tocsin.api.mesh.v1 import mesh_service_pb2, policy_pb2
from tocsin.errors import FailedPrecondition, SettingsAtFault
from tocsin.mesh.options import MeshOptions
from tocsin.mesh.policy import DESCRIPTORS, MethodPolicy, checked, contract, qualified, read, with_imports

_Options = Mapping[str, policy_pb2.Policy]
"""Of a method and of its service."""


class ChannelzNotInstalled(FailedPrecondition, SettingsAtFault):
    """The option channelz needs the package grpcio-channelz: pip install 'tocsin[channelz]', or 'tocsin-mesh[channelz]'."""


def with_channelz(options: MeshOptions, known: Mapping[str, MethodPolicy]) -> Mapping[str, MethodPolicy]:
    """``known`` with the methods of channelz, if they are switched on and it does not have them.

    Raises:
        ChannelzNotInstalled: they are switched on, and the package is not there.
    """
    if not options.channelz:
        return known
    try:
        from tocsin.mesh.channelz import channelz_policies  # comes with an extra
    except ModuleNotFoundError as error:
        raise ChannelzNotInstalled from error
    return {**channelz_policies(), **known}


@cache
def own_policies() -> Mapping[str, MethodPolicy]:
    """The policy of every method of the mesh's own service, by path."""
    return checked(read(with_imports([mesh_service_pb2.DESCRIPTOR]), package=mesh_service_pb2.DESCRIPTOR.package))


def declared_by(policy: MethodPolicy, name: str) -> str:
    """Which option of the contract says a value, such as "timeout" or "retry.max_attempts": "method", "service", or "default" for none."""
    for layer, options in _options(policy.service, policy.method).items():
        found: Any = options
        for part in name.split("."):
            if not any(field.name == part for field, _ in found.ListFields()):
                break
            found = getattr(found, part)
        else:
            return layer
    return "default"


@cache
def _options(service: str, method: str) -> _Options:
    """Those of a method of a generated module, or of Tocsin's contract; none of a contract that was read from elsewhere."""
    pool: Any = descriptor_pool.Default()
    try:
        found: Any = pool.FindServiceByName(service)
        return _of_both(found.methods_by_name[method].GetOptions(), found.GetOptions())
    except KeyError:
        return _of_tocsin().get(f"/{service}/{method}", {})


@cache
def _of_tocsin() -> Mapping[str, _Options]:
    """Those of the methods whose modules a process may not have imported, by path."""
    if not DESCRIPTORS.is_file():
        return {}
    return {
        f"/{qualified(file.package, service.name)}/{method.name}": _of_both(method.options, service.options)
        for file in contract().file
        for service in file.service
        for method in service.method
    }


def _of_both(method: Any, service: Any) -> _Options:
    return {"method": method.Extensions[policy_pb2.policy], "service": service.Extensions[policy_pb2.defaults]}
