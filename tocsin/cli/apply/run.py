"""Applies: compares what files say with what the server has, has it checked, writes what differs, and removes what is left over."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tocsin.cli.apply.kinds import Kind, kinds
from tocsin.cli.apply.load import Loaded, Wanted, problems_of
from tocsin.cli.apply.plan import ApplyOutcome, FieldDifference, changes, tops
from tocsin.cli.apply.reader import Bodies, Problem
from tocsin.cli.apply.report import ApplyReport
from tocsin.cli.apply.server import Server, lines_of
from tocsin.cli.apply.shapes import Shapes, compared, identity, kept, stored, unreadable
from tocsin.cli.apply.shapes import wanted as says
from tocsin.errors import AlreadyExists, FailedPrecondition, InvalidInput, NotFound, TocsinError

_MAY_WAIT: Final = (NotFound, InvalidInput, FailedPrecondition)
"""What somebody may answer because something is missing that is made later."""


class Stopped(Exception):
    """Something failed, and `--fail-fast` was given."""


@dataclass(slots=True)
class ApplyStep:
    """A resource that has to be written: what is sent, and of a change the fields and the version it is of."""

    wanted: Wanted
    verdict: ApplyOutcome
    where: tuple[int, int]
    fields: Sequence[str] = ()
    etag: str = ""
    sure: bool = True


@dataclass(slots=True, kw_only=True)
class ApplyRun:
    """One `tocsin apply`.

    Attributes:
        only_diff: whether differences are told, and nothing else is done.
    """

    server: Server
    shapes: Shapes
    bodies: Bodies
    loaded: Loaded
    report: ApplyReport
    only_diff: bool
    fail_fast: bool
    zone: str = ""
    steps: dict[str, list[ApplyStep]] = field(default_factory=dict)
    unchanged: list[Wanted] = field(default_factory=list)

    # -- comparing ---------------------------------------------------------------------------------------------------------

    def compare(self) -> None:
        """Finds out what has to be written; tells of it if that is all."""
        self.zone = self.server.zone() if {"alarm", "policy"} & self.loaded.wanted.keys() else ""
        for kind in kinds().values():
            wanted = self.loaded.wanted.get(kind.name)
            if wanted:
                with self.report.progress(f"comparing {kind.collection}", len(wanted)) as meter:
                    for number, _ in enumerate(self._compared(kind, wanted), 1):
                        meter.at(number)

    def _compared(self, kind: Kind, wanted: Mapping[str, Wanted]) -> Iterator[Wanted]:
        rest = dict(wanted)
        for raw in self.server.present(kind, list(wanted)) if kind.keys else ():
            found = rest.pop(identity(kind, raw), None)
            if found is not None:
                self._exists(kind, found, raw)
                yield found
        there = list(self.server.all(kind)) if rest and not kind.keys else []
        for found in rest.values():
            if not any(self._says(kind, found, raw) for raw in there):
                self._missing(kind, found)
            else:
                self.unchanged.append(found)
            yield found

    def _says(self, kind: Kind, wanted: Wanted, raw: Mapping[str, Any]) -> bool:
        """Whether one that has only its content is the same."""
        present = compared(kind, raw)
        return present == says(kind, self.bodies.get(wanted.where), present)

    def _exists(self, kind: Kind, wanted: Wanted, raw: Mapping[str, Any]) -> None:
        sent, there = self.bodies.get(wanted.where), stored(kind, raw)
        if kind.name == "alarm":
            there.setdefault("state", "ACTIVE")
        present = compared(kind, there, zone=self.zone)
        differences = changes(present, says(kind, sent, present, zone=self.zone))
        hidden = unreadable(kind, sent, there)
        if not differences and not hidden:
            self.unchanged.append(wanted)
            return
        if self.only_diff:
            if differences:
                self.report.differs(kind, wanted.identity, ApplyOutcome.CHANGED, differences, wanted.place)
            return
        fields = list(dict.fromkeys([*tops(differences), *hidden]))
        where = self.bodies.add(kept(kind, sent, there))
        etag = str(raw.get("etag", "")) if "etag" in kind.type.fields_by_name else ""
        self._step(kind, ApplyStep(wanted, ApplyOutcome.CHANGED, where, fields, etag, sure=bool(differences)))

    def _missing(self, kind: Kind, wanted: Wanted) -> None:
        if not kind.makes:
            reason = f"there is none, and the server names them: make it by `tocsin {kind.name} create`, and change it here by its name"
            self.loaded.refuse(Problem(wanted.place.at("name"), "name", reason))
        elif self.only_diff:
            body = compared(kind, self.bodies.get(wanted.where))
            self.report.differs(
                kind,
                wanted.identity,
                ApplyOutcome.CREATED,
                [FieldDifference(key, None, value) for key, value in body.items()],
                wanted.place,
            )
        else:
            self._step(kind, ApplyStep(wanted, ApplyOutcome.CREATED, wanted.where))

    def _step(self, kind: Kind, step: ApplyStep) -> None:
        self.steps.setdefault(kind.name, []).append(step)

    # -- checking ----------------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Has the server check what it imports; what it refuses is a problem, unless it is for what this run makes."""
        made = {
            step.wanted.identity
            for steps in self.steps.values()
            for step in steps
            if step.verdict is ApplyOutcome.CREATED and "/" in step.wanted.identity
        }
        for kind, steps in self._kinds():
            if kind.imports:
                for step, problem in self._import(kind, steps, dry_run=True):
                    if not any(word.strip("'\",.;:") in made for word in problem.reason.split()):
                        self.loaded.refuse(Problem(step.wanted.place.at(problem.field), problem.field, problem.reason))

    def _kinds(self) -> Iterator[tuple[Kind, list[ApplyStep]]]:
        yield from ((kind, self.steps[name]) for name, kind in kinds().items() if self.steps.get(name))

    def _import(self, kind: Kind, steps: Sequence[ApplyStep], *, dry_run: bool) -> Iterator[tuple[ApplyStep, Problem]]:
        """Imports; what was refused, as it comes to the end."""
        refused: list[dict[str, Any]] = []
        words = f"{'checking' if dry_run else 'writing'} {kind.collection}"
        with tempfile.TemporaryDirectory(prefix="tocsin-") as folder, self.report.progress(words, len(steps)) as meter:
            file = Path(folder, "lines.ndjson")
            with file.open("w", encoding="utf-8", newline="\n") as out:
                out.writelines(lines_of(self.bodies.get(step.where) for step in steps))
            self.server.many(kind, file, dry_run=dry_run, tell=refused.append, done=meter.at)
        for refusal in refused:
            step, path = steps[int(refusal["line"]) - 1], str(refusal.get("field", ""))
            yield step, Problem(str(step.wanted.place), path, str(refusal.get("reason", "")))

    # -- writing -----------------------------------------------------------------------------------------------------------

    def write(self) -> None:
        """Writes all steps, kind by kind, and again what failed for want of another, as long as that helps.

        Raises:
            Stopped: one failed, and that is enough.
        """
        self.same()
        while self.steps:
            begun = sum(map(len, self.steps.values()))
            waiting = [
                (kind, *failure) for kind, steps in self._kinds() for failure in self._written(kind, steps) if self._waits(kind, *failure)
            ]
            self.steps = {}
            for kind, step, problem in waiting:
                if len(waiting) == begun:  # nothing was of help to anything
                    self._failed(kind, step, problem)
                else:
                    self._step(kind, step)

    def _waits(self, kind: Kind, step: ApplyStep, problem: "Problem | TocsinError") -> bool:
        if isinstance(problem, TocsinError) and not isinstance(problem, _MAY_WAIT):
            self._failed(kind, step, problem)
            return False
        return True

    def _failed(self, kind: Kind, step: ApplyStep, problem: "Problem | TocsinError") -> None:
        if isinstance(problem, TocsinError):
            first, *more = problems_of(step.wanted.place, problem)
        else:
            first, more = Problem(step.wanted.place.at(problem.field), problem.field, problem.reason), []
        self.report.became(kind, step.wanted.identity, ApplyOutcome.FAILED, place=step.wanted.place, problem=first)
        for each in more:
            self.report.problem(each)
        if self.fail_fast:
            raise Stopped

    def _written(self, kind: Kind, steps: Sequence[ApplyStep]) -> Iterator[tuple[ApplyStep, "Problem | TocsinError"]]:
        """Writes these; yields what failed."""
        if kind.imports:
            failed = {id(step): (step, problem) for step, problem in self._import(kind, steps, dry_run=False)}
            for step in steps:
                if id(step) not in failed:
                    self.report.became(kind, step.wanted.identity, step.verdict, place=step.wanted.place)
            yield from failed.values()
            return
        with self.report.progress(f"writing {kind.collection}", len(steps)) as meter:
            for number, step in enumerate(steps, 1):
                try:
                    self._one(kind, step)
                except TocsinError as error:
                    yield step, error
                meter.at(number)

    def _one(self, kind: Kind, step: ApplyStep) -> None:
        body, verdict = self.bodies.get(step.where), step.verdict
        if verdict is ApplyOutcome.CREATED:
            try:
                self.server.create(kind, body)
            except AlreadyExists:  # an earlier attempt made it, whose answer was lost
                if "update" not in kind.rows:
                    raise
                self.server.update(kind, body, ["*"], "")
        else:
            before = None if step.sure else next(self.server.present(kind, [step.wanted.identity]), None)
            after = self.server.update(kind, body, step.fields, step.etag)
            if before is not None and compared(kind, before) == compared(kind, after):
                verdict = ApplyOutcome.UNCHANGED
        self.report.became(kind, step.wanted.identity, verdict, place=step.wanted.place)

    def foretell(self) -> None:
        """Tells what would be written."""
        for kind, steps in self._kinds():
            for step in steps:
                self.report.became(kind, step.wanted.identity, step.verdict, place=step.wanted.place)
        self.same()

    def same(self) -> None:
        """Tells what stays as it is."""
        for each in self.unchanged:
            self.report.became(each.kind, each.identity, ApplyOutcome.UNCHANGED, place=each.place)
