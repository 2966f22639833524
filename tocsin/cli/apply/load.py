"""All documents, checked before anything is asked or written."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tocsin.cli.apply.kinds import Kind, kind_of
from tocsin.cli.apply.reader import Bodies, DocumentPlace, DocumentSource, Problem
from tocsin.cli.apply.shapes import SCOPE_LABEL, Shapes, compared, identity
from tocsin.errors import InvalidInput, TocsinError

_MOST_PROBLEMS: Final = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """A resource of a document: what it is, where it is said, and where its body is kept."""

    kind: Kind
    identity: str
    place: DocumentPlace
    where: tuple[int, int]


@dataclass(slots=True)
class Loaded:
    """The resources by kind and identity, and what is wrong; `more` problems are not listed."""

    wanted: dict[str, dict[str, Wanted]]
    problems: list[Problem]
    more: int = 0

    def all(self) -> Iterator[Wanted]:
        """All of them, kind by kind."""
        for found in self.wanted.values():
            yield from found.values()

    def refuse(self, problem: Problem) -> None:
        """Adds a problem."""
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(problem)
        else:
            self.more += 1


def load(sources: Sequence[DocumentSource], bodies: Bodies, shapes: Shapes, *, scope: str, default: str = "") -> Loaded:
    """Reads all documents; alarms get the label of the ``scope``, if there is one.

    With a ``default`` they are all of that kind, and need not say it.
    """
    loaded = Loaded({}, [])
    for source in sources:
        for found in source.documents():
            if isinstance(found, Problem):
                loaded.refuse(found)
                continue
            place, body = found
            try:
                kind, rest = kind_of({"kind": default, **body} if default else body)
                if default and kind.name != default:
                    raise InvalidInput.at("kind", f"is {kind.name}; `tocsin apply` takes every kind, this command {default} alone")
                _add(loaded, kind, shapes.sent(kind, rest), bodies, shapes, place, scope)
            except InvalidInput as error:
                for problem in problems_of(place, error):
                    loaded.refuse(problem)
    return loaded


def problems_of(place: DocumentPlace, error: TocsinError) -> list[Problem]:
    """What an error says of a document, field by field."""
    if not error.violations:
        return [Problem(str(place), "", error.message)]
    return [Problem(place.at(each.field), each.field, each.description) for each in error.violations]


def _add(loaded: Loaded, kind: Kind, sent: dict[str, Any], bodies: Bodies, shapes: Shapes, place: DocumentPlace, scope: str) -> None:
    if kind.name == "alarm":
        sent = _alarm(sent, scope)
    if not kind.imports:  # the server checks the lines of an import before any is written
        shapes.check(kind, sent)
    name = identity(kind, sent)
    if not name and kind.keys:
        raise InvalidInput.at(
            kind.keys[0], f"is required: {'what the alarm is known by' if kind.name == 'alarm' else kind.collection + '/…'}"
        )
    known = loaded.wanted.setdefault(kind.name, {})
    if not kind.keys:
        name = content_of(kind, sent)
    if (first := known.get(name)) is not None:
        raise InvalidInput.at(kind.keys[0] if kind.keys else "", f"{kind.shown(name)} is in {first.place} already")
    known[name] = Wanted(kind, name, place, bodies.add(sent))


def content_of(kind: Kind, sent: dict[str, Any]) -> str:
    """What tells one from another that has no name of its own: a short hash of what it says."""
    text = json.dumps(compared(kind, sent), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _alarm(sent: dict[str, Any], scope: str) -> dict[str, Any]:
    """An import knows an alarm by its key, and one that has none by its name in the place of it."""
    name = sent.pop("name", "")
    if not sent.get("key") and name:
        sent["key"] = name
    if scope:
        sent["labels"] = {**sent.get("labels", {}), SCOPE_LABEL: scope}
    return sent
