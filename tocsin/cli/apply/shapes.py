"""What a document says and what the server answers, in one form, so that only what differs is a difference.

A document is the whole of its resource: a field that it leaves out is what the server makes of a field that is left out. What that is
stands in `_RULES`; a test applies a document of every kind twice.
"""

import copy
import functools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

from tocsin.channels import normal_address
from tocsin.cli.apply.kinds import Kind, input_only, output_only
from tocsin.errors import InvalidInput
from tocsin.mesh.policy import contract
from tocsin.mesh.validation import shared_validator
from tocsin.protojson.codec import Codecs
from tocsin.recurrence import Cron, OnCalendar, Recurrence, Trigger, normalized

SCOPE_LABEL: Final = "apply_scope"
"""The label of alarms by which `--prune` knows those of a scope."""
MASKED: Final = "********"
"""What the server shows of a secret."""

_SHORT_TIME: Final = re.compile(r"(?:[0-9]{4}-[0-9]{2}-[0-9]{2}T)?[0-9]{2}:[0-9]{2}")
_NO_TIME: Final = "0s"
_OWN: Final = frozenset({"name", "etag"})


@dataclass(frozen=True, slots=True)
class _Rules:
    """What the server makes of what is left out.

    Attributes:
        defaults: values by path; `*` is every element of a list or an object.
        left: paths that stay as they are where a document leaves them out.
        kept: those of them that a write has to bring along, because it would take them away.
    """

    defaults: Mapping[str, Any]
    left: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


_ALARM_KEPT: Final = (f"labels.{SCOPE_LABEL}", "trigger.heartbeat.key")
_RULES: Final[Mapping[str, _Rules]] = {
    "alarm": _Rules(
        {
            "priority": "NORMAL",
            "trigger.daily.recurring": True,
            "trigger.heartbeat.notifyResolved": True,
            "trigger.threshold.notifyResolved": True,
        },
        ("state", *_ALARM_KEPT),
        _ALARM_KEPT,
    ),
    "category": _Rules({"kind": "TRANSACTIONAL"}),
    "group": _Rules({}, ("members",), ("members",)),
    "identity-provider": _Rules({}, ("displayName", "scopes", "groupsClaim", "sessionLifetime")),
    "integration": _Rules({"defaultSeverity": "ERROR"}),
    "policy": _Rules({"steps.*.wait": "300s"}),
    "provider": _Rules({}, ("position",)),
    "recipient": _Rules({"timeZone": "UTC"}, ("addresses", "groups", "rules", "addresses.*.state"), ("addresses", "groups", "rules")),
    "role": _Rules({}, ("displayName",)),
    "rotation": _Rules({}, ("layers.*.handOverTime", "layers.*.handOverWeekday")),
    "route": _Rules({"wait": "30s", "interval": "300s", "repeat": "14400s"}),
    "silence": _Rules({}, ("startTime", "recurrence.timeZone")),
    "suppression": _Rules({"reason": "MANUAL"}, ("source",)),
}
_NONE: Final = _Rules({})


@dataclass(frozen=True, slots=True)
class _Field:
    """What is asked of a field again and again.

    Attributes:
        message: the type of what it holds, if that has fields of the contract.
        telling: whether no time at all is something that it can say: where it is another one if it is left out.
    """

    shown: bool
    hidden: bool
    message: Descriptor | None
    repeated: bool
    text: bool
    telling: bool


@functools.cache
def _fields(kind: Descriptor) -> Mapping[str, _Field]:
    """The fields by their names in JSON."""
    leaves = {path.rpartition(".")[2] for rules in _RULES.values() for path in rules.defaults}
    found: dict[str, _Field] = {}
    for field in kind.fields:
        message = field.message_type
        typed = message is not None and not message.full_name.startswith("google.") and not message.GetOptions().map_entry
        found[field.json_name] = _Field(
            shown=not output_only(field),
            hidden=input_only(field),
            message=message if typed else None,
            repeated=field.is_repeated,
            text=field.cpp_type == FieldDescriptor.CPPTYPE_STRING,
            telling=field.json_name in leaves or field.containing_oneof is not None,
        )
    return found


@functools.cache
def _codecs() -> Codecs:
    return Codecs(descriptor_set=contract().SerializeToString())


