"""Digests: messages of one category to one address that go out together (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mailer_svc.domain.checks import repaired_content
from mailer_svc.domain.model import Content
from tocsin.priority import Priority

MEMBERS_SHOWN: Final = 100
"""So many messages of a digest are told in it; of the others only their number."""

TEXT_SHOWN: Final = 2_000
"""So many characters of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """A digest whose time has come.

    Attributes:
        id: also that of the delivery that it becomes.
        tenant: whose.
        recipient_id: for whom; empty: for an address that belongs to nobody.
        channel: by which it leaves.
        address: where it goes.
        category: of its messages; empty: none.
    """

    id: str
    tenant: str
    recipient_id: str
    channel: str
    address: str
    category: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestMembers:
    """What a digest holds: ``total`` messages, of which the first ``shown`` are told, the most urgent one as ``priority`` says."""

    shown: Sequence[Content]
    total: int
    priority: Priority = Priority.NORMAL


def digest_content(members: DigestMembers) -> Content:
    """What a digest says; one of a single message is that message."""
    if members.total == 1 and members.shown:
        return members.shown[0]
    parts = [f"{content.subject}\n{'-' * min(len(content.subject), 72)}\n{_text(content)}".rstrip() for content in members.shown]
    left = members.total - len(members.shown)
    if left > 0:
        parts.append(f"and {left} more")
    return repaired_content(Content(f"{members.total} messages", "\n\n".join(parts) + "\n"))


def digest_items(members: DigestMembers) -> list[dict[str, str]]:
    """The members as a template has them: objects with ``subject`` and ``text``; the last one tells how many more there are."""
    items = [{"subject": content.subject, "text": _text(content)} for content in members.shown]
    left = members.total - len(members.shown)
    return [*items, {"subject": f"+ {left}", "text": ""}] if left > 0 else items


def _text(content: Content) -> str:
    return content.text if len(content.text) < TEXT_SHOWN else content.text[: TEXT_SHOWN - 1] + "…"
