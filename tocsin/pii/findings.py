"""What can be found, and where it was."""

from dataclasses import dataclass
from enum import Enum
from typing import Final


class PiiKind(Enum):
    """A kind of personal data; the value is the word in its mark, as in ``[email]``."""

    EMAIL = "email"
    PHONE = "phone"
    CARD = "card"
    IBAN = "iban"
    IP_ADDRESS = "ip address"
    NATIONAL_ID = "national id"
    UNSCANNED = "unscanned"
    """Text beyond a bound of the scan; nobody asks for it, and it counts as found whatever was asked for."""

    @property
    def mark(self) -> str:
        """What stands in the place of a value."""
        return f"[{self.value}]"


EVERY_KIND: Final = frozenset(PiiKind) - {PiiKind.UNSCANNED}
"""What can be asked for."""


@dataclass(frozen=True, slots=True)
class PiiFinding:
    """Characters ``start`` to ``end`` (exclusive) are personal data of a kind. It never holds the value."""

    kind: PiiKind
    start: int
    end: int
