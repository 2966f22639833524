"""Writes the generated modules of `tocsin_client`; with ``--check``, fails if one of them is stale."""

import sys
from pathlib import Path
from typing import Final

from client.generate.commands import as_json, commands, page
from client.generate.contract import Source
from client.generate.methods import ASYNC, SYNC, all_methods, calls, client
from client.generate.models import models

ROOT: Final = Path(__file__).resolve().parents[1]
TARGET: Final = ROOT / "src" / "tocsin_client"
COMMANDS: Final = ROOT.parent / "tocsin" / "cli" / "contract.json"
PAGE: Final = ROOT.parent / "docs" / "cli.md"


def generated() -> dict[Path, str]:
    """The text of each generated file, and of the page with a generated table."""
    source = Source()
    methods = all_methods(source)
    known = commands(methods)
    return {
        TARGET / "models.py": models(source),
        TARGET / "contract.py": calls(methods),
        TARGET / "client.py": client(methods, SYNC),
        TARGET / "async_client.py": client(methods, ASYNC),
        COMMANDS: as_json(known),
        PAGE: page(PAGE.read_text(encoding="utf-8"), known),
    }


def main() -> int:
    """Generates, or with ``--check`` compares; returns the exit status."""
    stale = False
    for path, text in generated().items():
        if sys.argv[1:] == ["--check"]:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                print(f"stale: {path.name} (run `make gen`)")
                stale = True
        else:
            path.write_text(text, encoding="utf-8")
    return int(stale)


if __name__ == "__main__":
    sys.exit(main())
