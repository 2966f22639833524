"""What earlier runs applied and no file has any more: found, and removed."""

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass

from tocsin.cli.apply.kinds import Kind, kinds
from tocsin.cli.apply.load import Loaded, content_of
from tocsin.cli.apply.plan import ApplyOutcome, stale
from tocsin.cli.apply.reader import Problem
from tocsin.cli.apply.report import ApplyReport
from tocsin.cli.apply.server import Server
from tocsin.cli.apply.shapes import identity, leaves_out, stored
from tocsin.errors import FailedPrecondition, TocsinError


@dataclass(frozen=True, slots=True)
class Leftover:
    """A resource that goes: how files call it, and how the server does."""

    kind: Kind
    identity: str
    name: str


def applied(loaded: Loaded, *, labelled: bool) -> set[str]:
    """What files say, as ``kind identity``; with or without what has labels."""
    return {f"{each.kind.name} {each.identity}" for each in loaded.all() if labelled or not each.kind.labelled}


def leftovers(server: Server, loaded: Loaded, *, scope: str, recorded: Set[str], only: Sequence[str]) -> list[Leftover]:
    """What goes, in the order in which it can.

    Args:
        server: what is asked.
        loaded: what files say.
        scope: what earlier runs applied with it is meant; without it all that there is of the kinds ``only``.
        recorded: what they applied, but for what has labels.
        only: kinds; all of them if none are given.
    """
    wanted = applied(loaded, labelled=True)
    found: list[Leftover] = []
    for kind in reversed(list(kinds().values())):
        if only and kind.name not in only:
            continue
        if not scope:
            found += [each for each in _there(server, kind) if not _has(wanted, each)]
        elif kind.labelled:
            named = (Leftover(kind, identity(kind, raw), str(raw["name"])) for raw in server.labelled(kind, scope))
            found += [each for each in named if not _has(wanted, each)]
        elif gone := set(stale(recorded, wanted, {kind.name})):
            found += _named(server, kind, gone)
    return found


def _has(names: Set[str], each: Leftover) -> bool:
    return f"{each.kind.name} {each.identity}" in names


def _named(server: Server, kind: Kind, gone: Set[str]) -> Iterator[Leftover]:
    """Those of these that are there."""
    if kind.keys == ("name",):
        for each in sorted(gone):
            name = each.partition(" ")[2]
            if any(server.present(kind, [name])) if kind.type is kind.line else True:
                yield Leftover(kind, name, name)
    else:
        yield from (each for each in _there(server, kind) if _has(gone, each))


def _there(server: Server, kind: Kind) -> Iterator[Leftover]:
    """All of a kind; of what has only its content, what holds, by all that documents may say of it."""
    for raw in server.all(kind):
        name = str(raw["name"])
        if kind.keys:
            yield Leftover(kind, identity(kind, raw), name)
        elif raw.get("state") != "EXPIRED":
            for said in leaves_out(kind, stored(kind, raw)):
                yield Leftover(kind, content_of(kind, said), name)


def remove(server: Server, report: ApplyReport, gone: Sequence[Leftover]) -> list[Leftover]:
    """Removes these, and again what another one still needed, as long as that helps; returns what stays."""
    waiting: list[tuple[Leftover, TocsinError]] = []
    left = list(gone)
    while left:
        waiting = []
        for each in left:
            try:
                server.remove(each.kind, each.name)
            except FailedPrecondition as error:
                waiting.append((each, error))
            except TocsinError as error:
                _failed(report, each, error)
            else:
                report.became(each.kind, each.identity, ApplyOutcome.DELETED)
        if len(waiting) == len(left):
            break
        left = [each for each, _ in waiting]
    for each, error in waiting:
        _failed(report, each, error)
    return [each for each, _ in waiting]


def _failed(report: ApplyReport, each: Leftover, error: TocsinError) -> None:
    report.became(each.kind, each.identity, ApplyOutcome.FAILED, problem=Problem(each.kind.shown(each.identity), "", error.message))
