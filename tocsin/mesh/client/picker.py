"""The ways that an attempt at one method can take."""

from collections.abc import Callable
from typing import Any, NamedTuple

from tocsin.mesh.client.method import Method

Wire = Callable[[], Any]
"""Gives gRPC's own multi-callable; asked at each attempt, because a mesh that was stopped and started has new channels."""


class Pick(NamedTuple):
    """A way to the service, or to one replica of it: the stages of the method there, with the breaker, and the wire."""

    method: Method
    wire: Wire


class Picker:
    """The ways of one method; subclasses know the replicas."""

    __slots__ = ("shared",)

    def __init__(self, shared: Pick) -> None:
        self.shared = shared
        """To whichever replica gRPC takes, or to the only one."""

    @property
    def balanced(self) -> bool:
        """Whether the service has several replicas that can be called one by one, or that must be found out."""
        return False

    async def pick(self, tried: set[str]) -> Pick:
        """The way to a replica that serves, whose breaker lets calls pass, and that is not in ``tried``, to which it is added."""
        del tried
        return self.shared
