"""Templates as files, so that they can be kept under version control: a folder for each.

``template.json`` holds what is short, in the form of the REST API: ``subject``, ``actions``, ``parts`` (channel, locale, subject, actions),
``declaredVariables``, ``resendIfUnknown``. What is long stands beside it, by channel and language: ``any.txt`` and ``any.html`` are the
default part, ``push.txt`` is for push, ``any.de.html`` for readers of German, ``push.de.txt`` for both.
"""

import json
from pathlib import Path
from typing import Any, Final, cast

from tocsin.errors import InvalidInput

FILE: Final = "template.json"
_BODIES: Final = (("text", "txt"), ("html", "html"))
_SHORT: Final = ("subject", "actions", "parts", "declaredVariables", "resendIfUnknown")


class TemplateFolderInvalid(InvalidInput):
    """The folder does not hold a template."""


def read_template(folder: Path) -> dict[str, Any]:
    """The template of a folder as the body of a request, without its name.

    Raises:
        TemplateFolderInvalid: it holds none.
    """
    try:
        template = json.loads((folder / FILE).read_text(encoding="utf-8"))
        for part in _parts(folder, template):
            for name, ending in _BODIES:
                path = folder / f"{_stem(part)}.{ending}"
                if path.is_file():
                    part[name] = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise TemplateFolderInvalid.at(str(folder), f"cannot be read: {error}") from error
    return template


def _parts(folder: Path, template: Any) -> list[dict[str, Any]]:
    """The template itself, which is the default part, and its parts."""
    found: list[Any] = [template]
    parts: Any = cast("dict[str, Any]", template).get("parts", []) if isinstance(template, dict) else []
    found += parts if isinstance(parts, list) else [parts]
    if not all(isinstance(part, dict) for part in found):
        raise TemplateFolderInvalid.at(str(folder / FILE), "must be an object whose parts are objects")
    return cast("list[dict[str, Any]]", found)


def write_template(folder: Path, template: dict[str, Any]) -> None:
    """Writes a template as REST shows it; files of parts that are no more are removed.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts: list[dict[str, Any]] = template.get("parts", [])
    written = {folder / FILE}
    for part in (template, *parts):
        for name, ending in _BODIES:
            if part.get(name):
                path = folder / f"{_stem(part)}.{ending}"
                path.write_text(part[name], encoding="utf-8")
                written.add(path)
    short = {name: template[name] for name in _SHORT if template.get(name)}
    if parts:
        bodies = {name for name, _ in _BODIES}
        short["parts"] = [{name: value for name, value in part.items() if name not in bodies} for part in parts]
    (folder / FILE).write_text(json.dumps(short, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for path in folder.iterdir():
        if path.suffix in (".txt", ".html") and path not in written:
            path.unlink()


def _stem(part: dict[str, Any]) -> str:
    """The name of a part's files; what would lead out of the folder is no part of it."""
    names = [str(part.get("channel") or "any"), str(part.get("locale") or "")]
    return ".".join(name.replace("/", "_").replace("\\", "_") for name in names if name)
