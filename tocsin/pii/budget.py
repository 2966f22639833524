"""What one scan may cost."""

from dataclasses import dataclass
from typing import Final

MOST_CHECKS: Final = 5_000
"""Costly checks (20 to 50 µs each) of one scan; beyond them the rest of the text counts as found."""


@dataclass(slots=True)
class Budget:
    """Counts the costly checks of one scan.

    Attributes:
        left: checks that it may still make.
        ended: where the check stood that it could not make any more; None while there is a rest.
    """

    left: int = MOST_CHECKS
    ended: int | None = None

    def spend(self, position: int) -> bool:
        """Whether a check of what stands at ``position`` may be made."""
        if self.left > 0:
            self.left -= 1
            return True
        self.end(position)
        return False

    def end(self, position: int) -> None:
        """What stands at ``position`` or after it is not looked at any more."""
        self.ended = position if self.ended is None else min(self.ended, position)
