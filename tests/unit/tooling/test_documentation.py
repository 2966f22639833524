"""The copies of the pages that the site is made of, its table of contents, and what is generated for it."""

from pathlib import Path

import pytest

from tests.unit.tooling.scripts import script

documentation = script("documentation.py")

PAGE = """# A

[`svc`](../svc/README.md#calls), [code](../svc/code.py), [decided](adr/), ![shot](console/shot.png), `[no](link.md)`

```
[no](link.md)
```
"""
INDEX = """# All

## First

- [A page](a.md)
- [Read me](../svc/README.md)

## Explanation

- [Decisions](adr/)
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository with a few pages, a picture and code."""
    root = tmp_path / "tree"
    for name, text in {
        "docs/index.md": INDEX,
        "docs/a.md": PAGE,
        "docs/adr/0000-first.md": "# 0000: First\n",
        "docs/console/shot.png": "picture",
        "svc/README.md": "# svc\n\n## Calls\n\n[back](../docs/a.md) [out](https://example.org/x.md) [here](#calls)\n",
        "svc/code.py": "",
        ".venv/lib/README.md": "# Not ours\n",
        "build/site/README.md": "# Not ours\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    return root


def test_links_lead_to_the_copies(tree: Path, tmp_path: Path) -> None:
    """To pages and headings by their new places, to pictures by copies of them, to code not at all; code is left alone."""
    documentation.stage(tree, tmp_path / "site", {"reference/made.md": "# Made\n"})
    page = (tmp_path / "site/a.md").read_text("utf-8")
    assert page.startswith(
        "# A\n\n[`svc`](svc.md#calls), code, [decided](adr/index.md), ![shot](pictures/console-shot.png), `[no](link.md)`"
    )
    assert page.endswith("```\n[no](link.md)\n```\n")
    assert (tmp_path / "site/svc.md").read_text("utf-8").endswith("[back](a.md) [out](https://example.org/x.md) [here](#calls)\n")
    assert (tmp_path / "site/pictures/console-shot.png").read_text("utf-8") == "picture"
    assert sorted(path.name for path in (tmp_path / "site").rglob("*.md")) == [
        "0000-first.md",
        "a.md",
        "index.md",
        "index.md",
        "made.md",
        "svc.md",
    ]


def test_code_is_linked_where_the_forge_is_known(tree: Path, tmp_path: Path) -> None:
    """By the address of the tree."""
    documentation.stage(tree, tmp_path / "site", {}, source="https://forge.example/tree/main/")
    assert "[code](https://forge.example/tree/main/svc/code.py)" in (tmp_path / "site/a.md").read_text("utf-8")


def test_the_index_is_the_table_of_contents(tree: Path) -> None:
    """Each heading with the pages of its list, in order."""
    text = documentation.contents(tree, {})
    assert ":caption: First\n\na.md\nsvc.md\n" in text
    assert ":caption: Explanation\n\nadr/index.md\n" in text


def test_a_page_that_no_part_lists_is_found(tree: Path) -> None:
    """Nobody would find it on the site."""
    assert documentation.unlisted(tree) == []
    (tree / "docs/lost.md").write_text("# Lost\n", "utf-8")
    assert documentation.unlisted(tree) == ["docs/lost.md"]


def test_the_generated_pages_say_what_the_code_says() -> None:
    """A setting with its default, a call with its scope, a message with a rule, a command with an option; errors: `make docs`."""
    reference = script("reference.py")
    settings = reference.settings()
    assert [settings.count(f"| `{name}` |") for name in ("TOCSIN_SCHEDULER_LEDGER_RETENTION_DAYS", "TOCSIN_DATABASE_URL")] == [1, 1]
    document = reference.json.loads(reference.openapi())
    assert "| `POST /v1/alarms` CreateAlarm | Makes an alarm | `alarms:write` | write | 5 s |" in reference.rest(document)
    assert "| `displayName` | string | Name for people. (at most 200 characters) |" in reference.messages(document)
    assert "## `tocsin alarm add`" in reference.commands()
    assert "## `create_alarm`" in reference.client()
