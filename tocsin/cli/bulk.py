"""`tocsin import` and `tocsin export`."""

import asyncio
import json
import ssl
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Annotated, Any, Final
from urllib.parse import urlencode

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TransferSpeedColumn

from tocsin.cli.output import counted, write_json, write_line
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect, target_of, trusted
from tocsin.cli.upload import Upload
from tocsin.errors import TocsinError, Unavailable
from tocsin.exit_codes import ExitCode

_PIECE: Final = 256 * 1024
_PATIENCE: Final = 6
_FIRST_WAIT_SECONDS: Final = 0.5
_LONGEST_WAIT_SECONDS: Final = 10.0
_MOST_SHOWN: Final = 50
_INTERRUPTED: Final = 130
_TYPES: Final = {"ndjson": "application/x-ndjson", "csv": "text/csv"}
_DELIMITERS: Final = {"comma": "comma", ",": "comma", "semicolon": "semicolon", ";": "semicolon", "tab": "tab"}
_KINDS: Final = {"alarms": "alarm", "recipients": "recipient", "groups": "group", "categories": "category", "suppressions": "suppression"}
"""What can be imported and exported, and what one of it is called."""
_DEFAULT: Final = "alarms"
_WHAT: Final = f"[{'|'.join(_KINDS)}]"
_COUNTS: Final = ("created", "updated", "unchanged", "refused")

Tell = Callable[[dict[str, Any]], None]


