"""One tree, two forms: plain YAML for kustomize, and a template for Helm, where a `Value` is looked up."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

import yaml

Tree: TypeAlias = Mapping[str, Any]

_TOKEN: Final = re.compile(r"'?@@(\d+)@@'?")
_ITEM: Final = re.compile(r"^ *- @@(\d+)@@$", re.MULTILINE)
_LINE: Final = re.compile(r"^( *(?:- )?[\w.-]+: )@@(\d+)@@$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Value:
    """What an operator may set.

    Attributes:
        path: its name in values.yaml, such as ``replicas.gateway``.
        default: what it is in the kustomize base, and in the chart unless set.
        unless: a condition of the chart under which the whole line is left out, such as ``.Values.autoscaling.enabled``.
    """

    path: str
    default: Any
    unless: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """Text with values in it: ``Text("spiffe://{}/gateway", trust_domain)``."""

    pattern: str
    value: Value


@dataclass(frozen=True, slots=True)
class ChartOnly:
    """An expression of Helm; kustomize has ``otherwise`` in its place, or does without the key."""

    expression: str
    otherwise: Any = None


@dataclass(frozen=True, slots=True)
class ItemWhen:
    """An item of a list that the chart has under a condition; in kustomize a component adds it."""

    condition: str
    item: Tree


@dataclass(frozen=True, slots=True)
class Manifest:
    """One file of resources.

    Attributes:
        name: of the file, without its ending.
        resources: what it holds.
        when: the condition of the chart under which it is applied; empty: always.
    """

    name: str
    resources: Sequence[Tree]
    when: str = ""


Leaf: TypeAlias = Value | Text | ChartOnly | ItemWhen
"""What a tree has in the place of a text, a number or an item."""


class _Dumper(yaml.SafeDumper):
    """Writes no anchors: the same part twice is written twice."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def plain(manifest: Manifest, header: str) -> str:
    """For kustomize."""
    return header + "---\n".join(_yaml(_replaced(resource, _default)) for resource in manifest.resources)


def template(manifest: Manifest, header: str) -> str:
    """For Helm."""
    held: list[Leaf] = []

    def hold(leaf: Leaf) -> str:
        held.append(leaf)
        return f"@@{len(held) - 1}@@"

    text = "---\n".join(_yaml(_replaced(resource, hold)) for resource in manifest.resources)
    text = _LINE.sub(lambda found: _whole_line(found[1], held[int(found[2])]), text.replace("'@@", "@@").replace("@@'", "@@"))
    text = _ITEM.sub(lambda found: _whole_item(found[0], held[int(found[1])]), text)
    text = _TOKEN.sub(lambda found: _expression(held[int(found[1])]), text)
    return header + (f"{{{{- if {manifest.when} }}}}\n{text}{{{{- end }}}}\n" if manifest.when else text)


def _whole_line(key: str, leaf: Leaf) -> str:
    line = f"{key}{_expression(leaf)}"
    if isinstance(leaf, Value) and leaf.unless:
        return f"{{{{- if not {leaf.unless} }}}}\n{line}\n{{{{- end }}}}"
    return line


def _whole_item(line: str, leaf: Leaf) -> str:
    if not isinstance(leaf, ItemWhen):
        return line
    return f"{{{{- if {leaf.condition} }}}}\n{line.partition('@@')[0]}{json.dumps(leaf.item)}\n{{{{- end }}}}"


def _expression(leaf: Leaf) -> str:
    match leaf:
        case ItemWhen():
            msg = "an item under a condition is a whole item of a list"
            raise TypeError(msg)
        case Value():
            return f"{{{{ .Values.{leaf.path} | toJson }}}}"
        case Text():
            return f"{{{{ printf {json.dumps(leaf.pattern.replace('{}', '%s'))} .Values.{leaf.value.path} | toJson }}}}"
        case ChartOnly():
            return f"{{{{ {leaf.expression} }}}}"


def _default(leaf: Leaf) -> Any:
    match leaf:
        case ItemWhen():
            return None
        case Value():
            return leaf.default
        case Text():
            return leaf.pattern.format(leaf.value.default)
        case ChartOnly():
            return leaf.otherwise


def _replaced(tree: Any, leaf: Callable[[Leaf], Any]) -> Any:
    """The tree with every leaf that stands for something replaced.

    A key is left out whose value becomes None, or loses all that it had; so is an item that the chart has under a condition.
    """
    if isinstance(tree, Value | Text | ChartOnly | ItemWhen):
        return leaf(tree)
    if isinstance(tree, Mapping):
        made: dict[Any, Any] = {key: _replaced(value, leaf) for key, value in tree.items()}  # pyright: ignore[reportUnknownVariableType]
        return {key: value for key, value in made.items() if value is not None} or (None if made else {})
    if isinstance(tree, Sequence) and not isinstance(tree, str):
        made_of = [(value, _replaced(value, leaf)) for value in cast("Sequence[Any]", tree)]
        return [made for value, made in made_of if not (isinstance(value, ItemWhen) and made is None)]
    return tree


def _yaml(tree: Any) -> str:
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=140)
