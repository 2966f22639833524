"""Contracts of other teams are read again when their files change: both doors serve the new ones, and nothing else is disturbed."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from gateway.contracts.serving import ContractPlan
from gateway.transcoding.template import TemplateError
from tocsin.background import Background
from tocsin.clock import Clock
from tocsin.config import ConfigError
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

LOOK_SECONDS: Final = 1.0
"""Between two looks at the stamps of the files; what has changed is read when two looks found the same."""

_Stamps = tuple[tuple[int, int, int] | None, ...]


class ContractReload:
    """Looks after the files.

    While they cannot be served as they are, what was served before goes on; `problems` says why.
    """

    def __init__(
        self,
        *,
        files: Sequence[Path],
        load: Callable[[], ContractPlan],
        apply: Callable[[ContractPlan], Awaitable[None]],
        clock: Clock,
    ) -> None:
        """Takes the files as they are for those that are served.

        Args:
            files: that are looked at.
            load: reads them, in a thread of its own; raises ConfigError or TemplateError.
            apply: serves what was read.
            clock: source of the time between two looks.
        """
        self._files = tuple(files)
        self._load = load
        self._apply = apply
        self._served = self._seen = self._stamps()
        self._problem = ""
        self._background = Background(clock)

    def problems(self) -> Mapping[str, str]:
        """Why the files are not served as they are, for `/health`; empty if they are."""
        return {"contracts": self._problem} if self._problem else {}

    async def start(self) -> None:
        """Begins to look; without files there is nothing to look at."""
        if self._files and not self._background.running:
            self._background.periodic("contracts", LOOK_SECONDS, self.look, vital=False)

    async def stop(self) -> None:
        """Looks no more."""
        await self._background.stop()

    async def look(self) -> None:
        """One look: what has changed since the last reading, and not since the last look, is read and served."""
        stamps, before = self._stamps(), self._seen
        self._seen = stamps
        if stamps == self._served or stamps != before:
            return  # nothing new, or somebody is writing
        self._served = stamps
        try:
            plan = await asyncio.to_thread(self._load)
        except (ConfigError, TemplateError) as error:
            self._problem = f"what was there before is served: {error}"
            _log.error("contracts not reloaded", reason=str(error))
            return
        await self._apply(plan)
        self._problem = ""
        _log.info("contracts reloaded", contracts=[mount.name for mount in plan.mounts.all])

    def _stamps(self) -> _Stamps:
        return tuple(_stamp(file) for file in self._files)


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
