"""Pages for people who follow a link of a message: plain HTML that needs no script and nothing from elsewhere."""

from typing import Final

LANGUAGES: Final = ("en", "de")
"""Of the pages that are in the language of their reader."""

# Colours, sizes and shapes are those of the console (console/src/style/base.css and parts/mark.tsx); a test compares them.
TOKENS: Final = """
  --ground: light-dark(#ffffff, #111418);
  --line: light-dark(#dfe2e7, #2d333c);
  --text: light-dark(#191c21, #e7e9ed);
  --dim: light-dark(#59606b, #9ba3af);
  --accent: light-dark(#2256c7, #8db2ff);
  --on-accent: light-dark(#ffffff, #10141a);
  --good: light-dark(#1a7a49, #5cc78e);
  --warn: light-dark(#935600, #e5ad4f);
  --bad: light-dark(#bf2519, #ff867b);
  --busy: light-dark(#4a57b8, #a5b0ff);
  --idle: light-dark(#6a717c, #8e96a3);
  --small: 0.8125rem;
  --large: 1.375rem;
"""
SHAPES: Final = {
    "good": "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2z",
    "warn": "M8 2l7 12H1z",
    "bad": "M5 2h6l4 4v4l-4 4H5l-4-4V6z",
    "busy": "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zm0 2.5a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7z",
    "idle": "M2 7h12v2.5H2z",
}
_PAGE: Final = """<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">{head}
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; {tokens}}}
body {{ max-width: 34rem; margin: 15vh auto; padding: 0 1.25rem; overflow-wrap: anywhere; background: var(--ground); color: var(--text); }}
h1 {{ font-size: var(--large); line-height: 2rem; }}
a {{ color: var(--accent); }}
:focus-visible {{ outline: 2px solid var(--accent); outline-offset: 1px; }}
button {{ font: inherit; font-weight: 600; min-height: 2.75rem; padding: .25rem 1.25rem; border: 0; border-radius: 4px; cursor: pointer;
  background: var(--accent); color: var(--on-accent); }}
input {{ border: 1px solid var(--idle); border-radius: 4px; background: var(--ground); color: inherit; }}{style}
</style>
</head>
<body>
<main>
<h1>{heading}</h1>
{content}
</main>
</body>
</html>
"""


def html_page(*, language: str, title: str, content: str, heading: str = "", style: str = "", head: str = "") -> str:
    """A page as HTML.

    Args:
        language: of its text, such as "en" (BCP 47).
        title: HTML: escaped already, as the others are.
        content: what follows the heading.
        heading: the title unless given.
        style: further rules of CSS.
        head: further elements of the head.
    """
    return _PAGE.format(language=language, title=title, heading=heading or title, content=content, style=style, head=head, tokens=TOKENS)


def mark(tone: str) -> str:
    """The shape of a state, beside a word that says the same; ``tone`` is a key of `SHAPES`."""
    shape = f'<path d="{SHAPES[tone]}" fill-rule="evenodd"/>'
    return f'<svg class="mark" style="fill:var(--{tone})" viewBox="0 0 16 16" aria-hidden="true">{shape}</svg>'


def preferred_language(accept: str) -> str:
    """The language of those we have that an Accept-Language (RFC 9110, 12.5.4) likes best; English if none."""
    best, quality = "en", 0.0
    for item in accept[:1000].split(","):
        tag, _, parameter = item.partition(";")
        language = tag.strip().lower().partition("-")[0]
        weight = _weight(parameter)
        if language in LANGUAGES and weight > quality:
            best, quality = language, weight
    return best


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.lower() != "q":
        return 1.0
    try:
        found = float(value)
    except ValueError:
        return 0.0
    return found if 0.0 <= found <= 1.0 else 0.0
