"""`tocsin apply`: the command."""

import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from tocsin.cli.apply.kinds import kinds
from tocsin.cli.apply.load import Loaded, load
from tocsin.cli.apply.plan import ApplyOutcome, FieldDifference
from tocsin.cli.apply.prune import Leftover, applied, leftovers, remove
from tocsin.cli.apply.reader import Bodies, sources
from tocsin.cli.apply.report import ApplyReport
from tocsin.cli.apply.run import ApplyRun, Stopped
from tocsin.cli.apply.server import Server
from tocsin.cli.apply.shapes import Shapes
from tocsin.cli.output import complain, counted, exit_code
from tocsin.cli.target import STATE, JsonOption, KeyOption, OutputOption, StateOption, UrlOption, connect, target_of, trusted
from tocsin.errors import TocsinError
from tocsin.exit_codes import ExitCode

_SCOPE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_INTERRUPTED: Final = 130
_MOST_ASKED: Final = 20


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for."""

    diff: bool
    dry_run: bool
    prune: bool
    scope: str
    kinds: Sequence[str]
    fail_fast: bool
    yes: bool


def apply(
    files: Annotated[list[str], typer.Option("--file", "-f", help="YAML, JSON or NDJSON; a folder of them; - for stdin; repeatable.")],
    diff: Annotated[bool, typer.Option("--diff", help="Show what would change, field by field; exit code 1 if anything would.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Have everything checked; write nothing.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Delete what earlier runs applied and no file has any more; needs --scope or --kinds.")
    ] = False,
    scope: Annotated[str, typer.Option("--scope", help="Name of what these files are the whole of, such as a team's.")] = "",
    only: Annotated[
        list[str] | None,
        typer.Option("--kinds", help="Kinds to prune, such as calendar,policy. Without --scope: all of them that no file has."),
    ] = None,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first resource that fails.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")] = False,
    output: OutputOption = "table",
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make resources what files say: create what is missing, change what differs, and leave the rest alone."""
    options = Options(diff, dry_run, prune, _scope(scope), _kinds(only or ()), fail_fast, yes)
    if prune and not (options.scope or options.kinds):
        msg = "needs --scope, with which the resources were applied, or --kinds"
        raise typer.BadParameter(msg, param_hint="--prune")
    report = ApplyReport(output="json" if as_json else output, future=dry_run or diff)
    _run(files, options, report, state=state, url=url, api_key=api_key)


def apply_kind(kind: str, file: Path, *, state: Path, url: str | None, api_key: str | None, output: str = "table") -> None:
    """Applies a file of one kind, whose documents need not say it; tells of each, and of nothing else."""
    options = Options(diff=False, dry_run=False, prune=False, scope="", kinds=(), fail_fast=False, yes=False)
    _run([str(file)], options, ApplyReport(output=output, future=False, counted=False), kind=kind, state=state, url=url, api_key=api_key)


def _run(
    files: Sequence[str], options: Options, report: ApplyReport, *, state: Path, url: str | None, api_key: str | None, kind: str = ""
) -> None:
    address, key = target_of(state=state, url=url, api_key=api_key)
    shapes, said = Shapes(), "FILE" if kind else "--file"
    with sources(files, said=said) as found, tempfile.TemporaryFile() as file:
        bodies = Bodies(file)
        loaded = load(found, bodies, shapes, scope=options.scope, default=kind)
        _refuse(loaded, report, said)
        with connect(state=state, url=url, api_key=api_key) as client:
            server = Server(client, url=address, api_key=key, verify=trusted(state=state, url=url))
            run = ApplyRun(
                server=server,
                shapes=shapes,
                bodies=bodies,
                loaded=loaded,
                report=report,
                only_diff=options.diff,
                fail_fast=options.fail_fast,
            )
            _guarded(run, server, options)
    report.end()
    if report.counts[ApplyOutcome.FAILED] or (options.diff and report.counts.total()):
        raise typer.Exit(ExitCode.FAILED)


