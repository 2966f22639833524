"""Templates as files."""

from pathlib import Path
from typing import Any, Final

import pytest

from tocsin.template_files import TemplateFolderInvalid, read_template, write_template

TEMPLATE: Final[dict[str, Any]] = {
    "name": "templates/greeting",
    "version": 3,
    "subject": "Hi",
    "text": "Grüße\n",
    "html": "<p>",
    "actions": [{"label": "Open", "url": "https://example.org"}],
    "parts": [
        {"locale": "de-CH", "text": "Grüezi"},
        {"channel": "push", "subject": "P", "text": "p"},
        {"channel": "push", "locale": "de", "text": "d"},
    ],
    "declaredVariables": [{"name": "a", "required": True}],
}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Without what only the server says; files of parts that went away go, others stay."""
    write_template(tmp_path / "greeting", {**TEMPLATE, "parts": [*TEMPLATE["parts"], {"locale": "fr", "html": "<b>"}]})
    (tmp_path / "greeting" / "notes.md").write_text("mine")
    write_template(tmp_path / "greeting", TEMPLATE)
    assert sorted(path.name for path in (tmp_path / "greeting").iterdir()) == [
        "any.de-CH.txt",
        "any.html",
        "any.txt",
        "notes.md",
        "push.de.txt",
        "push.txt",
        "template.json",
    ]
    assert read_template(tmp_path / "greeting") == {name: value for name, value in TEMPLATE.items() if name not in ("name", "version")}


@pytest.mark.parametrize("odd", [None, "", "[]", '"x"', '{"parts": [1]}', '{"parts": "x"}', '{"parts": 1}', "{"])
def test_a_folder_that_holds_no_template_is_named(tmp_path: Path, odd: str | None) -> None:
    """Whatever is wrong with it."""
    if odd is not None:
        (tmp_path / "template.json").write_text(odd)
    with pytest.raises(TemplateFolderInvalid, match=str(tmp_path)):
        read_template(tmp_path)


def test_a_part_leads_out_of_no_folder(tmp_path: Path) -> None:
    """Whatever its channel is."""
    write_template(tmp_path / "a", {"subject": "s", "parts": [{"channel": "../../x", "text": "t"}]})
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
