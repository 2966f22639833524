"""A text file for each security alert, for those who look into the state folder first."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from auth_svc.domain import StoredAlert
from tocsin.errors import Unavailable
from tocsin.private_files import create_private
from tocsin.stored import instant, shown


class ReportFolder:
    """Implements `auth_svc.ports.AlertFiles`: ``<time>-<kind>-<id>.txt``, the newest ``most`` of them; 0 writes none."""

    def __init__(self, *, folder: Path, most: int) -> None:
        self._folder = folder
        self._most = most

    async def write(self, alerts: Sequence[StoredAlert]) -> None:
        """Writes the files.

        Raises:
            Unavailable: the folder cannot be written now.
        """
        if self._most:
            try:
                await asyncio.to_thread(self._write, alerts)
            except OSError as error:
                raise Unavailable(f"error reports cannot be written: {error.strerror}") from error

    async def remove(self, tenant: str) -> int:
        """Removes the files about a tenant.

        Raises:
            Unavailable: the folder cannot be written now.
        """
        try:
            return await asyncio.to_thread(self._remove, tenant)
        except OSError as error:
            raise Unavailable(f"error reports cannot be removed: {error.strerror}") from error

    def _remove(self, tenant: str) -> int:
        line = f"tenant: {tenant}"
        theirs = [path for path in self._folder.glob("*.txt") if line in path.read_text(errors="replace").splitlines()]
        for path in theirs:
            path.unlink(missing_ok=True)
        return len(theirs)

    def _write(self, alerts: Sequence[StoredAlert]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for each in alerts:
            name = f"{instant(each.alert.first):%Y%m%dT%H%M%S.%fZ}-{shown(each.alert.kind)}-{each.id}.txt"
            create_private(self._folder / name, _report(each).encode())
        files = sorted(self._folder.glob("*.txt"))  # their names begin with the time
        for path in files[: max(0, len(files) - self._most)]:
            path.unlink(missing_ok=True)


def _report(each: StoredAlert) -> str:
    alert = each.alert
    rows = (
        ("alert", each.name),
        ("kind", shown(alert.kind)),
        ("severity", shown(alert.severity)),
        ("time", instant(alert.first).isoformat()),
        ("tenant", alert.tenant),
        ("subject", alert.subject),
        ("place", alert.place),
        ("latest", alert.latest),
        ("detail", alert.detail),
    )
    # What somebody else wrote must not begin a line of its own.
    return "".join(f"{name}: {' '.join(value.split())}\n" for name, value in rows if value)
