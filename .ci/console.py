"""Says whether gateway/console was built from console/ as it is: `python .ci/console.py check`; `write` notes it after a build.

`write` also compresses the build with Zopfli, a thirtieth smaller than zlib does it; browsers that take brotli get what the build has made.
The note holds a hash of the sources and one of the build. The check needs no Node, so that it is one of `make check`; `make console` builds
again, and the workflow fails when that changes a byte.
"""

import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "console"
BUILD = ROOT / "gateway" / "console"
NOTE = SOURCES / "build.sha256"
GENERATED = frozenset({"schema.d.ts"})
"""What a build makes beside the sources: the types of the API, which leave nothing in the output."""
SHARED = (ROOT / "tocsin" / "alerts" / "words.json",)
"""What the console takes from elsewhere."""
KEPT = ("index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts", "flat-words.ts", ".npmrc")


def digest(files: Iterable[Path], base: Path) -> str:
    """A hash of names and contents."""
    found = hashlib.sha256()
    for path in sorted(files):
        found.update(f"{path.relative_to(base).as_posix()}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()


def compress() -> None:
    """Each text as gzip beside it, as the gateway sends it."""
    from zopfli.gzip import compress as smallest  # for `write` alone: the check runs without it

    for path in sorted(BUILD.glob("assets/*")):
        if path.suffix in {".js", ".css", ".svg"}:
            path.with_name(f"{path.name}.gz").write_bytes(smallest(path.read_bytes()))


def note() -> str:
    """What the note must say."""
    sources = [*(SOURCES / name for name in KEPT), *(path for path in (SOURCES / "src").rglob("*") if path.is_file())]
    sources += SHARED
    build = [path for path in BUILD.rglob("*") if path.is_file()]
    kept = [path for path in sources if path.name not in GENERATED and not path.name.endswith(".test.ts")]
    return f"sources {digest(kept, ROOT)}\nbuild {digest(build, BUILD)}\n"


def main(word: str) -> int:
    """Runs one of the two; the exit code."""
    if word == "write":
        compress()
        NOTE.write_text(note())
        return 0
    if NOTE.read_text() == note():
        return 0
    print("gateway/console was not built from console/ as it is: run `make console` and commit both", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
