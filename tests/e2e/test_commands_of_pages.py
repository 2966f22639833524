"""The command lines that pages tell people to type do what the pages say, each page in a tenant of its own."""

import json
import os
import re
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2
import pytest

from tocsin.testing.stack import RunningStack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

ROOT: Final = Path(__file__).parents[2]
GUIDES: Final = sorted(f"docs/migrate/{page.name}" for page in (ROOT / "docs/migrate").glob("*.md") if page.name != "index.md")
PAGES: Final = ("README.md", "docs/tutorial.md", "docs/howto/github-action.md", "docs/howto/maintenance.md", *GUIDES)
_BLOCK: Final = re.compile(r"(<!-- not run: [^>]+ -->\n)?^```sh\n(.*?)^```\n(?:```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)
_BETWEEN: Final = "=== the next block ==="


@dataclass(frozen=True, slots=True)
class Block:
    """Some command lines of a page, and the output that it shows for them, if it does; in it `…` stands for anything."""

    lines: str
    shown: str


def blocks(text: str) -> Iterator[Block]:
    """The blocks of a page that a reader types and that its test runs."""
    for skipped, lines, shown in _BLOCK.findall(text):
        if not skipped:
            yield Block(lines, shown)


def differs(shown: str, output: str) -> str:
    """The first line that the page shows and the output does not have, after those before it; empty if it has all."""
    rest = [line.rstrip() for line in output.splitlines()]
    for line in filter(None, (line.rstrip() for line in shown.splitlines())):
        pattern = re.compile(".*".join(map(re.escape, line.split("…"))))
        place = next((number for number, each in enumerate(rest) if pattern.fullmatch(each)), None)
        if place is None:
            return line
        rest = rest[place if line == "…" else place + 1 :]
    return ""


@pytest.fixture
def folder(stack: RunningStack, stranger: httpx2.AsyncClient, tmp_path: Path) -> Path:
    """A folder as a reader has it, whose stack is the one of these tests and whose key is that of a fresh tenant."""
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    (tmp_path / "var").mkdir()
    (tmp_path / "var/stack.lock").symlink_to(stack.state / "stack.lock")
    key = tmp_path / "var/dev-api-key"
    key.write_text(stranger.headers["authorization"].removeprefix("Bearer "), "utf-8")
    (tmp_path / "var/stack.json").write_text(json.dumps({**stack.info, "api_key_file": str(key)}), "utf-8")
    return tmp_path


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_says_can_be_typed(stack: RunningStack, folder: Path, page: str) -> None:
    """In its order, in one shell that stops at the first failure; what the page shows comes out."""
    found = list(blocks((ROOT / page).read_text("utf-8")))
    script = f"\necho; echo '{_BETWEEN}'\n".join(block.lines for block in found)
    script = script.replace("http://127.0.0.1:8000", str(stack.info["http"])).replace("127.0.0.1:8001", str(stack.info["grpc"]))
    env = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    env |= {"COLUMNS": "200", "PATH": f"{folder}/.venv/bin:{os.environ['PATH']}"}
    line = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(line, cwd=folder, env=env, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    for block, output in zip(found, done.stdout.split(_BETWEEN), strict=True):
        assert (differs(block.shown, output), block.lines) == ("", block.lines), output


def test_what_differs_is_found() -> None:
    """A line that is missing, one in another order, one that says something else; `…` is anything within a line."""
    token = secrets.token_hex(4)
    assert differs("a …\nb\n", f"a {token}\nbetween\nb\n") == ""
    assert differs("b\na …\n", f"a {token}\nb\n") == "a …"
    assert differs("a\n", "ab\n") == "a"


def test_what_is_not_run_says_why() -> None:
    """A block is left out by a reason alone, and only in front of it."""
    text = "```sh\none\n```\n\n<!-- not run: it takes a day -->\n```sh\ntwo\n```\n```sh\nthree\n```\n```text\nshown\n```\n"
    assert list(blocks(text)) == [Block("one\n", ""), Block("three\n", "shown\n")]
