"""What `tocsin apply` tells: what became of each resource, what differs, and how far it is."""

import json
import sys
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from tocsin.cli.apply.kinds import Kind
from tocsin.cli.apply.plan import ApplyOutcome, FieldDifference
from tocsin.cli.apply.reader import DocumentPlace, Problem
from tocsin.cli.output import shown

_MOST_LINES: Final = 200
_COLORS: Final = {"+": "green", "-": "red", "~": "yellow"}
_LONGEST: Final = 2000


class ApplyReport:
    """Tells people line by line, and programs all of it at the end.

    Attributes:
        counts: how many of each verdict there are.
    """

    def __init__(self, *, output: str, future: bool, counted: bool = True) -> None:
        """Begins; ``future`` says that nothing is written, and what would be is told; ``counted`` that people get the numbers."""
        self.counts: Counter[ApplyOutcome] = Counter()
        self._output, self._future, self._counted = output, future, counted
        self._rows: list[dict[str, Any]] = []
        self._lines: Counter[str] = Counter()
        self._out = Console(soft_wrap=True, highlight=False)
        self._errors = Console(stderr=True, soft_wrap=True, highlight=False)

    def became(
        self,
        kind: Kind,
        name: str,
        verdict: ApplyOutcome,
        *,
        place: DocumentPlace | None = None,
        problem: Problem | None = None,
        told: bool = True,
    ) -> None:
        """One resource; ``told`` is false for what people have been told already."""
        self.counts[verdict] += 1
        if self._output != "table":
            self._rows.append(_row(kind, name, verdict, place, problem))
        elif told and problem is None:
            self._line(kind, f"{kind.shown(name)} {verdict.value}{' (dry run)' if self._future else ''}")
        if problem is not None:
            self.problem(problem)

    def problem(self, problem: Problem) -> None:
        """Something that is wrong, to stderr."""
        self._errors.print(Text(str(problem)))

    def say(self, text: str) -> None:
        """A line to stderr."""
        self._errors.print(Text(text))

    def differs(
        self, kind: Kind, name: str, verdict: ApplyOutcome, differences: Sequence[FieldDifference], place: DocumentPlace | None = None
    ) -> None:
        """What would become of a resource, field by field."""
        self.counts[verdict] += 1
        if self._output != "table":
            row = _row(kind, name, verdict, place, None)
            fields = [{"field": each.path, "before": each.before, "after": each.after} for each in differences]
            self._rows.append({**row, "changes": fields})
            return
        words = {ApplyOutcome.CREATED: "+", ApplyOutcome.DELETED: "-"}
        self._marked(words.get(verdict, "~"), kind.shown(name) + (f"  ({place})" if place is not None else ""))
        for each in differences:
            if each.before is None:
                self._marked("+", f"  {each.path}: {_text(each.after)}")
            elif each.after is None:
                self._marked("-", f"  {each.path}: {_text(each.before)}")
            else:
                self._marked("~", f"  {each.path}: {_text(each.before)} → {_text(each.after)}")

    def _marked(self, sign: str, text: str) -> None:
        self._out.print(Text(f"{sign} {text}", style=_COLORS[sign]))

    def _line(self, kind: Kind, text: str) -> None:
        self._lines[kind.name] += 1
        if self._lines[kind.name] <= _MOST_LINES:
            self._out.print(Text(text))
        elif self._lines[kind.name] == _MOST_LINES + 1:
            self._out.print(Text(f"… more of the kind {kind.name}: the last line counts them, --output json lists them"))

    def end(self) -> None:
        """The numbers, or all of it for a program."""
        counts = {verdict.value: self.counts[verdict] for verdict in ApplyOutcome}
        if self._output == "table" and not self._counted:
            return
        if self._output == "table":
            self.say(", ".join(f"{number} {word}" for word, number in counts.items()) + (" (nothing was written)" if self._future else ""))
        else:
            shown({"resources": self._rows, "counts": counts}, output=self._output)
        sys.stdout.flush()

    @contextmanager
    def progress(self, words: str, total: int) -> Generator["ApplyProgress"]:
        """A bar on stderr while something is done, if somebody looks."""
        if not self._errors.is_terminal or total < _MOST_LINES:
            yield ApplyProgress(None)
            return
        columns = (TextColumn(words), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._errors, transient=True) as bar:
            bar.add_task(words, total=total)
            yield ApplyProgress(bar)


class ApplyProgress:
    """How far something is."""

    def __init__(self, bar: Progress | None) -> None:
        self._bar = bar

    def at(self, done: int) -> None:
        """So many are done."""
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done)


def _row(kind: Kind, name: str, verdict: ApplyOutcome, place: DocumentPlace | None, problem: Problem | None) -> dict[str, Any]:
    where = {"file": place.source.name, "document": place.number, "line": place.line} if place is not None else {}
    wrong = {"problem": {"place": problem.place, "field": problem.field, "reason": problem.reason}} if problem is not None else {}
    return {"kind": kind.name, "name": name, "verdict": verdict.value, **where, **wrong}


def _text(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text)} characters)"
