"""What a command's arguments become: path, query and body of a call of the contract."""

import json
import math
import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import typer

from tocsin.resource_names import NameInvalid, path_segments, segment

_VARIABLE: Final = re.compile(r"\{([a-z0-9_.]+)(?:=([^{}]*))?\}")
_PART: Final = re.compile(r"[^/\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True)
class WireCall:
    """A call, ready to be sent."""

    path: str
    query: Mapping[str, Any]
    body: Any


def arguments(row: Mapping[str, Any], given: Mapping[str, Any], body: Mapping[str, Any]) -> WireCall:
    """The call of a row of the contract for what was given by option.

    Raises:
        typer.BadParameter: a value is none of its option.
        NameInvalid: a name is not one of the resource.
    """
    values = {each["name"]: _value(each, given[each["name"]]) for each in row["params"] if given.get(each["name"]) not in (None, [])}
    names = {**values, **{f"{row['body']}.{key}": value for key, value in {**body, **values}.items()}}
    path = _path(row["paths"], names)
    spelled = {each["name"]: each["json"] for each in row["params"]}
    query = {spelled[each["name"]]: values[each["name"]] for each in row["params"] if each["place"] == "query" and each["name"] in values}
    whole: Any = None
    if row["body"] == "*":
        whole = {
            spelled[each["name"]]: values[each["name"]] for each in row["params"] if each["place"] == "body" and each["name"] in values
        }
    elif row["body"]:
        whole = dict(body)
    if "requestId" in spelled.values():
        holder = cast("dict[str, Any]", whole if row["body"] == "*" else query)
        holder.setdefault("requestId", str(uuid.uuid4()))
    return WireCall(path, query, whole)


def _path(templates: Sequence[str], values: Mapping[str, Any]) -> str:
    """The path of the first template that the names fit; an id alone stands for the name of a resource, where no name fits."""
    for part in (_whole, _by_id):
        for template in templates:
            if (made := _filled(template, values, part)) is not None:
                return made
    forms = [(found[2] or found[1]).replace("*", "{id}") for template in templates for found in _VARIABLE.finditer(template)]
    raise NameInvalid.at("name", f"must be {' or '.join(dict.fromkeys(forms))}")


def _filled(template: str, values: Mapping[str, Any], part: Callable[[str, str], str | None]) -> str | None:
    made, rest = "", 0
    for found in _VARIABLE.finditer(template):
        value = part(str(values.get(found[1], "")), found[2] or "*")
        if value is None:
            return None
        made += template[rest : found.start()] + value
        rest = found.end()
    return made + template[rest:]


def _whole(value: str, pattern: str) -> str | None:
    """The name as a part of a path; None if it is of another form."""
    if pattern in ("*", "**"):
        return (segment(value) if pattern == "*" else path_segments(value)) or None
    wanted, parts = pattern.split("/"), value.split("/")
    if len(wanted) != len(parts) or not all(map(_fits, parts, wanted)):
        return None
    return "/".join(map(segment, parts))


def _by_id(value: str, pattern: str) -> str | None:
    """The same for an id alone, such as 01J... for alarms/01J...; for a pattern with one place for it."""
    alone = "/" in pattern and pattern.count("*") == 1 and "/" not in value
    return _whole(pattern.replace("*", value) if alone else value, pattern)


def _fits(part: str, wanted: str) -> bool:
    return part == wanted if wanted != "*" else part not in (".", "..") and _PART.fullmatch(part) is not None


def option_of(param: Mapping[str, Any]) -> str:
    """What an option is called."""
    return f"--{param['name'].rstrip('_').replace('_', '-')}"


def _value(param: Mapping[str, Any], value: Any) -> Any:
    """What an option says, as JSON has it."""
    kind, option = param["kind"].removeprefix("optional(").removesuffix(")"), option_of(param)
    if kind == "NUMBER" and not math.isfinite(value):
        msg = f"{value} is not a finite number"
        raise typer.BadParameter(msg, param_hint=option)
    if kind == "ENUM":
        return str(value).upper().replace("-", "_")
    if kind.startswith("many("):
        inner = kind.removeprefix("many(")
        return [_structured(each, option) if inner.startswith("message") else each.upper() if inner == "ENUM" else each for each in value]
    return _structured(value, option) if kind.startswith(("message(", "mapped(", "ANY")) else value


def _structured(text: Any, option: str) -> Any:
    try:
        return json.loads(str(text), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        msg = f"not valid JSON: {error}"
        raise typer.BadParameter(msg, param_hint=option) from None


def _no_number(text: str) -> float:
    msg = f"{text} is no number of JSON"
    raise ValueError(msg)


def path_for(row: Mapping[str, Any]) -> str:
    """The collection whose names a command completes, such as "alarms"; empty where there is none."""
    for found in _VARIABLE.finditer(row["paths"][0]):
        if found[2] and found[2].count("/") == 1 and found[2].endswith("/*"):
            return found[2].removesuffix("/*")
    return ""


def taken(name: str, collection: str, incomplete: str) -> Iterator[str]:
    """The name, or its id alone, if that is what somebody begins to type."""
    for form in (name.removeprefix(f"{collection}/"), name):
        if form and form.startswith(incomplete):
            yield form
            return
