"""What a firing is about, as values for templates."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final, cast

from processor_svc.domain import Job, Json

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_MOST: Final = 100


def template_values(job: Job) -> dict[str, str]:
    """What a template may use beside the variables of its action, by name.

    ``origin`` is where the firing comes from. Each part of its context is there under its path, joined by underscores: ``event_topic``,
    ``reading_value``, ``event_data_order_id``. A text is there as it is, anything else as JSON; so ``event`` is the whole of it. A path
    that is no name of a variable is left out, and so is what comes after the hundredth.
    """
    values: dict[str, str] = {"origin": job.origin}
    for name, value in _paths("", job.context):
        if len(values) == _MOST:
            break
        if _NAME.fullmatch(name):
            values.setdefault(name, value)
    return values


def _paths(prefix: str, value: Json) -> Iterator[tuple[str, str]]:
    """Outer values before inner ones."""
    inner: list[tuple[str, Any]] = [(f"{prefix}{name}", item) for name, item in value.items()]
    for name, item in inner:
        yield name, item if isinstance(item, str) else json.dumps(_whole(item), ensure_ascii=False, separators=(",", ":"))
    for name, item in inner:
        if isinstance(item, dict):
            yield from _paths(f"{name}_", item)


def _whole(value: Json) -> Json:
    """Without the fraction that every number of a google.protobuf.Struct has."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _whole(item) for name, item in cast("dict[str, Json]", value).items()}
    return [_whole(item) for item in cast("list[Json]", value)] if isinstance(value, list) else value
