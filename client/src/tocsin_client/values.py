"""What models are made of: a message keeps the JSON that it was made from, and converts a field when it is read.

So a message of a newer gateway keeps what this version does not know, and a list of a thousand alarms costs nothing that is not read.
"""

import base64
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final, Self, cast, dataclass_transform

from tocsin_client.errors import InvalidInput, UnexpectedAnswer

JsonObject = Mapping[str, Any]
"""A message in its JSON form, as curl would send it: taken wherever a message is."""

_FRACTION: Final = re.compile(r"(?<=\.)([0-9]{1,9})(?=Z|[+-])")
_MODELS: Final[dict[str, "type[Model]"]] = {}


@dataclass(frozen=True, slots=True)
class Kind:
    """How a value is written in JSON, and read from there.

    Attributes:
        read: from JSON; a ValueError, TypeError or KeyError when it has another form.
        write: to JSON; a ValueError whose text says what it must be.
        empty: what a field is that is not there.
    """

    read: Callable[[Any], Any]
    write: Callable[[Any], Any]
    empty: Any = None


def _of_type(kinds: tuple[type, ...], words: str) -> Callable[[Any], Any]:
    def write(value: Any) -> Any:
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            msg = f"must be {words}, not {type(value).__name__}"
            raise ValueError(msg)
        return value

    return write


def _write_number(value: Any) -> float:
    number = _of_type((int, float), "a number")(value)
    if not math.isfinite(number):
        msg = "must be a finite number"
        raise ValueError(msg)
    return number


def _write_time(value: Any) -> str:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            msg = "must have a time zone: datetime(..., tzinfo=UTC), say"
            raise ValueError(msg)
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return _of_type((str,), "a datetime or a text in RFC 3339")(value)


def _read_time(value: Any) -> datetime:
    """The time, cut to microseconds."""
    return datetime.fromisoformat(_FRACTION.sub(lambda found: found[1][:6].ljust(6, "0"), value))