def import_file(
    what: Annotated[str, typer.Argument(metavar=_WHAT, help="What to import. Default: alarms.")],
    file: Annotated[str | None, typer.Argument(help="NDJSON or CSV file; - for stdin.")] = None,
    kind: Annotated[str | None, typer.Option("--format", help="ndjson or csv. Default: by the file name.")] = None,
    delimiter: Annotated[
        str | None, typer.Option("--delimiter", help="Delimiter of a CSV file: comma, semicolon or tab. Default: detected from the header.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Validate every line; import nothing.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted import of this file.")] = False,
    skip_lines: Annotated[int, typer.Option("--skip-lines", min=0, help="Number of lines to skip.")] = 0,
    errors: Annotated[Path | None, typer.Option("--errors", help="NDJSON file for the invalid lines.")] = None,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import alarms, recipients, groups, categories or suppressions; report invalid lines and import the rest.

    What exists becomes what its line says.
    """
    what, file = _kind_and_file(what, file)
    path = None if file == "-" else Path(file)
    content_type = _content_type(kind, path, delimiter)
    mark = ImportMark(path)
    begun = max(skip_lines, mark.lines() if resume else 0)
    address, key = target_of(state=state, url=url, api_key=api_key)
    with _errors_file(errors) as refused, _bar(path, quiet=as_json) as bar:
        work = BulkImport(
            url=address,
            api_key=key,
            verify=trusted(state=state, url=url),
            what=what,
            path=path,
            content_type=content_type,
            dry_run=dry_run,
            lines=begun,
            mark=mark,
            bar=bar,
            tell=_teller(refused, bar),
        )
        try:
            asyncio.run(work.run())
        except (KeyboardInterrupt, TocsinError) as error:
            again = _again(what, file, kind, work.lines, resumable=mark.exists)
            _say(f"{work.summary()}; stopped after line {work.lines}. Continue with: {again}")
            if isinstance(error, KeyboardInterrupt):
                raise typer.Exit(_INTERRUPTED) from None
            raise
    mark.forget()
    if as_json:
        write_json({"lines": work.lines, **work.counts})
    else:
        write_line(f"{work.summary()}{' (dry run: nothing was imported)' if dry_run else ''}")
    if work.counts["refused"]:
        raise typer.Exit(ExitCode.FAILED)


def export_file(
    what: Annotated[str, typer.Argument(metavar=_WHAT, help="What to export. Default: alarms.")] = _DEFAULT,
    file: Annotated[str | None, typer.Argument(help="Target file; - for stdout.")] = None,
    condition: Annotated[str, typer.Option("--filter", help='Conditions joined by AND, such as state="ACTIVE" (AIP-160).')] = "",
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Export every alarm, recipient, group, category or suppression as NDJSON, one per line, in the format that `tocsin import` reads."""
    what, file = _kind_and_file(what, file if file is not None or what not in _KINDS else "-")
    count = 0
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.stream(f"/v1/{what}:export", {"filter": condition} if condition else {})
        if file == "-":
            for item in found:
                sys.stdout.write(_line(item))
            return
        whole = Path(file)
        part = whole.with_name(f"{whole.name}.part")  # a file under its own name is whole
        with part.open("w", encoding="utf-8", newline="\n") as out:
            for item in found:
                out.write(_line(item))
                count += 1
        part.replace(whole)
    _say(f"{counted(count, _KINDS[what], what)} exported to {file}")


def _kind_and_file(what: str, file: str | None) -> tuple[str, str]:
    """What to import or export, and the file: the first may be left out."""
    if file is None and what in _KINDS:
        msg = "name the file, or - for stdin"
        raise typer.BadParameter(msg)
    if file is None:
        return _DEFAULT, what
    if what not in _KINDS:
        msg = f"must be {', '.join(_KINDS)}, not {what}"
        raise typer.BadParameter(msg)
    return what, file


def _line(alarm: dict[str, Any]) -> str:
    return json.dumps(alarm, ensure_ascii=False, separators=(",", ":")) + "\n"


@dataclass(slots=True, kw_only=True)
class BulkImport:
    """An import that goes on by itself when the connection is lost.

    Attributes:
        lines: every line up to this one is done with.
        done: is told of it.
    """

    url: str
    api_key: str | None
    verify: ssl.SSLContext | bool
    what: str
    path: Path | None
    content_type: str
    dry_run: bool
    lines: int
    mark: "ImportMark"
    bar: "Progress | None"
    tell: Tell
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_COUNTS, 0))
    done: Callable[[int], None] | None = None

    async def run(self) -> None:
        """Imports to the end.

        Raises:
            TocsinError: it cannot go on; Unavailable when nothing answers any more.
        """
        failures, wait = 0, _FIRST_WAIT_SECONDS
        while True:
            before = self.lines
            try:
                await self._attempt()
            except Unavailable:
                failures = 1 if self.lines > before else failures + 1
                wait = _FIRST_WAIT_SECONDS if self.lines > before else min(2 * wait, _LONGEST_WAIT_SECONDS)
                if self.path is None or failures >= _PATIENCE:
                    raise
                await asyncio.sleep(wait)
            else:
                return

    async def _attempt(self) -> None:
        """One upload, from where the one before got to."""
        query = {"options.skipLines": self.lines, "options.validateOnly": str(self.dry_run).lower()}
        earlier, done = dict(self.counts), False
        with _open(self.path) as file:
            if self.bar is not None:
                self.bar.reset(self.bar.task_ids[0])
            upload = Upload(
                url=self.url,
                target=f"/v1/{self.what}:import?{urlencode(query)}",
                api_key=self.api_key,
                verify=self.verify,
                content_type=self.content_type,
                body=iter(lambda: file.read(_PIECE), b""),
                sent=self._sent,
            )
            async for answer in upload.answers():
                self.lines = max(self.lines, int(answer.get("lines", 0)))
                self.counts = {name: earlier[name] + int(answer.get(name, 0)) for name in _COUNTS}
                for refusal in answer.get("refusals", ()):
                    self.tell(refusal)
                done = bool(answer.get("done"))
                if self.done is not None:
                    self.done(self.lines)
                if not self.dry_run:
                    self.mark.set(self.lines)
        if not done:
            raise Unavailable("the connection ended before the import did")

    def _sent(self, size: int) -> None:
        if self.bar is not None:
            self.bar.update(self.bar.task_ids[0], advance=size, lines=self.lines)

    def summary(self) -> str:
        """What has been done, in words."""
        return ", ".join(f"{self.counts[name]} {name}" for name in _COUNTS)


