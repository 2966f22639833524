"""Which replicas an attempt prefers among those that serve: those of the version drawn for it, and there those in the caller's zone.

Versions are drawn by the weights of a rule (`tocsin.mesh.splits`); a version of which nobody serves is gone round.

The rule for zones is Envoy's zone aware routing, for callers that are spread evenly over the zones: where the own zone has its share of the
replicas that serve, all calls stay there; where it has less, as many go elsewhere as it lacks. While less than half of the replicas serve,
zones count for nothing (Envoy's panic threshold): those that are left need everybody's calls spread over all of them.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Final

from tocsin.mesh.labels import NO_LABELS, EndpointLabels

_SHARE_SECONDS: Final = 0.1
"""How long the share of the own zone holds, once it has been worked out."""
_PANIC: Final = 0.5
_OTHERS: Final = ""
"""The replicas of versions that no weight names."""


class Preference:
    """Orders the replicas for the attempts at one method. Belongs to one event loop."""

    __slots__ = ("_draw", "_labels", "_now", "_read", "_shares", "_up_to", "_weights", "_zone")

    def __init__(
        self,
        *,
        zone: str,
        labels: Callable[[], Mapping[str, EndpointLabels]],
        weights: Callable[[], Mapping[str, float]],
        now: Callable[[], float],
        draw: Callable[[], float],
    ) -> None:
        """Knows nothing of who serves.

        Args:
            zone: that calls are made from, and replicas are in; empty for none.
            labels: of the replicas, by address.
            weights: percent of the calls by version, as they hold now; empty for no difference.
            now: monotonic seconds.
            draw: gives a number from 0 to 1, less than 1.
        """
        self._zone = zone
        self._labels = labels
        self._read = weights
        self._now = now
        self._draw = draw
        self._shares: dict[tuple[str, bool], tuple[float, float | None]] = {}
        self.adopt()

    def adopt(self) -> None:
        """Keeps to the weights that hold now."""
        self._weights = self._read()
        self._up_to = tuple(zip(self._weights, accumulate(self._weights.values()), strict=True))
        self._shares.clear()

    @property
    def splits(self) -> bool:
        """Whether versions have weights."""
        return bool(self._weights)

    def groups(self, known: Sequence[str], tried: set[str], serves: Callable[[str], bool]) -> list[list[str]]:
        """The replicas that are left, in groups of which an earlier one is preferred; in a group none is.

        Args:
            known: addresses of all.
            tried: addresses that the call has tried.
            serves: whether a replica could take the attempt.
        """
        left = [name for name in known if name not in tried]
        if not self._weights:
            return self._by_zone(left, known, (_OTHERS, True), serves)
        drawn = self._drawn()
        first = [name for name in left if self._version_of(name) == drawn]
        others = [name for name in self.open(left) if self._version_of(name) != drawn]
        return [*self._by_zone(first, known, (drawn, True), serves), *self._by_zone(others, known, (drawn, False), serves)]

    def open(self, names: Sequence[str]) -> list[str]:
        """Those whose version may get calls: not those whose weight is 0."""
        return [name for name in names if self._weights.get(self._version_of(name)) != 0]

    def _drawn(self) -> str:
        roll = self._draw() * 100
        return next((version for version, up_to in self._up_to if roll < up_to), _OTHERS)

    def _version_of(self, name: str) -> str:
        version = self._labels().get(name, NO_LABELS).version
        return version if version in self._weights else _OTHERS

    def _by_zone(self, names: list[str], known: Sequence[str], part: tuple[str, bool], serves: Callable[[str], bool]) -> list[list[str]]:
        """Some replicas, those in the own zone first, as far as they are enough; ``part``: those of a version, or all but those."""
        if not self._zone:
            return [names]
        near = [name for name in names if self._zone_of(name) == self._zone]
        if not near or len(near) == len(names):
            return [names]
        share = self._near_share(known, part, serves)
        if share is None:
            return [names]
        far = [name for name in names if self._zone_of(name) != self._zone]
        return [near, far] if self._draw() < share else [far, near]

    def _near_share(self, known: Sequence[str], part: tuple[str, bool], serves: Callable[[str], bool]) -> float | None:
        """The share of the attempts that stays in the own zone; None where zones count for nothing."""
        now = self._now()
        until, share = self._shares.get(part, (now, None))
        if now >= until:
            version, included = part
            members = [name for name in known if (self._version_of(name) == version) is included] if self._weights else known
            share = self._worked_out(self.open(members), serves)
            self._shares[part] = now + _SHARE_SECONDS, share
        return share

    def _worked_out(self, names: Sequence[str], serves: Callable[[str], bool]) -> float | None:
        serving = [name for name in names if serves(name)]
        if len(serving) < _PANIC * len(names) or not serving:
            return None
        near = sum(self._zone_of(name) == self._zone for name in serving)
        return len({*map(self._zone_of, names)}) * near / len(serving)

    def _zone_of(self, name: str) -> str:
        return self._labels().get(name, NO_LABELS).zone
