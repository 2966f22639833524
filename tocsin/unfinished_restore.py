"""The mark of a restore that has begun to replace files: while it stands, half of what is there may be of before, and no service starts."""

from pathlib import Path
from typing import Final

from tocsin.errors import FailedPrecondition, SettingsAtFault

FILE: Final = "restore-unfinished"


class RestoreUnfinished(FailedPrecondition, SettingsAtFault):
    """A restore was cut off."""

    reason = FailedPrecondition.reason


class RestoreGuard:
    """Holds a service up that would run on half of a backup; a component."""

    def __init__(self, state: Path) -> None:
        """Looks at nothing yet."""
        self._state = state

    async def start(self) -> None:
        """Looks.

        Raises:
            RestoreUnfinished: a restore to the state folder was cut off.
        """
        refuse_unfinished(self._state)

    async def stop(self) -> None:
        """Has nothing to end."""


def refuse_unfinished(state: Path) -> None:
    """Refuses a state folder to which a restore was cut off.

    Raises:
        RestoreUnfinished: it is one.
    """
    if (state / FILE).exists():
        raise RestoreUnfinished(
            f"A restore to {state} was cut off; files of before and of the backup may be mixed there. Run `tocsin restore --force` again."
        )
