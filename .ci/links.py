"""Checks that the Markdown files name what exists: every relative link leads to a file and its heading, every path in code is there."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent
_SKIPPED = {".venv", ".venv-sbom", ".git", "build", "var", "node_modules"}
_CODE = re.compile(r"^(```|~~~).*?^\1|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)|^\[[^\]]+\]:\s*(\S+)", re.MULTILINE)
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)
_FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_PATH = re.compile(
    r"`((?:auth_svc|bench|deploy|docs|gateway|mailer_svc|processor_svc|protos|scheduler_svc|tests|tocsin)/[\w./-]*\w/?)(?:::\w+)?`"
)
_RECORDS = ("CHANGELOG.md", "docs/adr/")
"""Pages that tell of what was: they name paths as they were then."""
_MADE_BY_THE_READER = {
    "mailer_svc/channels/pigeon.py",
    "processor_svc/actions/note.py",
    "tests/unit/processor/test_note.py",
}
"""What a reader of docs/howto makes."""


def pages(root: Path) -> Iterator[Path]:
    """Every Markdown file of the project under ``root``."""
    return (page for page in sorted(root.rglob("*.md")) if not _SKIPPED & set(page.relative_to(root).parts))


def anchors(text: str) -> set[str]:
    """The fragments that the headings of ``text`` answer to, as GitHub forms them."""
    found: dict[str, int] = {}
    for heading in _HEADING.findall(re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.MULTILINE | re.DOTALL)):
        slug = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)).strip().lower().replace(" ", "-")
        found[slug] = found.get(slug, -1) + 1
        if found[slug]:
            found[f"{slug}-{found[slug]}"] = 0
    return set(found)


def broken(page: Path, root: Path) -> Iterator[str]:
    """Each relative link of ``page`` that leads nowhere, with the reason."""
    for match in _LINK.finditer(_CODE.sub("", page.read_text(encoding="utf-8"))):
        link = match[1] or match[2]
        if re.match(r"[a-z][a-z0-9+.-]*:", link, re.IGNORECASE):
            continue
        path, _, fragment = unquote(link).partition("#")
        target = page if not path else root / path.lstrip("/") if path.startswith("/") else page.parent / path
        if not target.exists():
            yield f"{link}: no such file"
        elif fragment and target.suffix == ".md" and fragment.lower() not in anchors(target.read_text(encoding="utf-8")):
            yield f"{link}: no such heading"


def missing(page: Path, root: Path) -> Iterator[str]:
    """Each path of a source tree that ``page`` names in code and that does not exist, neither from the root nor beside the page."""
    if page.relative_to(root).as_posix().startswith(_RECORDS):
        return
    for match in _PATH.finditer(_FENCED.sub("", page.read_text(encoding="utf-8"))):
        path = match[1]
        if path not in _MADE_BY_THE_READER and not (root / path).exists() and not (page.parent / path).exists():
            yield f"`{path}`: no such path"


def main() -> int:
    """Print every broken link and missing path; return the exit code."""
    found = [f"{page.relative_to(ROOT)}: {finding}" for page in pages(ROOT) for finding in (*broken(page, ROOT), *missing(page, ROOT))]
    for finding in found:
        print(finding, file=sys.stderr)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
