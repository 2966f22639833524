"""The kinds of resources that files can hold: those that the contract can make, read and change, by its own descriptors."""

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from google.api import annotations_pb2, field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor

from tocsin.cli.verbs import Row, contract
from tocsin.errors import InvalidInput
from tocsin.mesh.policy import PACKAGE
from tocsin.mesh.policy import contract as compiled

_COLLECTION: Final = re.compile(r"/v1/([A-Za-z]+)")
_KEYS: Final[Mapping[str, tuple[str, ...]]] = {"alarm": ("key",), "suppression": ("channel", "address", "category")}
"""The fields by which an import knows one again, where its name is the server's."""
_NAMED_BY_THE_SERVER: Final = frozenset({"provider"})
"""Whose names are the server's although the contract calls them identifiers: they can be changed and not made."""
_ORDER: Final = ("role", "identity-provider", "category", "template", "calendar", "recipient", "rotation", "group", "policy")
"""What others refer to, in the order in which it is made; a recipient makes the groups that it is in. All else comes after it."""
_LATER: Final = ("route", "dependency", "integration", "silence")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a document can be.

    Attributes:
        name: as documents say it, "alarm".
        collection: of its names and paths, "alarms".
        type: of its message, and `line` that of a line of its import; they are the same but for groups.
        keys: the fields that tell one from another; none for what has only its content.
        rows: its calls, by verb (contract.json).
        makes: whether a document can make one that is not there.
        imports: whether many are written by one import.
        rank: what is made earlier has a lower one.
    """

    name: str
    collection: str
    type: Descriptor
    line: Descriptor
    keys: tuple[str, ...]
    rows: Mapping[str, Row]
    makes: bool
    imports: bool
    rank: int

    @property
    def labelled(self) -> bool:
        """Whether it has labels."""
        return "labels" in self.type.fields_by_name

    def identity(self, body: Mapping[str, Any]) -> str:
        """What tells it from others of its kind; empty if it does not say, or has only its content."""
        if self.name == "alarm":
            return str(body.get("key") or body.get("name") or "")
        if self.keys != ("name",):
            return " ".join(str(body.get(key, "")) for key in self.keys).strip()
        return str(body.get("name") or "")

    def shown(self, identity: str) -> str:
        """The identity as reports have it: `calendars/holidays`, `alarm nightly`."""
        return identity if identity.startswith(f"{self.collection}/") else f"{self.name} {identity}".rstrip()


@functools.cache
def kinds() -> Mapping[str, Kind]:
    """The kinds by name, in the order in which they are made."""
    posts, gets = dict(_methods("post")), dict(_methods("get"))
    found = [_kind(name, rows, posts, gets) for name, rows in contract().items() if _is_kind(rows)]
    return {kind.name: kind for kind in sorted(found, key=lambda kind: (kind.rank, kind.name))}


def _is_kind(rows: Mapping[str, Row]) -> bool:
    create = rows.get("create")
    return (
        create is not None and create["body"] not in ("", "*") and "list" in rows and _COLLECTION.fullmatch(create["paths"][0]) is not None
    )


def _kind(name: str, rows: Mapping[str, Row], posts: Mapping[str, MethodDescriptor], gets: Mapping[str, MethodDescriptor]) -> Kind:
    path = rows["create"]["paths"][0]
    imports = "export" in rows
    message: Any = posts[path].input_type.fields_by_name[rows["create"]["body"]].message_type
    line: Any = next(iter(gets[f"{path}:export"].output_type.fields)).message_type if imports else message
    chosen = not output_only(message.fields_by_name["name"]) and name not in _NAMED_BY_THE_SERVER
    keys = _KEYS.get(name, ("name",) if chosen or "update" in rows else ())
    return Kind(
        name=name,
        collection=path.removeprefix("/v1/"),
        type=message,
        line=line,
        keys=keys,
        rows=rows,
        makes=chosen or keys != ("name",),
        imports=imports,
        rank=_rank(name),
    )


def _rank(name: str) -> int:
    if name in _ORDER:
        return _ORDER.index(name)
    return len(_ORDER) + (1 + _LATER.index(name) if name in _LATER else 0 if name != "alarm" else len(_LATER) + 1)


def _methods(verb: str) -> Iterator[tuple[str, MethodDescriptor]]:
    """The methods of the contract by their paths."""
    for file in compiled().file:
        if not (file.name.startswith(PACKAGE.replace(".", "/")) and file.service):
            continue
        module: Any = import_module(file.name.removesuffix(".proto").replace("/", ".") + "_pb2")
        for service in module.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                yield getattr(method.GetOptions().Extensions[annotations_pb2.http], verb), method


def _behaves(field: FieldDescriptor, behavior: int) -> bool:
    options: Any = field.GetOptions()
    return behavior in options.Extensions[field_behavior_pb2.field_behavior]


def output_only(field: FieldDescriptor) -> bool:
    """Whether only the server says it."""
    return _behaves(field, field_behavior_pb2.OUTPUT_ONLY)


def input_only(field: FieldDescriptor) -> bool:
    """Whether the server never answers it."""
    return _behaves(field, field_behavior_pb2.INPUT_ONLY)


def required(kind: Kind) -> frozenset[str]:
    """The fields that each of a kind has."""
    return frozenset(field.json_name for field in kind.type.fields if _behaves(field, field_behavior_pb2.REQUIRED))


def kind_of(body: Mapping[str, Any]) -> tuple[Kind, dict[str, Any]]:
    """The kind of a document, and its resource with its name in full.

    It is told by ``kind: calendar``, by the collection of the name, or by what only one kind has (an alarm its trigger and its action).
    Integrations, categories and providers have a ``kind`` of their own; their names tell what they are.

    Raises:
        InvalidInput: it cannot be told.
    """
    said, name, rest = body.get("kind"), body.get("name"), dict(body)
    named = next((kind for kind in kinds().values() if isinstance(name, str) and name.startswith(f"{kind.collection}/")), None)
    told = _aliases().get(said) if isinstance(said, str) else None
    if told is not None and named is not None and told is not named:
        raise InvalidInput.at("name", f"{name} is no name of the kind {told.name}, which is {told.collection}/…")
    if told is not None:
        del rest["kind"]
    found = told or named or (_inferred(body) if said is None else None)
    if found is None:
        words = f"{said!r} is no kind of resource" if said is not None else "a document says its kind"
        raise InvalidInput.at("kind", f"{words}: {', '.join(kinds())}")
    if said is not None and told is None and "kind" not in found.line.fields_by_name:
        raise InvalidInput.at("kind", f"{said!r} is no kind of resource; {name} is of the kind {found.name}")
    if isinstance(name, str) and name and "/" not in name:
        if found.keys != ("name",):
            raise InvalidInput.at("name", f"is the server's: {found.collection}/…" + (", give a key" if "key" in found.keys else ""))
        rest["name"] = f"{found.collection}/{name}"
    return found, rest


@functools.cache
def _aliases() -> Mapping[str, Kind]:
    """What documents may call the kinds: as commands do, or as the contract does: policy, escalationPolicy, EscalationPolicy."""
    return {
        word: kind for kind in kinds().values() for word in (kind.name, kind.type.name, kind.type.name[:1].lower() + kind.type.name[1:])
    }


def _inferred(body: Mapping[str, Any]) -> Kind | None:
    """The kind that the fields tell, of those without names of their own: the form that exports have."""
    fits = [kind for kind in kinds().values() if kind.keys != ("name",) and required(kind) and required(kind) <= body.keys()]
    return fits[0] if len(fits) == 1 else None
