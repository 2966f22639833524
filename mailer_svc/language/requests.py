"""What a rendering process is asked, and how."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

LENGTH: Final = struct.Struct(">I")
"""The head of a frame."""


@dataclass(frozen=True, slots=True)
class Parse:
    """Make a program. ``stored`` says that the template was saved before, perhaps when there were no bounds."""

    parts: tuple[str, ...]
    stored: bool


@dataclass(frozen=True, slots=True)
class Parsed:
    """A program, pickled, and what is to be known of it.

    Attributes:
        variables: the names that it uses, in the order of their appearance.
        required: those of them that have to be given a value.
        nodes: how many operations and texts it has.
        program: the pickle.
    """

    variables: tuple[str, ...]
    required: tuple[str, ...]
    nodes: int
    program: bytes


@dataclass(frozen=True, slots=True)
class Render:
    """Run a pickled program. ``context`` is a JSON object, or empty; ``recipient`` is whom the message is for, if that is known."""

    program: bytes
    variables: Mapping[str, str]
    context: str
    recipient: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Inline:
    """Look at the HTML of a template, and move the rules of its style sheets into its elements."""

    html: str


@dataclass(frozen=True, slots=True)
class Inlined:
    """HTML that is ready to be sent, and what is doubtful about it."""

    html: str
    warnings: tuple[str, ...]


Request: TypeAlias = Parse | Render | Inline