class Shapes:
    """Brings resources into form; one for a run, because it keeps what it compiled."""

    def __init__(self) -> None:
        self._codecs = _codecs()
        self._validator = shared_validator()

    def sent(self, kind: Kind, body: dict[str, Any]) -> dict[str, Any]:
        """What a document says, as the contract writes it, without what the server says alone; ``body`` is used up.

        Raises:
            InvalidInput: it is no resource of this kind; the error names the field.
        """
        codec = self._codecs.of(kind.line)
        value = codec.to_value(codec.to_wire(body))
        name = {"name": value["name"]} if kind.keys == ("name",) and "name" in value else {}  # which may be the server's alone
        return {**name, **stored(kind, value)}

    def check(self, kind: Kind, sent: Mapping[str, Any]) -> None:
        """Returns if the resource keeps the rules of the contract.

        Raises:
            InvalidInput: names the fields that break one.
        """
        wire = self._codecs.of(kind.line).to_wire(copy.deepcopy(dict(sent)))
        self._validator.check(GetMessageClass(kind.line).FromString(wire))


def stored(kind: Kind, value: Mapping[str, Any]) -> dict[str, Any]:
    """A resource without what only the server says, and without what a newer one says of it."""
    found = _typed(kind.line, value, plain=False)
    found.pop("etag", None)
    return found


def compared(kind: Kind, value: Mapping[str, Any], *, zone: str = "") -> dict[str, Any]:
    """What of a resource counts when two are compared; ``zone`` is that of the tenant."""
    found = {name: item for name, item in _typed(kind.line, value, plain=True).items() if name not in _OWN}
    if (special := _SPECIAL.get(kind.name)) is not None:
        special(found, zone)
    for path, default in _RULES.get(kind.name, _NONE).defaults.items():
        _drop(found, path.split("."), default)
    return found


def identity(kind: Kind, value: Mapping[str, Any]) -> str:
    """What tells a resource from others of its kind, however its address is written."""
    if kind.name == "suppression":
        return f"{_address(value)} {value.get('category', '')}".strip()
    return kind.identity(value)


def wanted(kind: Kind, sent: Mapping[str, Any], present: Mapping[str, Any], *, zone: str = "") -> dict[str, Any]:
    """What is sent, as `compared` has it and ``present``, with what stays as it is because it is left out."""
    found = compared(kind, sent, zone=zone)
    for path in _RULES.get(kind.name, _NONE).left:
        _copy(found, present, path.split("."))
    for name in ("dates", "windows") if "ics" in sent else ():  # which came out of it
        _copy(found, present, [name])
    return found


