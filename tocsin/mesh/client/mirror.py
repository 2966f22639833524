"""Copies of calls, to see how a version of a service does: beside the call, never waited for, and whatever comes of them is only counted.

A copy goes to the connection alone: no breaker, no retry, no budget, no latency that the balancing looks at learns of it.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import grpc

from tocsin.background import Background
from tocsin.errors import Unavailable
from tocsin.mesh.client.method import Metadata
from tocsin.mesh.labels import EndpointLabels
from tocsin.mesh.metrics import MirrorCount
from tocsin.mesh.mirrors import CompiledMirror

_AWAY: Final = "AWAY"
"""What became of a copy: no replica of the version was connected."""
_FULL: Final = "FULL"
"""As many as may be were under way already."""

Ways = Callable[[str], Callable[[], Any] | None]
"""What makes attempts at a replica; None while it does not serve."""


class Mirror:
    """Makes the copies of one method's calls. Belongs to one event loop."""

    __slots__ = ("_background", "_count", "_draw", "_in_flight", "_labels", "_read", "_rule", "_turn", "_ways", "on")

    def __init__(
        self,
        *,
        rule: Callable[[], CompiledMirror | None],
        labels: Callable[[], Mapping[str, EndpointLabels]],
        ways: Ways,
        count: MirrorCount,
        background: Background,
        draw: Callable[[], float],
    ) -> None:
        """Copies nothing yet.

        Args:
            rule: that holds now; None for none.
            labels: of the replicas, by address.
            ways: to each of them.
            count: of copies, by what became of them.
            background: runs them.
            draw: gives a number from 0 to 1, less than 1.
        """
        self._read = rule
        self._labels = labels
        self._ways = ways
        self._count = count
        self._background = background
        self._draw = draw
        self._in_flight = self._turn = 0
        self.on = False
        """Whether any call is copied."""
        self.adopt()

    def adopt(self) -> None:
        """Keeps to the rule that holds now."""
        self._rule = self._read()
        self.on = self._rule is not None

    def offer(self, request: Any, metadata: Metadata, timeout: float) -> None:
        """Copies a call, or does not; returns at once, and raises nothing.

        Args:
            request: the message.
            metadata: of the call.
            timeout: seconds that the copy may take.
        """
        rule = self._rule
        if rule is None or self._draw() * 100 >= rule.rule.percent:
            return
        if self._in_flight >= rule.most:
            self._count(rule.rule.version, _FULL)
        elif (way := self._way(rule.rule.version)) is None:
            self._count(rule.rule.version, _AWAY)
        else:
            self._in_flight += 1
            copy = partial(self._copy, way, request, metadata, timeout, rule.rule.version)
            self._background.once("mirrored call", copy).add_done_callback(self._ended)

    def _way(self, version: str) -> Callable[[], Any] | None:
        names: Sequence[str] = [name for name, labels in self._labels().items() if labels.version == version]
        self._turn += 1
        for number in range(len(names)):
            if (way := self._ways(names[(self._turn + number) % len(names)])) is not None:
                return way
        return None

    async def _copy(self, way: Callable[[], Any], request: Any, metadata: Metadata, timeout: float, version: str) -> None:
        became = grpc.StatusCode.OK.name
        try:
            await way()(request, timeout=timeout, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            became = error.code().name
        except Unavailable:
            became = _AWAY  # this process is stopping
        self._count(version, became)

    def _ended(self, _: object) -> None:
        self._in_flight -= 1
