"""`tocsin new service`: what is written runs, and passes its own test."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tocsin.cli.__main__ import main

FILES = {"Makefile", "README.md", "requirements.txt", "book_shop.proto", "book_shop_client.py", "book_shop_service.py", "test_book_shop.py"}


def new(*words: str) -> int | str | None:
    """How `tocsin new service` ends."""
    with pytest.raises(SystemExit) as ended:
        main(["new", "service", *words])
    return ended.value.code


def test_what_is_written_passes_its_own_test(tmp_path: Path) -> None:
    """In a process of its own, over real connections; nothing that was to be filled in is left."""
    folder = tmp_path / "made" / "shop"
    assert new("book_shop", "--to", str(folder)) == 0
    assert {file.name for file in folder.iterdir()} == FILES
    assert not [file.name for file in folder.iterdir() if "${" in file.read_text()]
    ran = subprocess.run(
        [
            os.environ.get("MESH_PYTHON", sys.executable),
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-W",
            "error::DeprecationWarning:book_shop_service",
            ".",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "2 passed" in ran.stdout


def test_what_is_there_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder with anything in it is refused, and nothing is written."""
    (tmp_path / "mine.txt").write_text("mine")
    assert new("shop", "--to", str(tmp_path)) not in (0, None)
    assert "nothing was written" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("name", ["Shop", "9shop", "book-shop", "", "class", "a" * 41, "../shop"])
def test_a_name_that_cannot_be_one_is_told(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the rule, before anything is written."""
    assert new(name, "--to", str(tmp_path / "shop")) not in (0, None)
    assert "name: " in capsys.readouterr().err
    assert not (tmp_path / "shop").exists()