def leaves_out(kind: Kind, said: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What documents may say of a resource that is there: all of it, or less by some of what they may leave out."""
    found: list[dict[str, Any]] = [dict(said)]
    for path in _RULES.get(kind.name, _NONE).left:
        for each in list(found):
            shorter = copy.deepcopy(each)
            _take(shorter, path.split("."))
            found.append(shorter)
    yield from found


def kept(kind: Kind, sent: Mapping[str, Any], present: Mapping[str, Any]) -> dict[str, Any]:
    """What is sent, with what the write would take away otherwise; ``present`` as `stored` has it."""
    found = copy.deepcopy(dict(sent))
    for path in _RULES.get(kind.name, _NONE).kept:
        _copy(found, present, path.split("."))
    return found


def unreadable(kind: Kind, sent: Mapping[str, Any], present: Mapping[str, Any]) -> list[str]:
    """The fields of the top that the document says and the server never shows, or shows masked: nobody can tell whether they differ."""
    fields = _fields(kind.line)
    return [name for name, value in sent.items() if _hidden(fields[name], value) or _covered(value, present.get(name))]


def _hidden(field: _Field, value: Any) -> bool:
    if field.hidden or field.message is None:
        return field.hidden
    inner = _fields(field.message)
    items = cast("list[Any]", value) if field.repeated else [value]
    return any(_hidden(inner[name], each) for item in items for name, each in item.items())


def _covered(value: Any, present: Any) -> bool:
    if isinstance(value, dict) and isinstance(present, dict):
        shown = cast("dict[str, Any]", present)
        return any(_covered(item, shown.get(name)) for name, item in cast("dict[str, Any]", value).items())
    return present == MASKED and value != MASKED


def _typed(kind: Descriptor, value: Mapping[str, Any], *, plain: bool) -> dict[str, Any]:
    """A message without its output; if ``plain``, times in full, and without what is as good as nothing or never answered."""
    fields = _fields(kind)
    found: dict[str, Any] = {}
    for name, item in value.items():
        field = fields.get(name)
        if field is None or not field.shown or (plain and field.hidden):
            continue
        made = _value(field, item, plain=plain)
        if not plain or field.telling or made not in (_NO_TIME, {}, []):
            found[name] = made
    return found


def _value(field: _Field, item: Any, *, plain: bool) -> Any:
    if field.message is None:
        return f"{item}:00" if plain and field.text and isinstance(item, str) and _SHORT_TIME.fullmatch(item) else item
    if field.repeated:
        return [_typed(field.message, each, plain=plain) for each in item]
    return _typed(field.message, item, plain=plain)


def _drop(value: Any, path: list[str], default: Any) -> None:
    """Takes away what stands at a path, where it is the default."""
    key, *rest = path
    if isinstance(value, list):
        for item in cast("list[Any]", value) if key == "*" else ():
            _drop(item, rest, default)
    elif isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        for name in [name for name in members if key in ("*", name)]:
            if rest:
                _drop(members[name], rest, default)
            elif members[name] == default:
                del members[name]


def _take(value: Any, path: list[str]) -> None:
    """Takes away what stands at a path."""
    for name in path[:-1]:
        value = cast("dict[str, Any]", value).get(name, {})
    cast("dict[str, Any]", value).pop(path[-1], None)


def _copy(value: Any, source: Any, path: list[str]) -> None:
    """Puts what stands at a path of ``source`` into ``value``, unless something stands there."""
    key, *rest = path
    if isinstance(value, list) and isinstance(source, list):
        for inner, other in zip(cast("list[Any]", value), cast("list[Any]", source), strict=False) if key == "*" and rest else ():
            _copy(inner, other, rest)
    if not (isinstance(value, dict) and isinstance(source, dict)):
        return
    into, shown = cast("dict[str, Any]", value), cast("dict[str, Any]", source)
    for name in [name for name in shown if key in ("*", name)]:
        if not rest:
            into.setdefault(name, copy.deepcopy(shown[name]))
        elif name in into:
            _copy(into[name], shown[name], rest)
        elif name == "labels":  # of which one may be the only one; what is within another trigger is nothing to this one
            made: dict[str, Any] = {}
            _copy(made, shown[name], rest)
            into.update({name: made} if made else {})


def _alarm(value: dict[str, Any], zone: str) -> None:
    if isinstance(trigger := value.get("trigger"), dict):
        rule = cast("dict[str, Any]", trigger)
        if rule.get("timeZone") == (_zone_of(rule) or zone):
            del rule["timeZone"]


def _zone_of(trigger: Mapping[str, Any]) -> str:
    """The zone that the rule of a trigger names itself, which is that of the trigger unless it has another one."""
    inner = cast("Mapping[str, Any]", trigger.get("heartbeat", trigger))
    makes = {"cron": Cron, "rrule": Recurrence, "onCalendar": OnCalendar}
    for name, spec in makes.items():
        if isinstance(text := inner.get(name), str) and ("/" in text or "TZ" in text or "UTC" in text):
            try:
                return normalized(Trigger(spec=spec(text), time_zone=""), time_zone="").time_zone
            except InvalidInput:
                return ""  # the server tells what is wrong with it
    return ""


def _recipient(value: dict[str, Any], _: str) -> None:
    if isinstance(locale := value.get("locale"), str):
        value["locale"] = locale.casefold()
    value.get("groups", []).sort()
    if "addresses" in value:
        value["addresses"] = {_address(each): _state(each) for each in value["addresses"]}


def _state(address: Mapping[str, Any]) -> dict[str, Any]:
    return {name: address[name] for name in ("state", "reason") if name in address and address[name] != "PENDING"}


def _address(address: Mapping[str, Any]) -> str:
    channel, text = str(address.get("channel", "")), str(address.get("value", address.get("address", "")))
    try:
        text = normal_address(text, [channel])
    except InvalidInput:
        return f"{channel} {text}"  # the server refuses it
    return f"{channel} {text.lower() if '@' in text else text}"


def _suppression(value: dict[str, Any], _: str) -> None:
    value["address"] = _address(value).partition(" ")[2]


def _group(value: dict[str, Any], _: str) -> None:
    value.get("members", []).sort()


def _role(value: dict[str, Any], _: str) -> None:
    value["scopes"] = sorted(set(value.get("scopes", ())) | {"profile:read"})


def _policy(value: dict[str, Any], zone: str) -> None:
    if value.get("timeZone") == zone:
        del value["timeZone"]


_SPECIAL: Final[Mapping[str, Callable[[dict[str, Any], str], None]]] = {
    "alarm": _alarm,
    "group": _group,
    "policy": _policy,
    "recipient": _recipient,
    "role": _role,
    "suppression": _suppression,
}
