"""`python -m deploy.dashboards write` writes the dashboards; `check` fails where a file is not what this package says."""

import sys
from pathlib import Path
from typing import Final

from deploy.dashboards.pages import DASHBOARDS
from deploy.dashboards.panels import document

FOLDER: Final = Path(__file__).resolve().parent.parent / "grafana"


def files() -> dict[str, str]:
    """Every file by its name."""
    return {f"{each.name}.json": document(each) for each in DASHBOARDS}


def main(command: str) -> int:
    """Runs ``command``; returns the exit code."""
    if command == "write":
        for name, text in files().items():
            (FOLDER / name).write_text(text, "utf-8")
        return 0
    stale = [name for name, text in files().items() if not (FOLDER / name).exists() or (FOLDER / name).read_text("utf-8") != text]
    stale += sorted(path.name for path in FOLDER.glob("*.json") if path.name not in files())
    for name in stale:
        print(f"deploy/grafana/{name}: is not what deploy/dashboards says (run `make gen`)", file=sys.stderr)
    return bool(stale)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "check"))
