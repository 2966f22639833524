"""What an import tells: what was taken, what is not quite as it was, what was not taken, and why."""

from collections.abc import Sequence
from typing import Any

from tocsin.cli.imports.applying import Applied
from tocsin.cli.imports.plan import ImportNote, ImportPlan
from tocsin.cli.output import counted, write_line, write_table

_MOST_ROWS = 200


def report_json(plan: ImportPlan, applied: Applied | None, *, full: bool) -> dict[str, Any]:
    """The report as one JSON object; ``full`` with what each resource is."""
    lost = _lost(applied)
    taken = [
        {"collection": one.collection, "name": one.name, "place": one.place, **_said(one.title)}
        | ({"outcome": applied.outcomes[at]} if applied is not None and at in applied.outcomes else {})
        | ({"resource": one.body} if full else {})
        for at, one in enumerate(plan.resources)
        if id(one) not in lost
    ]
    report: dict[str, Any] = {
        "taken": taken,
        "changed": [_note(one) for one in plan.changed],
        "notTaken": [_note(one) for one in plan.refused],
    }
    if applied is not None:
        report["counts"] = applied.counts
        report["created"] = applied.secrets
    if plan.crontab:
        report["crontab"] = plan.crontab
    return report


def show_report(plan: ImportPlan, applied: Applied | None) -> None:
    """The report for people."""
    lost = _lost(applied)
    rows = [
        (one.name, one.title, applied.outcomes.get(at, "") if applied is not None else "", one.place)
        for at, one in enumerate(plan.resources)
        if id(one) not in lost
    ]
    write_table(("taken", "name", "", "from"), rows[:_MOST_ROWS], empty="Nothing is taken.")
    _more(rows)
    _show_notes("not quite as it was", plan.changed)
    _show_notes("not taken", plan.refused)
    for name, made in (applied.secrets if applied is not None else {}).items():
        write_line(f"{name}: {made.get('example') or made.get('key') or ''}")
    words = f"{counted(len(rows), 'taken', 'taken')}, {len(plan.changed)} not quite as it was, {len(plan.refused)} not taken"
    if applied is None:
        write_line(f"{words} (dry run: nothing was made)")
    else:
        write_line(f"{words}: {', '.join(f'{number} {name}' for name, number in applied.counts.items())}")


def note_refusals(plan: ImportPlan, applied: Applied) -> None:
    """Adds what the server did not take."""
    plan.refused += (ImportNote(one.place, one.title or one.name, why) for one, why in applied.refused)


def _lost(applied: Applied | None) -> set[int]:
    """The resources that the server did not take."""
    return set() if applied is None else {id(resource) for resource, _ in applied.refused}


def _show_notes(title: str, notes: Sequence[ImportNote]) -> None:
    if not notes:
        return
    rows = [(one.place, one.what, one.reason) for one in notes]
    write_line("")
    write_table((title, "name", "why"), rows[:_MOST_ROWS], empty="")
    _more(rows)


def _more(rows: Sequence[object]) -> None:
    if len(rows) > _MOST_ROWS:
        write_line(f"… and {len(rows) - _MOST_ROWS} more; --json tells all")


def _note(one: ImportNote) -> dict[str, str]:
    return {"place": one.place, **({"name": one.what} if one.what else {}), "reason": one.reason}


def _said(title: str) -> dict[str, str]:
    return {"displayName": title} if title else {}
