"""Pages without script look like the console: they have its colours, sizes and shapes."""

import re
from pathlib import Path

from tocsin.html_page import SHAPES, TOKENS

STYLE = Path(__file__).resolve().parents[3] / "console" / "src"


def test_tokens_are_those_of_the_console() -> None:
    """Each of them, with its value."""
    tokens = re.findall(r"--[a-z-]+: .*;", TOKENS)
    assert len(tokens) == len(TOKENS.split(";")) - 1
    assert set(tokens) <= set(re.findall(r"--[a-z-]+: .*;", (STYLE / "style" / "base.css").read_text()))


def test_shapes_are_those_of_the_console() -> None:
    """All of them."""
    assert dict(re.findall(r'^  (\w+): "(M[^"]+)"', (STYLE / "parts" / "mark.tsx").read_text(), re.MULTILINE)) == SHAPES