def _guarded(run: ApplyRun, server: Server, options: Options) -> None:
    """Applies; tells how it was cut short."""
    try:
        _apply(run, server, options)
    except Stopped:
        run.report.say("stopped at the first failure; the rest was not written")
    except KeyboardInterrupt:
        run.report.end()
        run.report.say("interrupted; what is written stays, and the same command does the rest")
        raise typer.Exit(_INTERRUPTED) from None
    except TocsinError as error:
        if options.diff and exit_code(error) is ExitCode.FAILED:  # which would say that there are differences
            complain(error)
            raise typer.Exit(ExitCode.USAGE) from None
        raise


def _apply(run: ApplyRun, server: Server, options: Options) -> None:
    """Compares, checks, writes and prunes."""
    report, loaded = run.report, run.loaded
    run.compare()
    if not options.diff:
        run.check()
    _refuse(loaded, report)
    wanted = applied(loaded, labelled=False)
    # Who applies nothing but alarms needs no right to records.
    recorded, records = server.recorded(options.scope) if options.scope and (wanted or options.prune) else (set[str](), 0)
    gone = leftovers(server, loaded, scope=options.scope, recorded=recorded, only=options.kinds) if options.prune else []
    if options.diff:
        for each in gone:
            report.differs(each.kind, each.identity, ApplyOutcome.DELETED, list[FieldDifference]())
        return
    if options.dry_run:
        run.foretell()
        for each in gone:
            report.became(each.kind, each.identity, ApplyOutcome.DELETED)
        return
    _confirm(gone, options)
    if options.scope and not wanted <= recorded:  # before anything is written: what is cut short can be pruned all the same
        records = server.record(options.scope, recorded | wanted, records)
    run.write()
    if report.counts[ApplyOutcome.FAILED]:
        if gone:
            report.say(f"{counted(len(gone), 'resource')} not deleted, because something failed")
        return
    stay = {f"{each.kind.name} {each.identity}" for each in remove(server, report, gone)}
    if options.scope and options.prune and not options.kinds and recorded | wanted != wanted | stay:
        server.record(options.scope, wanted | stay, records)


def _refuse(loaded: Loaded, report: ApplyReport, said: str = "--file") -> None:
    """Ends it if something is wrong with the documents, or there are none: nothing is written then."""
    for problem in loaded.problems:
        report.problem(problem)
    if loaded.problems:
        number = len(loaded.problems) + loaded.more
        more = f", {loaded.more} of which are not listed" if loaded.more else ""
        report.say(f"{counted(number, 'problem')}{more}; nothing was written")
        raise typer.Exit(ExitCode.USAGE)
    if not any(loaded.wanted.values()):
        msg = "there is nothing to apply in what was given"
        raise typer.BadParameter(msg, param_hint=said)


def _confirm(gone: Sequence[Leftover], options: Options) -> None:
    """Asks whether these may be deleted.

    Raises:
        typer.BadParameter: nobody can be asked.
        typer.Abort: they may not.
    """
    if not gone or options.yes:
        return
    names = [each.kind.shown(each.identity) for each in gone]
    more = f", and {len(names) - _MOST_ASKED} more" if len(names) > _MOST_ASKED else ""
    if not sys.stdin.isatty():
        msg = f"would delete {', '.join(names[:_MOST_ASKED])}{more}; give --yes"
        raise typer.BadParameter(msg, param_hint="--prune")
    typer.confirm(f"Delete {', '.join(names[:_MOST_ASKED])}{more}?", abort=True, err=True)


def _scope(text: str) -> str:
    if text and _SCOPE.fullmatch(text) is None:
        msg = f"{text!r} is no name of letters, digits and . _ -"
        raise typer.BadParameter(msg, param_hint="--scope")
    return text


def _kinds(said: Sequence[str]) -> list[str]:
    found = [word.strip() for text in said for word in text.split(",") if word.strip()]
    for word in found:
        if word not in kinds():
            msg = f"{word!r} is no kind of resource: {', '.join(kinds())}"
            raise typer.BadParameter(msg, param_hint="--kinds")
    return found