def _write_duration(value: Any) -> str:
    if isinstance(value, timedelta):
        whole, rest = divmod(abs(value) // timedelta(microseconds=1), 1_000_000)
        return f"{'-' if value < timedelta(0) else ''}{whole}{f'.{rest:06}' if rest else ''}s"
    return _of_type((str,), "a timedelta or a text such as 5m")(value)


def _read_duration(value: Any) -> timedelta:
    whole, _, rest = value.removesuffix("s").partition(".")
    length = timedelta(seconds=abs(int(whole)), microseconds=int(rest[:6].ljust(6, "0")) if rest else 0)
    return -length if whole.startswith("-") else length


def _write_mask(value: Any) -> str:
    paths = _write_list(_TEXT)([value] if isinstance(value, str) else value)
    return ",".join(paths)


def _write_list(item: Kind) -> Callable[[Any], Any]:
    def write(value: Any) -> list[Any]:
        if isinstance(value, str | bytes | Mapping) or not isinstance(value, Sequence | set | frozenset):
            msg = f"must be a list, not {type(value).__name__}"  # pyright: ignore[reportUnknownArgumentType]
            raise ValueError(msg)
        return [item.write(each) for each in cast("Sequence[Any]", value)]

    return write


def _write_bytes(value: Any) -> str:
    return base64.b64encode(_of_type((bytes, bytearray), "bytes")(value)).decode()


_TEXT = Kind(str, _of_type((str,), "text"))
ANY: Final = Kind(lambda value: value, lambda value: value)
MASK: Final = Kind(lambda value: value.split(","), _write_mask)
TIME: Final = Kind(_read_time, _write_time)
DURATION: Final = Kind(_read_duration, _write_duration)
ENUM: Final = _TEXT
TEXT: Final = Kind(str, _TEXT.write, "")
INTEGER: Final = Kind(int, _of_type((int,), "an integer"), 0)
NUMBER: Final = Kind(float, _write_number, 0.0)
BOOL: Final = Kind(bool, _of_type((bool,), "True or False"), False)
BYTES: Final = Kind(base64.b64decode, _write_bytes, b"")


def optional(kind: Kind) -> Kind:
    """The same, None where there is none."""
    return Kind(kind.read, kind.write)


def many(kind: Kind) -> Kind:
    """A list of them, read as a tuple."""
    return Kind(lambda value: tuple(kind.read(each) for each in value), _write_list(kind), ())


def mapped(kind: Kind) -> Kind:
    """An object of them."""

    def write(value: Any) -> dict[str, Any]:
        found = cast("Mapping[Any, Any]", _of_type((Mapping,), "a mapping")(value))
        return {str(key): kind.write(each) for key, each in found.items()}

    return Kind(lambda value: {key: kind.read(each) for key, each in value.items()}, write, {})


def message(name: str) -> Kind:
    """A model, by its name."""

    def write(value: Any) -> Any:
        if isinstance(value, _MODELS[name]):
            return value.to_json()
        if isinstance(value, Mapping):
            return dict(cast("JsonObject", value))
        msg = f"must be a {name} or a mapping, not {type(value).__name__}"
        raise ValueError(msg)

    return Kind(lambda value: _MODELS[name].from_json(value), write)


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter of a call: its name in JSON (dotted where it is nested), and its form."""

    json_name: str
    kind: Kind


class Field:
    """A field of a model: knows its name and form in JSON."""

    __slots__ = ("json_name", "kind", "name", "secret")

    def __init__(self, json_name: str, kind: Kind, *, secret: bool) -> None:
        """Makes the field; a secret one is never shown."""
        self.json_name = json_name
        self.kind = kind
        self.secret = secret
        self.name = json_name

    def __set_name__(self, owner: "type[Model]", name: str) -> None:
        """Learns what the field is called in Python."""
        self.name = name

    def __get__(self, model: "Model | None", owner: "type[Model]") -> Any:
        """Reads the field.

        Raises:
            UnexpectedAnswer: the JSON is not of the contract's form.
        """
        if model is None:
            return self
        value = model.json.get(self.json_name)
        if value is None:
            return self.kind.empty
        try:
            return self.kind.read(value)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
            msg = f"{owner.__name__}.{self.name} is not of the contract's form"
        raise UnexpectedAnswer(msg)

    def __set__(self, model: "Model", value: object) -> None:
        """Refuses: messages do not change."""
        msg = f"{type(model).__name__} does not change; use replace({self.name}=...)"
        raise AttributeError(msg)


def field(json_name: str, kind: Kind, *, secret: bool = False, default: Any = None) -> Any:
    """Declares a field of a model; ``default`` tells type checkers that it may be left out."""
    del default
    return Field(json_name, kind, secret=secret)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
class Model:
    """A message of the contract. It does not change: `replace` makes another one."""

    __slots__ = ("json",)
    json: JsonObject
    """Its JSON form; not to be changed."""
    fields: ClassVar[Mapping[str, Field]] = {}

    def __init_subclass__(cls) -> None:
        """Makes the model known by its name."""
        cls.fields = {name: each for name, each in vars(cls).items() if isinstance(each, Field)}
        _MODELS[cls.__name__] = cls

    def __init__(self, **values: Any) -> None:
        """Makes a message; a value of None leaves its field unset.

        Raises:
            InvalidInput: a value is of another type than its field.
            TypeError: there is no such field.
        """
        self.json = self._written(values)

    @classmethod
    def from_json(cls, json: JsonObject) -> Self:
        """The message of a JSON object.

        Raises:
            TypeError: it is no object.
        """
        if not isinstance(json, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] - it came from afar
            msg = f"{cls.__name__} is made of an object"
            raise TypeError(msg)
        made = cls.__new__(cls)
        made.json = json
        return made

    @classmethod
    def _written(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in values.items():
            if name not in cls.fields:
                msg = f"{cls.__name__} has no field {name!r}"
                raise TypeError(msg)
            if value is not None:
                found[cls.fields[name].json_name] = written(cls.fields[name], value)
        return found

    def to_json(self) -> dict[str, Any]:
        """A copy of the JSON form, what this version does not know included."""
        return deepcopy(dict(self.json))

    def replace(self, **values: Any) -> Self:
        """The same message with other values; None takes a field out."""
        gone = {self.fields[name].json_name for name, value in values.items() if value is None and name in self.fields}
        kept = {name: value for name, value in self.json.items() if name not in gone}
        return self.from_json({**deepcopy(kept), **self._written(values)})

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """The fields that are set, with their values."""
        return ((name, getattr(self, name)) for name, each in self.fields.items() if self.json.get(each.json_name) is not None)

    def __eq__(self, other: object) -> bool:
        """Whether it is the same message."""
        return isinstance(other, Model) and type(other) is type(self) and self.json == other.json

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """The fields that are set; secrets are masked."""
        shown = (f"{name}={'***' if self.fields[name].secret else repr(value)}" for name, value in self)
        return f"{type(self).__name__}({', '.join(shown)})"


def written(place: Field | Param, value: Any) -> Any:
    """The JSON of a value for a field or a parameter.

    Raises:
        InvalidInput: it is of another type.
    """
    try:
        return place.kind.write(value)
    except ValueError as error:
        words = str(error)
    raise InvalidInput.at(place.json_name, words)
