"""Which replicas an attempt prefers among those that serve: those in the caller's own zone, as far as they are enough.

The rule is Envoy's zone aware routing, for callers that are spread evenly over the zones: where the own zone has its share of the replicas
that serve, all calls stay there; where it has less, as many go elsewhere as it lacks. While less than half of the replicas serve, zones
count for nothing (Envoy's panic threshold): those that are left need everybody's calls spread over all of them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from tocsin.mesh.client.targets import NO_LABELS, EndpointLabels

_SHARE_SECONDS: Final = 0.1
"""How long the share of the own zone holds, once it has been worked out."""
_PANIC: Final = 0.5


class Preference:
    """Orders the replicas for the attempts at one method. Belongs to one event loop."""

    __slots__ = ("_draw", "_labels", "_now", "_share", "_until", "_zone")

    def __init__(
        self, *, zone: str, labels: Callable[[], Mapping[str, EndpointLabels]], now: Callable[[], float], draw: Callable[[], float]
    ) -> None:
        """Knows nothing of who serves.

        Args:
            zone: that calls are made from.
            labels: of the replicas, by address.
            now: monotonic seconds.
            draw: gives a number from 0 to 1, less than 1.
        """
        self._zone = zone
        self._labels = labels
        self._now = now
        self._draw = draw
        self._share = 0.0
        self._until = float("-inf")

    def groups(self, known: Sequence[str], tried: set[str], serves: Callable[[str], bool]) -> list[list[str]]:
        """The replicas that are left, in groups of which an earlier one is preferred; in a group none is.

        Args:
            known: addresses of all.
            tried: addresses that the call has tried.
            serves: whether a replica could take the attempt.
        """
        left = [name for name in known if name not in tried]
        if not self._zone:
            return [left]
        near = [name for name in left if self._zone_of(name) == self._zone]
        if not near or len(near) == len(left):
            return [left]
        share = self._near_share(known, serves)
        if share is None:
            return [left]
        far = [name for name in left if self._zone_of(name) != self._zone]
        return [near, far] if self._draw() < share else [far, near]

    def _near_share(self, known: Sequence[str], serves: Callable[[str], bool]) -> float | None:
        """The share of the attempts that stays in the own zone; None where zones count for nothing."""
        now = self._now()
        if now >= self._until:
            self._share, self._until = self._worked_out(known, serves), now + _SHARE_SECONDS
        return None if self._share < 0 else self._share

    def _worked_out(self, known: Sequence[str], serves: Callable[[str], bool]) -> float:
        serving = [name for name in known if serves(name)]
        if len(serving) < _PANIC * len(known) or not serving:
            return -1.0
        near = sum(self._zone_of(name) == self._zone for name in serving)
        return len({*map(self._zone_of, known)}) * near / len(serving)

    def _zone_of(self, name: str) -> str:
        return self._labels().get(name, NO_LABELS).zone
