"""Texts of generated code."""

import textwrap
from collections.abc import Iterator
from typing import Final

HEAD: Final = '"""{about} Generated from the contract by `make gen`; not to be edited."""'
_WIDTH: Final = 140


def docstring(text: str, indent: str) -> Iterator[str]:
    """The lines of a docstring."""
    escaped = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    if escaped.endswith('"'):
        escaped += " "
    first, *rest = wrapped(escaped, indent)
    if not rest:
        yield f'{indent}"""{first}"""'
        return
    yield f'{indent}"""{first}'
    yield from (f"{indent}{line}".rstrip() for line in rest)
    yield f'{indent}"""'


def flowing(text: str) -> str:
    """The text with its paragraphs as one line each; items of lists are paragraphs."""
    found: list[str] = []
    for line in text.splitlines():
        if found and found[-1] and line and not line.startswith("- "):
            found[-1] += f" {line}"
        else:
            found.append(line)
    return "\n".join(found)


def wrapped(text: str, indent: str, *, hanging: str = "") -> list[str]:
    """The text in lines, those that it has kept."""
    width = _WIDTH - len(indent) - 3
    found: list[str] = []
    for line in text.splitlines() or [""]:
        found += textwrap.wrap(line, width, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False) or [""]
    return found
