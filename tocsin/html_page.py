"""Pages for people who follow a link of a message: plain HTML that needs no script and nothing from elsewhere."""

from typing import Final

LANGUAGES: Final = ("en", "de")
"""Of the pages that are in the language of their reader."""

_PAGE: Final = """<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">{head}
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1.125rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 15vh auto; padding: 0 1.25rem; overflow-wrap: anywhere; }}
button {{ font: inherit; padding: .6rem 1.4rem; border: 2px solid; border-radius: .4rem; cursor: pointer; }}{style}
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
    return _PAGE.format(language=language, title=title, heading=heading or title, content=content, style=style, head=head)


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
