"""Pages for people: plain HTML that needs no script and nothing from elsewhere."""

from typing import Final

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
