"""What has to be done so that the server has what files say: pure."""

import json
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from enum import Enum
from typing import Any, cast


class ApplyOutcome(Enum):
    """What becomes of a resource."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    DELETED = "deleted"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """A field that differs; None is what is not there."""

    path: str
    before: Any
    after: Any


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[FieldDifference]:
    """Field by field what differs, in the order of the fields after, and then of those that go."""
    return list(_differences(before, after, ""))


def _differences(before: Any, after: Any, path: str) -> Iterator[FieldDifference]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        old, new = cast("Mapping[str, Any]", before), cast("Mapping[str, Any]", after)
        for name in [*new, *(name for name in old if name not in new)]:
            yield from _differences(old.get(name), new.get(name), f"{path}.{name}" if path else name)
    elif _alike(before, after):
        for place, pair in enumerate(zip(cast("list[Any]", before), cast("list[Any]", after), strict=True)):
            yield from _differences(*pair, f"{path}[{place}]")
    elif json.dumps(before, sort_keys=True) != json.dumps(after, sort_keys=True):  # true is no 1 there
        yield FieldDifference(path, before, after)


def _alike(before: Any, after: Any) -> bool:
    """Whether two lists are of as many objects, so that each is compared with the one in its place."""
    if not (isinstance(before, list) and isinstance(after, list)):
        return False
    items = [*cast("list[Any]", before), *cast("list[Any]", after)]
    return len(cast("list[Any]", before)) * 2 == len(items) and all(isinstance(item, Mapping) for item in items)


def tops(differences: Sequence[FieldDifference]) -> list[str]:
    """The fields of the top in which something differs, in order."""
    return list(dict.fromkeys(change.path.partition(".")[0].partition("[")[0] for change in differences))


def stale(recorded: Set[str], wanted: Set[str], kinds: Set[str] = frozenset()) -> list[str]:
    """What was applied before and is in no file any more, as ``kind identity``; of these kinds if any are given."""
    return sorted(name for name in recorded - wanted if not kinds or name.partition(" ")[0] in kinds)
