"""What a target says of endpoints: the zone that they are in, the version that they run."""

import re
from dataclasses import dataclass
from typing import Final

LABEL_FORM: Final = "letters, digits, '.', '_' and '-', 63 at most, a letter or digit first and last"
"""What zones and versions are named by: what Kubernetes takes for the value of a label."""
LABELS: Final = ("zone", "version")
_LABEL: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointLabels:
    """Labels of endpoints; empty where the target says nothing.

    Attributes:
        zone: where they are.
        version: what they run.
    """

    zone: str = ""
    version: str = ""

    def over(self, other: "EndpointLabels") -> "EndpointLabels":
        """These, and ``other`` where these say nothing."""
        return EndpointLabels(**{name: getattr(self, name) or getattr(other, name) for name in LABELS})


NO_LABELS: Final = EndpointLabels()


def is_label(text: str) -> bool:
    """Whether ``text`` can be the name of a zone or of a version."""
    return _LABEL.fullmatch(text) is not None
