"""What a message brings to its template by itself, beside the variables that it was given."""

import json
from collections.abc import Mapping
from typing import Any, Final, cast

RECIPIENT: Final = "recipient"
"""Whom the message is for: an object, empty for an address that belongs to nobody but for ``unsubscribe_url``."""

CONTEXT: Final = ("origin", "signal", "event", "reading", "heartbeat", "incident", RECIPIENT)
"""Names that a message may bring by itself; what it does not bring is empty."""

_PATHS: Final = tuple(f"{root}_" for root in CONTEXT)


def from_context(name: str) -> bool:
    """Whether a message may bring the variable by itself: one of `CONTEXT`, or a path into it such as ``event_data_total``."""
    return name in CONTEXT or name.startswith(_PATHS)


def about_recipient(name: str) -> bool:
    """Whether the variable says whom the message is for."""
    return name == RECIPIENT or name.startswith(f"{RECIPIENT}_")


def context_of(text: str, recipient: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    """The structure in a context, an empty one if it is none; with the recipient, if there is one."""
    try:
        value: Any = json.loads(text or "{}")
    except (ValueError, RecursionError):
        value = {}
    found = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    return with_recipient(found, recipient)


def with_recipient(context: Mapping[str, Any], recipient: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The context of one recipient's message."""
    return context if recipient is None else {**context, RECIPIENT: recipient}
