"""Reads documents from files and folders, and keeps what they say on disk: as many as there are, in little memory."""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, cast

import typer

from tocsin.cli.apply.kinds import kinds
from tocsin.cli.documents import once
from tocsin.cli.yaml_loader import YamlRefused, resources

SUFFIXES: Final = (".yaml", ".yml", ".json", ".ndjson", ".jsonl")
_LINES: Final = (".ndjson", ".jsonl")
_LARGEST_JSON: Final = 64 * 1024 * 1024
_LONGEST_LINE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class DocumentPlace:
    """Where a document stands: the number of the document within its file, from 1, and the line where it begins."""

    source: "DocumentSource"
    number: int
    line: int
    within: str = ""

    def __str__(self) -> str:
        """As problems name it."""
        return f"{self.source.name}, document {self.number}, line {self.line}"

    def at(self, field: str) -> str:
        """The same with the line of a field, as well as it can be found: that of what it stands in if it is not there."""
        lines = self.source.lines(self.number)
        path = f"{self.within}.{field}" if self.within and field else self.within or field
        while path and path not in lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return f"{self.source.name}, document {self.number}, line {lines.get(path, self.line)}"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a document: the field, empty for the whole, and the reason."""

    place: str
    field: str
    reason: str

    def __str__(self) -> str:
        """One line."""
        return f"{self.place}: {self.field}: {self.reason}" if self.field else f"{self.place}: {self.reason}"


@dataclass(frozen=True, slots=True)
class DocumentSource:
    """A file, as people call it, and where it can be read again."""

    name: str
    path: Path

    def documents(self) -> Iterator[tuple[DocumentPlace, dict[str, Any]] | Problem]:
        """What it holds; a problem ends it where the rest cannot be read."""
        try:
            for number, (line, value) in enumerate(self._values(), 1):
                yield from self._opened(DocumentPlace(self, number, line), value)
        except YamlRefused as error:
            yield Problem(f"{self.name}, line {error.line}" if error.line else self.name, "", error.reason)
        except UnicodeDecodeError as error:
            yield Problem(self.name, "", f"is not UTF-8: byte {error.start + 1} of a piece is 0x{error.object[error.start]:02x}")
        except OSError as error:
            yield Problem(self.name, "", f"cannot be read: {error.strerror}")

    def lines(self, number: int) -> dict[str, int]:
        """The lines of the fields of a document, as far as they can be told."""
        found: dict[str, int] = {}
        if self.path.suffix in _LINES:
            return found
        try:
            with self._open() as file:
                for _ in resources(file, number=number, lines=found):
                    pass
        except (YamlRefused, UnicodeDecodeError, OSError):
            return {}
        return found

    def _open(self) -> IO[str]:
        return self.path.open(encoding="utf-8-sig")

    def _values(self) -> Iterator[tuple[int, Any]]:
        with self._open() as file:
            if self.path.suffix in _LINES:
                yield from _json_lines(file)
            elif self.path.suffix == ".json":
                yield from _json_values(file.read(_LARGEST_JSON + 1))
            else:
                yield from resources(file)

    def _opened(self, place: DocumentPlace, value: Any) -> Iterator[tuple[DocumentPlace, dict[str, Any]] | Problem]:
        """The document, or those of the answer of a list: ``{"calendars": […]}``."""
        if not isinstance(value, dict):
            yield Problem(str(place), "", f"{str(value)[:40]!r} is no resource")
            return
        body = cast("dict[str, Any]", value)
        listed = [name for name in body if name != "nextPageToken"]
        if len(listed) == 1 and isinstance(items := body[listed[0]], list) and listed[0] in _collections():
            for index, item in enumerate(cast("list[Any]", items)):
                inner = DocumentPlace(self, place.number, place.line, f"{listed[0]}[{index}]")
                yield (inner, item) if isinstance(item, dict) else Problem(str(place), inner.within, "is no resource")
        else:
            yield place, body


def _collections() -> set[str]:
    return {kind.collection for kind in kinds().values()}


def _json_lines(file: IO[str]) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(file, 1):
        if line.strip():
            yield number, _json(line.strip(), number)


def _json_values(text: str) -> Iterator[tuple[int, Any]]:
    """A JSON text; one that is several, a line each, as well."""
    if len(text) > _LARGEST_JSON:
        raise YamlRefused(f"is larger than {_LARGEST_JSON // 1024 // 1024} MiB; write one resource a line into a file .ndjson")
    lines = text.split("\n")
    try:
        found = _json(text, 1)
    except YamlRefused:
        if len(lines) < 2 or not _is_json(lines[0]):
            raise
        yield from ((number, _json(line, number)) for number, line in enumerate(lines, 1) if line.strip())
        return
    for item in cast("list[Any]", found) if isinstance(found, list) else [found]:
        if item is not None:
            yield 1, item


def _is_json(text: str) -> bool:
    try:
        _json(text, 1)
    except YamlRefused:
        return False
    return True


def _json(text: str, line: int) -> Any:
    try:
        return json.loads(text, object_pairs_hook=once, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise YamlRefused(f"is no JSON: {error.msg}", line + error.lineno - 1) from None
    except RecursionError:
        raise YamlRefused("nested too deeply", line) from None
    except ValueError as error:
        raise YamlRefused(str(error), line) from None


def _no_number(text: str) -> float:
    msg = f"{text} is no number of JSON"
    raise ValueError(msg)


@contextmanager
def sources(files: Sequence[str], *, said: str = "--file") -> Generator[list[DocumentSource]]:
    """The files, and those of folders by name; ``-`` is the standard input, which is kept for as long as it is wanted.

    Args:
        files: their paths.
        said: what of the command line names them.

    Raises:
        typer.BadParameter: there is no such file, or nothing to apply in a folder.
    """
    with tempfile.TemporaryDirectory(prefix="tocsin-") as folder:
        yield [source for file in files for source in (_standard_input(Path(folder)) if file == "-" else _found(Path(file), said))]


def _standard_input(folder: Path) -> list[DocumentSource]:
    path = folder / "input"
    with path.open("wb") as into:
        shutil.copyfileobj(sys.stdin.buffer, into)
    with path.open("rb") as file:
        first = file.readline(_LONGEST_LINE).removeprefix(b"\xef\xbb\xbf").strip()
    lines = first[:1] == b"{" and _is_json(first.decode(errors="replace"))
    suffix = ".ndjson" if lines else ".json" if first[:1] in (b"{", b"[") else ".yaml"
    return [DocumentSource("-", path.rename(path.with_suffix(suffix)))]


def _found(path: Path, said: str) -> list[DocumentSource]:
    if path.is_file():
        return [DocumentSource(str(path), path)]
    if not path.is_dir():
        raise typer.BadParameter(f"{path} does not exist", param_hint=said)
    files = [
        Path(where, name)
        for where, folders, names in os.walk(path)
        if not folders.sort() and not any(part.startswith(".") for part in Path(where).relative_to(path).parts)
        for name in sorted(names)
        if name.endswith(SUFFIXES) and not name.startswith(".")
    ]
    if not files:
        raise typer.BadParameter(f"{path} has no files {', '.join(SUFFIXES)}", param_hint=said)
    return [DocumentSource(str(file), file) for file in files]


class Bodies:
    """Resources on disk, by where they stand."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def add(self, body: dict[str, Any]) -> tuple[int, int]:
        """Keeps one; where it stands."""
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        return self._file.seek(0, os.SEEK_END), self._file.write(text)

    def get(self, where: tuple[int, int]) -> dict[str, Any]:
        """Reads one again."""
        self._file.seek(where[0])
        return json.loads(self._file.read(where[1]))
