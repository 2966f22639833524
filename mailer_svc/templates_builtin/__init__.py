"""The templates that ship with Tocsin: a folder for each, in the form of `tocsin.template_files`; their HTML stands within one layout."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from mailer_svc.domain import Content, DeclaredVariable, MessageAction, TemplateDraft, TemplatePart
from tocsin.template_files import read_template

_ALARM: Final = ("#c81e1e", "#fca5a5")
_CARE: Final = ("#b45309", "#fcd34d")
_WELL: Final = ("#15803d", "#86efac")
_COLORS: Final = {
    "tocsin.alarm": _ALARM,
    "tocsin.incident": _CARE,
    "tocsin.key-expiry": _CARE,
    "tocsin.resolved": _WELL,
    "tocsin.security-alert": _CARE,
    "tocsin.security-digest": _CARE,
}
"""Of the bar, and of the word above the heading: on a light ground, and on a dark one."""
_COLOR: Final = ("#1d4ed8", "#93c5fd")
_FOOT: Final = {"en": "Sent by Tocsin", "de": "Gesendet von Tocsin"}


def built_in_templates() -> Mapping[str, TemplateDraft]:
    """Each of them by its code."""
    folder = Path(__file__).parent
    layout = (folder / "layout.html").read_text(encoding="utf-8")
    return {path.name: _draft(path, layout) for path in sorted(folder.iterdir()) if (path / "template.json").is_file()}


def _draft(folder: Path, layout: str) -> TemplateDraft:
    template = read_template(folder)
    parts = tuple(_part(folder.name, part, layout) for part in (template, *template["parts"]))
    return TemplateDraft(
        code=folder.name, parts=parts, declared=tuple(DeclaredVariable(**variable) for variable in template["declaredVariables"])
    )


def _part(code: str, given: dict[str, Any], layout: str) -> TemplatePart:
    locale = given.get("locale", "")
    html = _page(layout, code, locale or "en", given["html"]) if "html" in given else ""
    actions = tuple(MessageAction(action["label"], action["url"]) for action in given.get("actions", ()))
    return TemplatePart(
        uid="",
        channel=given.get("channel", ""),
        locale=locale,
        content=Content(given.get("subject", ""), given.get("text", ""), html, actions),
        html_source=html,
    )


def _page(layout: str, code: str, language: str, content: str) -> str:
    color, shade = _COLORS.get(code, _COLOR)
    page = layout.replace("LANGUAGE", language).replace("COLOR", color).replace("SHADE", shade).replace("FOOT", _FOOT[language])
    return page.replace("CONTENT", content.strip())
