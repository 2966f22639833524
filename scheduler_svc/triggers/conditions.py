"""Conditions on an event, compiled: a filter of an alarm becomes one function of an event."""

import operator
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

from scheduler_svc.triggers.messages import Published
from tocsin.clock import to_micros
from tocsin.errors import InvalidInput
from tocsin.listing import Condition, FilterField, FilterKind, Value, parse_filter
from tocsin.recurrence import Micros

Test: TypeAlias = Callable[[Published], bool]
"""Says whether an event meets the conditions."""


class Subscription(NamedTuple):
    """An alarm that waits for events of a topic, if they meet ``test``; ``since`` tells whether it still has that trigger."""

    alarm: str
    since: Micros
    test: Test | None


_FIELDS: Final[Mapping[str, FilterField]] = {
    "data": FilterField(kind=FilterKind.DOCUMENT),
    "id": FilterField(),
    "source": FilterField(),
    "time": FilterField(kind=FilterKind.TIME),
    "topic": FilterField(),
}
_MISSING: Final = object()
_COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@lru_cache(maxsize=8192)
def conditions_of(text: str) -> Test | None:
    """The function that an event filter means; None for an empty one, which every event meets.

    A field that the event does not have meets no condition, not even "!=". Values of different types are not equal and have no order.

    Raises:
        InvalidInput: it is not a filter; the message names the position.
    """
    try:
        tests = [_test(condition) for condition in parse_filter(text, fields=_FIELDS)]
    except InvalidInput as error:
        described = error.violations[0].description if error.violations else error.message
        raise InvalidInput.at("trigger.event.filter", described) from None
    if not tests:
        return None
    return tests[0] if len(tests) == 1 else lambda event: all(test(event) for test in tests)


def _test(condition: Condition) -> Test:
    compare = _COMPARE[condition.operator]
    value: Any = condition.value
    match condition.field:
        case "data":
            return _data_test(condition.path, compare, value, unequal=condition.operator == "!=")
        case "time":
            instant = to_micros(value)
            return lambda event: compare(event.happened, instant)
        case field:
            return lambda event: compare(getattr(event, field), value)


def _data_test(path: tuple[str, ...], compare: Callable[[Any, Any], bool], value: Value, *, unequal: bool) -> Test:
    kind = type(value)

    def test(event: Published) -> bool:
        found = _at(event.data, path)
        if type(found) is kind:
            return compare(found, value)
        return unequal and found is not _MISSING

    return test


def _at(data: Mapping[str, Any], path: tuple[str, ...]) -> object:
    """The value at the end of the path; numbers are all of one type, as in JSON."""
    found: Any = data
    for segment in path:
        if not isinstance(found, dict) or segment not in found:
            return _MISSING
        found = found[segment]  # pyright: ignore[reportUnknownVariableType]  a decoded document
    return found  # pyright: ignore[reportUnknownVariableType]  likewise
