"""Builds the site of the documentation out of the Markdown pages of the repository: `python .ci/documentation.py build FOLDER`.

The pages stay as a forge shows them. Copies of them are given to Sphinx: links lead to where the copies are, and what is no page (code,
folders) is linked at `TOCSIN_DOCS_SOURCE`, the address of the tree on a forge, or is text where that is not set. docs/index.md is the table
of contents: each of its headings is a part, each link of a list is a page. `.ci/reference.py` adds what is generated from the code.
`python .ci/documentation.py check` fails when a page is in no part, without building anything.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent
INDEX = "docs/index.md"
DECISIONS = "docs/adr/"
_SKIPPED = {"build", "dist", "var", "node_modules"}
_LINK = re.compile(r"^(?:```|~~~)(?s:.*?)^(?:```|~~~)|(!?)\[([^\]]*)\]\(\s*<?([^)\s>]+)>?[^)]*\)|`[^`\n]*`", re.MULTILINE)
"""A link, or code, in which there is none."""
_ITEM = re.compile(r"^- \[([^\]]+)\]\(([^)]+)\)", re.MULTILINE)
_PART = re.compile(r"^## (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the table of contents: its heading, and its pages by their paths in the repository, in order."""

    title: str
    pages: tuple[str, ...]


def pages(root: Path) -> list[str]:
    """Every Markdown page of the project, by its path from ``root``."""
    found = (page.relative_to(root) for page in sorted(root.rglob("*.md")))
    return [page.as_posix() for page in found if not any(part in _SKIPPED or part.startswith(".") for part in page.parts)]


def place(page: str) -> str:
    """Where a page of the repository is on the site, with ``.md``."""
    if page == "README.md":
        return "overview.md"
    if page.startswith("docs/"):
        return page.removeprefix("docs/")
    return f"{page.removesuffix('/README.md').removesuffix('.md').lower()}.md"


def parts(index: str) -> Iterator[Part]:
    """The parts that the text of docs/index.md lists."""
    pieces = _PART.split(index)[1:]
    for title, text in zip(pieces[::2], pieces[1::2], strict=True):
        links = (os.path.normpath(PurePosixPath("docs", link)) for _, link in _ITEM.findall(text))
        yield Part(title, tuple(f"{link}/" if f"{link}/" == DECISIONS else link for link in links))


def unlisted(root: Path) -> list[str]:
    """Pages that no part of docs/index.md lists: nobody would find them on the site."""
    listed = {page for part in parts((root / INDEX).read_text("utf-8")) for page in part.pages} | {INDEX}
    return [page for page in pages(root) if page not in listed and not page.startswith(DECISIONS)]


class Copier:
    """Writes the pages of the repository at ``root`` to the folder ``target`` as Sphinx wants them."""

    def __init__(self, *, root: Path, target: Path, source: str) -> None:
        """Writes nothing yet; ``source`` is the address of the tree on a forge, or empty."""
        self._root = root
        self._target = target
        self._source = source.rstrip("/")
        self._pages = set(pages(root))

    def copy(self, page: str) -> None:
        """Writes one page, and the pictures that it shows."""
        text = _LINK.sub(lambda match: self._link(page, match) if match[3] else match[0], (self._root / page).read_text("utf-8"))
        target = self._target / place(page)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")

    def _link(self, page: str, match: re.Match[str]) -> str:
        picture, text, link = match.groups()
        path, hash_, fragment = link.partition("#")
        if not path or re.match(r"[a-z][a-z0-9+.-]*:", link, re.IGNORECASE):
            return match[0]
        aim = os.path.normpath(path.lstrip("/") if path.startswith("/") else PurePosixPath(page).parent / unquote(path))
        here = PurePosixPath(place(page)).parent
        if picture:
            (self._target / "pictures").mkdir(exist_ok=True)
            name = aim.removeprefix("docs/").replace("/", "-")
            shutil.copyfile(self._root / aim, self._target / "pictures" / name)
            return f"![{text}]({os.path.relpath(f'pictures/{name}', here)})"
        if f"{aim}/" == DECISIONS:
            aim = "docs/adr/index.md"
        if aim in self._pages or aim == "docs/adr/index.md":
            return f"[{text}]({os.path.relpath(place(aim), here)}{hash_}{fragment})"
        return f"[{text}]({self._source}/{aim})" if self._source else text


def contents(root: Path, generated: Mapping[str, str]) -> str:
    """The first page: docs/index.md with a table of contents; ``generated`` pages, by their paths, join the part `Reference`."""
    text = (root / INDEX).read_text("utf-8")
    tables: list[str] = []
    for part in parts(text):
        names = [place(page) if page != DECISIONS else "adr/index.md" for page in part.pages]
        names = [*(generated if part.title == "Reference" else ()), *names]
        tables.append("\n".join([f"```{{toctree}}\n:hidden:\n:caption: {part.title}\n", *names, "```\n"]))
    return "\n".join(tables)


def decisions(root: Path) -> str:
    """The page of the decision records."""
    names = sorted(path.stem for path in (root / DECISIONS).glob("*.md"))
    return "\n".join(
        ["# Decisions\n", "What a newcomer would question, and why it is so.\n", "```{toctree}\n:maxdepth: 1\n", *names, "```\n"]
    )


def stage(root: Path, target: Path, generated: Mapping[str, str], *, source: str = "") -> None:
    """Writes everything that Sphinx reads into the folder ``target``, which is made anew."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    copier = Copier(root=root, target=target, source=source)
    for page in pages(root):
        copier.copy(page)
    for name, text in {**generated, "adr/index.md": decisions(root)}.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_text(text, "utf-8")
    with (target / place(INDEX)).open("a", encoding="utf-8") as stream:
        stream.write("\n" + contents(root, generated))


def build(folder: Path) -> int:
    """Builds the site into ``folder``; returns the exit code of Sphinx, to which every warning is an error."""
    import reference

    staged = folder.with_name(f"{folder.name}-source")
    stage(ROOT, staged, reference.all_pages(), source=os.environ.get("TOCSIN_DOCS_SOURCE", ""))
    (staged / "openapi.json").write_bytes(reference.openapi())
    line = [sys.executable, "-m", "sphinx", "--builder", "html", "--conf-dir", str(ROOT / "docs"), "--fail-on-warning", "--keep-going"]
    line += ["--fresh-env", "--quiet", "--jobs", "auto", str(staged), str(folder)]
    code = subprocess.run(line, check=False).returncode
    if not code:
        shutil.copyfile(staged / "openapi.json", folder / "openapi.json")
        print(f"{folder}/index.html")
    return code


def main(command: str, *arguments: str) -> int:
    """Runs ``command``; returns the exit code."""
    found = [f"{page}: is in no part of {INDEX}; list it there" for page in unlisted(ROOT)]
    for finding in found:
        print(finding, file=sys.stderr)
    if found or command == "check":
        return bool(found)
    return build(Path(arguments[0]).resolve())


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
