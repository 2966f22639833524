"""Keeps the status of a call whose far end has ended it while requests were still being written.

grpc.aio (1.85) sets INTERNAL, "Internal error from Core", as soon as a write fails. The usual reason is that the far end has answered
already, with a status that is on its way; it comes too late, and a refusal of one request looks like a fault of the service.
"""

from typing import Any, TypeVar

from tocsin.mesh.client import direct_call

Call = TypeVar("Call")


def keep_final_status(call: Call) -> Call:
    """``call``, of grpc.aio, whose status is the far end's even when a write fails."""
    raw: Any = call
    if not hasattr(raw, "_cython_call"):
        return call  # an interceptor's, which makes gRPC's own later
    raw._cython_call = _Core(raw._cython_call)  # noqa: SLF001 - the only place where the status can be kept
    return call


def core_of(call: Any) -> Any:
    """The core of a call of grpc.aio, which gives its messages as bytes; None where it is not what it was."""
    core = None if direct_call.LACKS else getattr(call, "_cython_call", None)
    return core.core if isinstance(core, _Core) else core


class _Core:
    """The core of a call, which leaves the status to the far end; a call that is lost has one as well."""

    __slots__ = ("core",)

    def __init__(self, core: Any) -> None:
        self.core = core

    def __getattr__(self, name: str) -> Any:
        return getattr(self.core, name)

    def set_internal_error(self, error: str) -> None:
        """What a failed write reports."""
