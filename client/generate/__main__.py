"""Writes the generated modules of `tocsin_client`; with ``--check``, fails if one of them is stale."""

import sys
from pathlib import Path
from typing import Final

from client.generate.contract import Source
from client.generate.methods import ASYNC, SYNC, all_methods, calls, client
from client.generate.models import models

ROOT: Final = Path(__file__).resolve().parents[1]
TARGET: Final = ROOT / "src" / "tocsin_client"


def generated() -> dict[str, str]:
    """The text of each generated module."""
    source = Source()
    methods = all_methods(source)
    return {
        "models.py": models(source),
        "contract.py": calls(methods),
        "client.py": client(methods, SYNC),
        "async_client.py": client(methods, ASYNC),
    }


def main() -> int:
    """Generates, or with ``--check`` compares; returns the exit status."""
    stale = False
    for name, text in generated().items():
        path = TARGET / name
        if sys.argv[1:] == ["--check"]:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                print(f"stale: client/src/tocsin_client/{name} (run `make gen`)")
                stale = True
        else:
            path.write_text(text, encoding="utf-8")
    return int(stale)


if __name__ == "__main__":
    sys.exit(main())
