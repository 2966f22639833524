"""The check of the links in the documentation."""

from pathlib import Path

import pytest

from tests.unit.tooling.scripts import script

links = script("links.py")

TARGET = """# First page

## What happens when it dies?

## `make up`, and more

## Twice
## Twice

```
# not a heading
```
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a page that others link to."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/target.md").write_text(TARGET, "utf-8")
    return tmp_path


@pytest.mark.parametrize(
    "link",
    [
        "[a](docs/target.md)",
        "[a](/docs/target.md)",
        "[a](docs)",
        "[a](docs/target.md#what-happens-when-it-dies)",
        "[a](docs/target.md#make-up-and-more)",
        "[a](docs/target.md#twice-1)",
        "[a](#here)",
        '[a](docs/target.md "with a title")',
        "[a](<docs/target.md>)",
        "[a](https://example.org/nothing)",
        "[a](mailto:ann@example.com)",
        "[a]: docs/target.md",
        "`[a](code.md)`",
        "```\n[a](code.md)\n```",
    ],
)
def test_good_links_pass(root: Path, link: str) -> None:
    """Links to files, folders, headings and other sites, and links in code, are left alone."""
    page = root / "page.md"
    page.write_text(f"# Here\n\n{link}\n", "utf-8")
    assert list(links.broken(page, root)) == []


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        ("[a](docs/missing.md)", "no such file"),
        ("![a](docs/missing.png)", "no such file"),
        ("[a](target.md)", "no such file"),
        ("[a](docs/target.md#missing)", "no such heading"),
        ("[a](docs/target.md#not-a-heading)", "no such heading"),
        ("[a](#missing)", "no such heading"),
        ("[a]: docs/missing.md", "no such file"),
    ],
)
def test_broken_links_are_found(root: Path, link: str, reason: str) -> None:
    """A link that leads nowhere is named with the reason."""
    page = root / "page.md"
    page.write_text(f"# Here\n\n{link}\n", "utf-8")
    (finding,) = links.broken(page, root)
    assert finding.endswith(reason)


def test_pages_of_others_are_not_read(root: Path) -> None:
    """What lies in the environment or in build products is not ours."""
    for folder in (".venv/x", "build", "var"):
        (root / folder).mkdir(parents=True)
        (root / folder / "page.md").write_text("[a](missing.md)", "utf-8")
    assert [page.name for page in links.pages(root)] == ["target.md"]


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("page.md", "`tests/a.py` and `tests/`, `tests/a.py::test_b`", []),
        ("page.md", "`tests/gone.py`", ["`tests/gone.py`: no such path"]),
        ("page.md", "`tests/gone.py::test_b`", ["`tests/gone.py`: no such path"]),
        ("page.md", "```\n`tests/gone.py`\n```", []),
        ("page.md", "`elsewhere/gone.py`, `tests/*.py`", []),
        ("docs/page.md", "`docs/target.md`, `tests/gone`", ["`tests/gone`: no such path"]),
        ("CHANGELOG.md", "`tests/gone.py`", []),
    ],
)
def test_a_path_in_code_must_exist(root: Path, name: str, text: str, found: list[str]) -> None:
    """A path of a source tree does, but in fenced code and in records of what was."""
    (root / "tests").mkdir()
    (root / "tests/a.py").touch()
    page = root / name
    page.write_text(text, "utf-8")
    assert list(links.missing(page, root)) == found