class ImportMark:
    """Remembers beside a file how far its import has come."""

    def __init__(self, path: Path | None) -> None:
        self._source = path
        self._path = None if path is None else path.with_name(f"{path.name}.import")
        self.exists = False

    def lines(self) -> int:
        """The line to go on behind; 0 when nothing is known, or the file is another one now."""
        try:
            stored: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8")) if self._path is not None else {}
        except (OSError, ValueError):
            return 0
        return int(stored["lines"]) if stored.get("size") == self._size() else 0

    def set(self, lines: int) -> None:
        """Remembers a line; a folder that cannot be written is no reason to stop."""
        if self._path is None:
            return
        try:
            self._path.write_text(json.dumps({"lines": lines, "size": self._size()}), encoding="utf-8")
            self.exists = True
        except OSError:
            self._path = None

    def forget(self) -> None:
        """Forgets it: the import is done."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _size(self) -> int:
        return self._source.stat().st_size if self._source is not None else 0


def _content_type(kind: str | None, path: Path | None, delimiter: str | None = None) -> str:
    if kind is None:
        kind = "csv" if path is not None and path.suffix.lower() in (".csv", ".tsv") else "ndjson"
    if delimiter is not None and (kind != "csv" or delimiter not in _DELIMITERS):
        msg = f"must be one of {', '.join(_DELIMITERS)}, and the format CSV"
        raise typer.BadParameter(msg, param_hint="--delimiter")
    if kind not in _TYPES:
        msg = f"must be {' or '.join(_TYPES)}, not {kind}"
        raise typer.BadParameter(msg, param_hint="--format")
    return f"{_TYPES[kind]}; delimiter={_DELIMITERS[delimiter]}" if delimiter is not None else _TYPES[kind]


def _open(path: Path | None) -> AbstractContextManager[IO[bytes]]:
    return nullcontext(sys.stdin.buffer) if path is None else path.open("rb")


def _errors_file(path: Path | None) -> AbstractContextManager[IO[str] | None]:
    return nullcontext(None) if path is None else path.open("w", encoding="utf-8")


def _teller(file: IO[str] | None, bar: "Progress | None") -> Tell:
    """Tells of lines that were refused: all of them to the file, and the first ones, or all if there is no file, to people."""
    shown = 0

    def tell(refusal: dict[str, Any]) -> None:
        nonlocal shown
        shown += 1
        if file is not None:
            file.write(json.dumps(refusal, ensure_ascii=False) + "\n")
            if shown > _MOST_SHOWN:
                return
        words = f"line {refusal['line']}: " + (f"{refusal['field']}: " if refusal.get("field") else "") + str(refusal.get("reason", ""))
        if bar is not None:
            bar.console.print(words, markup=False, highlight=False, soft_wrap=True)
        else:
            _say(words)

    return tell


def _bar(path: Path | None, *, quiet: bool) -> AbstractContextManager["Progress | None"]:
    """A bar on stderr, if somebody looks."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        return nullcontext(None)
    where = TextColumn("line {task.fields[lines]}")
    columns = (
        SpinnerColumn(),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        where,
        TimeElapsedColumn(),
    )
    bar = Progress(*columns, console=console)
    bar.add_task("import", total=path.stat().st_size if path is not None else None, lines=0)
    return bar


def _again(what: str, file: str, kind: str | None, lines: int, *, resumable: bool) -> str:
    words: Iterable[str] = ("tocsin import", *(() if what == _DEFAULT else (what,)), file, *(("--format", kind) if kind else ()))
    how = "--resume" if resumable and file != "-" else f"--skip-lines {lines}"
    return " ".join([*words, how])


def _say(text: str) -> None:
    Console(stderr=True, soft_wrap=True, highlight=False).print(text, markup=False)
