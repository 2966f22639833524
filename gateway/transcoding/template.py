"""Path templates: the grammar of ``google.api.http`` (google/api/http.proto).

``Template = "/" Segments [ Verb ]``, ``Segment = "*" | "**" | LITERAL | Variable``, ``Variable = "{" FieldPath [ "=" Segments ] "}"``.
Two additions: a template may end in a slash, which then belongs to the path ("/" is the root), and without it a trailing slash matches
nothing; ``**`` may stand before other segments, as it does in Google's own contracts, but only once.
"""

import re
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeAlias

_LITERAL = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()+,;@]|%[0-9A-Fa-f]{2})+\Z")
_FIELD_PATH = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*\Z", re.ASCII)


class TemplateError(ValueError):
    """The path template is malformed; the contract cannot be served."""


class Wildcard(Enum):
    """A segment that is not a literal."""

    ONE = "*"
    REST = "**"


Segment: TypeAlias = str | Wildcard


@dataclass(frozen=True, slots=True)
class Variable:
    """A part of the path that is bound to a request field."""

    field_path: str
    """Dotted path of the field, in proto names."""
    start: int
    """Index of its first segment in a path; counted from the end of the path, and negative, when it stands behind ``**``."""
    end: int | None
    """Index behind its last segment, counted in the same way; None at the end of the path."""
    multi: bool
    """True if it may hold several segments; an encoded slash in it then stays encoded."""


@dataclass(frozen=True, slots=True)
class PathTemplate:
    """A parsed path template."""

    text: str
    segments: tuple[Segment, ...]
    variables: tuple[Variable, ...]
    verb: str
    """The custom verb without its colon; empty if there is none."""

    @property
    def shape(self) -> tuple[tuple[Segment, ...], str]:
        """What the template matches, whatever the variables are called: equal shapes are duplicates."""
        return self.segments, self.verb

    def places(self, variable: Variable) -> range:
        """The indexes of the segments of the template that a variable holds."""
        return range(*slice(variable.start, variable.end).indices(len(self.segments)))


def parse(text: str) -> PathTemplate:
    """The parsed form of ``text``.

    Raises:
        TemplateError: it does not follow the grammar.
    """
    if not text.startswith("/"):
        raise TemplateError(f"path template {text!r} must start with a slash")
    body, verb = _split_verb(text)
    segments: list[Segment] = []
    variables: list[Variable] = []
    for part in _split_segments(body[1:], text):
        if part.startswith("{"):
            variables.append(_variable(part, segments, text))
        else:
            segments.append(_segment(part, text))
    _check(text, segments, variables)
    placed = tuple(_placed(variable, segments) for variable in variables)
    return PathTemplate(text=text, segments=tuple(segments), variables=placed, verb=verb)


def _split_verb(text: str) -> tuple[str, str]:
    tail = text.rfind("}") + 1
    colon = text.find(":", max(tail, text.rfind("/") + 1))
    if colon < 0:
        return text, ""
    verb = text[colon + 1 :]
    if not _LITERAL.match(verb):
        raise TemplateError(f"path template {text!r} has the malformed verb {verb!r}")
    return text[:colon], verb


def _split_segments(body: str, text: str) -> list[str]:
    """Splits on the slashes that stand outside of braces; the last part is empty when the template ends in a slash."""
    parts: list[str] = []
    start = depth = 0
    for index, char in enumerate(body):
        if char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
        elif char == "/" and depth == 0:
            parts.append(body[start:index])
            start = index + 1
        if depth not in (0, 1):
            raise TemplateError(f"path template {text!r} has nested or unbalanced braces")
    parts.append(body[start:])
    if depth:
        raise TemplateError(f"path template {text!r} has unbalanced braces")
    if "" in parts[:-1]:
        raise TemplateError(f"path template {text!r} has an empty segment")
    return parts


def _variable(part: str, segments: list[Segment], text: str) -> Variable:
    """Reads ``{field=pattern}`` and appends the segments of its pattern."""
    if not part.endswith("}"):
        raise TemplateError(f"path template {text!r} has text behind the variable {part!r}")
    field_path, equals, pattern = part[1:-1].partition("=")
    if not _FIELD_PATH.match(field_path):
        raise TemplateError(f"path template {text!r} has the malformed field path {field_path!r}")
    inner = [_segment(item, text) for item in (pattern.split("/") if equals else ["*"])]
    if "" in inner:
        raise TemplateError(f"path template {text!r} has an empty segment")
    start = len(segments)
    segments.extend(inner)
    return Variable(field_path=field_path, start=start, end=len(segments), multi=Wildcard.REST in inner or len(inner) > 1)


def _placed(variable: Variable, segments: list[Segment]) -> Variable:
    """``variable`` with its place in paths, in which ``**`` stands for any number of segments."""
    if Wildcard.REST not in segments:
        return variable
    rest, count = segments.index(Wildcard.REST), len(segments)
    start, end = variable.start, variable.end or count
    return replace(variable, start=start if start <= rest else start - count, end=end if end <= rest else (end - count or None))


def _segment(part: str, text: str) -> Segment:
    if part in ("*", "**"):
        return Wildcard(part)
    if part and not _LITERAL.match(part):
        raise TemplateError(f"path template {text!r} has the malformed segment {part!r}")
    return part


def _check(text: str, segments: list[Segment], variables: list[Variable]) -> None:
    if segments.count(Wildcard.REST) > 1:
        raise TemplateError(f"path template {text!r} has '**' twice")
    paths = [variable.field_path for variable in variables]
    for index, path in enumerate(paths):
        for other in paths[index + 1 :]:
            if path == other or path.startswith(f"{other}.") or other.startswith(f"{path}."):
                raise TemplateError(f"path template {text!r} binds {path!r} and {other!r} to the same field")
