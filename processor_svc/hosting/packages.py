"""The installed packages of handlers."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from processor_svc.hosting.package import HostedHandler, Package, PackageState, Slots
from processor_svc.registry import ENTRY_POINT_GROUP
from tocsin.clock import Clock

_OWN: Final = "processor_svc."
_MOST: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class HostOptions:
    """Limits of handler processes.

    Attributes:
        processes: synchronous handlers, and suspects, that run at a time.
        reserve: further ones for critical jobs only.
        load_seconds: limit for loading a package.
    """

    processes: int = 8
    reserve: int = 2
    load_seconds: float = 30.0


def plugins() -> list[EntryPoint]:
    """The entry points of the group ``tocsin.tasks``, except our own."""
    found = [point for point in entry_points(group=ENTRY_POINT_GROUP) if not point.value.startswith(_OWN)]
    return sorted(set(found), key=lambda point: (point.name, point.value))[:_MOST]


class Packages:
    """The packages; a component. They load in the background; a job for a package that is still loading waits for it."""

    def __init__(self, points: Iterable[EntryPoint], *, options: HostOptions, clock: Clock) -> None:
        self.slots = Slots(processes=options.processes, reserve=options.reserve)
        self._load_seconds = options.load_seconds
        self._packages = [
            Package(name=point.name, value=point.value, slots=self.slots, load_seconds=options.load_seconds, clock=clock)
            for point in points
        ]

    def __iter__(self) -> Iterator[Package]:
        """The packages, by name."""
        return iter(self._packages)

    @property
    def deaths(self) -> int:
        """Number of processes that died or were killed while handlers ran in them."""
        return sum(package.deaths for package in self._packages)

    async def start(self) -> None:
        """Starts to load them."""
        for package in self._packages:
            package.start()

    async def stop(self) -> None:
        """Ends every process."""
        await asyncio.gather(*(package.stop() for package in self._packages))

    def failed(self) -> Sequence[Package]:
        """Those that did not load."""
        return [package for package in self._packages if package.state is PackageState.FAILED]

    def handlers(self) -> Sequence[HostedHandler]:
        """The handlers of all packages; of two with the same name, that of the first package by name."""
        found: dict[str, HostedHandler] = {}
        for package in self._packages:
            for handler in package.handlers.values():
                found.setdefault(handler.name, handler)
        return list(found.values())

    async def find(self, name: str) -> tuple[Package, HostedHandler] | None:
        """The package with that handler; waits for packages that are still loading, up to their limit."""
        found = self.known(name)
        end = asyncio.get_running_loop().time() + self._load_seconds
        while found is None and any(package.state is PackageState.LOADING for package in self._packages):
            if asyncio.get_running_loop().time() > end:
                break
            await asyncio.sleep(0.02)
            found = self.known(name)
        return found

    def known(self, name: str) -> tuple[Package, HostedHandler] | None:
        """The package with that handler, if it has loaded."""
        for package in self._packages:
            handler = package.handlers.get(name)
            if handler is not None:
                return package, handler
        return None
