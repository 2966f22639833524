"""What an import would make, what it changes on the way, and what it cannot take."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

MOST_NAME: Final = 200
"""Characters of a display name."""


@dataclass(frozen=True, slots=True)
class ImportNote:
    """Something to know about a piece of the file.

    Attributes:
        place: where it stands: ``line 7``, ``checks[2].methods``.
        what: its name, for people.
        reason: what became of it, or why nothing did.
    """

    place: str
    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class PlannedResource:
    """A resource to make.

    Attributes:
        collection: ``alarms``, ``recipients``, ``rotations``, ``overrides``, ``escalationPolicies``, ``integrations``, ``calendars``.
        name: its full name; of an alarm its key, of an override its rotation.
        body: as REST takes it.
        place: where in the file it comes from.
    """

    collection: str
    name: str
    body: dict[str, Any]
    place: str

    @property
    def title(self) -> str:
        """For people."""
        return str(self.body.get("displayName") or self.body.get("comment") or "")


@dataclass(slots=True)
class ImportPlan:
    """What of a file can be taken, and what cannot.

    Attributes:
        resources: what to make, in order.
        changed: what is not quite as it was.
        refused: what cannot be taken.
        crontab: lines of a crontab in place of those that were read.
    """

    resources: list[PlannedResource] = field(default_factory=list[PlannedResource])
    changed: list[ImportNote] = field(default_factory=list[ImportNote])
    refused: list[ImportNote] = field(default_factory=list[ImportNote])
    crontab: list[str] = field(default_factory=list[str])

    def take(self, collection: str, name: str, body: dict[str, Any], place: str) -> None:
        """Plans a resource; empty values are left out, and halves of surrogate pairs become question marks."""
        text = json.dumps({key: value for key, value in body.items() if value not in ("", None, [], {})}, ensure_ascii=False)
        given: dict[str, Any] = json.loads(text.encode("utf-8", "replace"))
        self.resources.append(PlannedResource(collection, name, given, place))

    def change(self, place: str, what: str, reason: str) -> None:
        """Notes a difference."""
        self.changed.append(ImportNote(place, what, reason))

    def refuse(self, place: str, what: str, reason: str) -> None:
        """Notes what cannot be taken."""
        self.refused.append(ImportNote(place, what, reason))


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is told by what is imported: addresses and recipients, or else an escalation policy."""

    to: tuple[str, ...] = ()
    policy: str = ""

    @classmethod
    def of(cls, to: Iterable[str], policy: str | None) -> "Audience":
        """What the options say."""
        return cls(tuple(to), policy if not policy or "/" in policy else f"escalationPolicies/{policy}") if policy else cls(tuple(to))

    def __bool__(self) -> bool:
        """Whether anybody is told."""
        return bool(self.to or self.policy)

    def notify(self, subject: str, text: str) -> dict[str, Any]:
        """The action ``notify`` that tells them."""
        told: dict[str, Any] = {"subject": one_line(subject, most=900), "text": text or subject}
        people = [one for one in self.to if one.startswith(("recipients/", "groups/", "rotations/"))]
        addresses = [one for one in self.to if one not in people]
        if self.policy:
            told["escalationPolicy"] = self.policy
        if addresses:
            told["to"] = addresses
        if people:
            told["recipients"] = people
        return {"notify": told}


def one_line(text: str, *, most: int = MOST_NAME) -> str:
    """A text without control characters and line breaks, cut to a length."""
    line = " ".join("".join(" " if not one.isprintable() else one for one in text).split())
    return line if len(line) <= most else line[: most - 1] + "…"
