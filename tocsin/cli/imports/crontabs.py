"""Crontabs (crontab(5)): of each line a heartbeat that rings when the job did not run, and the line that sends its pings.

A job goes on running where it runs: only its machine has its files. So an import watches it, and prints the crontab with a ping behind each
command; or, by choice, Tocsin itself fires at these times and runs a task or sends a webhook instead.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tocsin.cli.imports.plan import Audience, ImportPlan, one_line
from tocsin.cli.imports.reading import storable
from tocsin.errors import InvalidInput
from tocsin.recurrence import Cron, Trigger, checked_due
from tocsin.recurrence.cron import read_cron

MOST_LINES: Final = 100_000

_VARIABLE: Final = re.compile(r"""([A-Za-z_][A-Za-z0-9_]*|"[^"]*"|'[^']*')\s*=\s*(.*)""")
_MACRO: Final = re.compile(r"@[A-Za-z_]+")
_PING: Final = re.compile(r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})/\$\?\s*")
_COMMENT: Final = re.compile(r"\s#")
_SHELLS: Final = frozenset(("sh", "bash", "dash", "ash", "ksh", "zsh", "busybox"))
_MAIL: Final = re.compile(r"[^\s@,<>\"']+@[^\s@,<>\"']+\.[^\s@,<>\"']+")
_CURL: Final = "curl -fsS -m 10 --retry 5 -o /dev/null"


@dataclass(frozen=True, slots=True, kw_only=True)
class CrontabOptions:
    """How a crontab is taken.

    Attributes:
        host: the machine whose it is; part of what an alarm is known by.
        system: whether each line names a user, as /etc/crontab does.
        time_zone: of that machine.
        grace: seconds a ping may be late.
        url: of this installation, as the machine reaches it.
        audience: who is told; nobody: MAILTO.
        pings: the ids of pings that earlier imports made, by the keys of their alarms.
        new_ping: makes one.
        task: a handler that each line runs in place of a heartbeat.
        webhook: a URL that each line calls in place of a heartbeat.
    """

    host: str
    system: bool
    time_zone: str
    grace: int
    url: str
    audience: Audience
    pings: Mapping[str, str]
    new_ping: Callable[[], str]
    task: str = ""
    webhook: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _CrontabJob:
    """A line that runs something."""

    number: int
    schedule: str
    user: str
    command: str
    name: str
    zone: str
    mail: str | None
    shell: str


@dataclass(slots=True)
class _Surroundings:
    """What lines before a job say about it."""

    comments: list[str] = field(default_factory=list[str])
    variables: dict[str, str] = field(default_factory=dict[str, str])


def read_crontab(text: str, options: CrontabOptions, *, now: int) -> ImportPlan:
    """What a crontab becomes.

    Args:
        text: of the file.
        options: how it is taken.
        now: microseconds since the epoch.

    Raises:
        InvalidInput: it has too many lines.
    """
    lines = text.removesuffix("\n").split("\n")
    if len(lines) > MOST_LINES:
        raise InvalidInput.at("FILE", f"has more than {MOST_LINES} lines")
    plan, around, seen = ImportPlan(), _Surroundings(), Counter[str]()
    for number, line in enumerate(lines, 1):
        line = line.rstrip("\r")
        job = _job(line, number, around, options, plan)
        plan.crontab.append(line)
        if job is not None:
            _take(job, line, plan, options, seen, now)
    return plan


def _job(line: str, number: int, around: _Surroundings, options: CrontabOptions, plan: ImportPlan) -> _CrontabJob | None:
    """The job of a line; None: it is none, or cannot be taken, which is noted."""
    text = line.strip()
    if not text or text.startswith("#"):
        comment = text.lstrip("# \t")
        around.comments = [*around.comments[-4:], comment] if text and comment else []
        return None
    variable = _VARIABLE.fullmatch(text)
    if variable is not None:
        around.variables[variable[1].strip("\"'")] = _unquoted(variable[2])
        around.comments = []
        return None
    name, around.comments = " ".join(around.comments), []
    place = f"line {number}"
    if text.lower().startswith("@reboot"):
        plan.refuse(place, one_line(text, most=80), "@reboot is no time: only the machine knows when it starts")
        return None
    parts = _parts(text.removeprefix("-"), system=options.system)
    if parts is None:
        fields = "a schedule, a user and a command" if options.system else "a schedule and a command"
        plan.refuse(place, one_line(text, most=80), f"is not {fields}")
        return None
    schedule, user, command = parts
    variables = around.variables
    return _CrontabJob(
        number=number,
        schedule=schedule,
        user=user,
        command=command,
        name=one_line(name),
        zone=variables.get("CRON_TZ") or options.time_zone,
        mail=variables.get("MAILTO"),
        shell=variables.get("SHELL", "/bin/sh"),
    )


def _parts(text: str, *, system: bool) -> tuple[str, str, str] | None:
    """Schedule, user and command of a line."""
    macro = _MACRO.match(text)
    fields = 1 if macro else 5
    if macro and macro.group() == "@every":
        fields = 2
    words = text.split(None, fields + system)
    if len(words) != fields + system + 1:
        return None
    return " ".join(words[:fields]), words[fields] if system else "", words[-1].strip()


def _take(job: _CrontabJob, line: str, plan: ImportPlan, options: CrontabOptions, seen: Counter[str], now: int) -> None:
    place, shown = f"line {job.number}", one_line(job.command, most=80)
    command = _read_command(job.command)
    bare, ping = command.runs + command.stdin, command.ping
    trigger = Trigger(spec=Cron(job.schedule), time_zone=job.zone)
    try:
        read_cron(job.schedule)
        checked_due(trigger, now=now)
    except InvalidInput as error:
        plan.refuse(place, shown, error.violations[0].description if error.violations else error.message)
        return
    mine = f"{options.host}\n{job.user}\n{bare}"
    seen[mine] += 1
    key = "crontab/" + hashlib.sha256(f"{mine}\n{seen[mine]}".encode()).hexdigest()[:24]
    body: dict[str, Any] = {"displayName": job.name or one_line(bare, most=120), "labels": _labels(job, options)}
    facts = {"host": options.host, "user": job.user, "command": storable(bare), "schedule": job.schedule}
    if options.task or options.webhook:
        body["trigger"] = {"cron": job.schedule, "timeZone": job.zone}
        body["action"] = _own_action(options, facts)
        plan.change(place, shown, "fires in Tocsin; take the line out of the crontab, or the job runs twice")
    else:
        audience = options.audience or _mailed(job)
        if not audience:
            plan.refuse(place, shown, "nobody is told: there is no MAILTO with an address; give --to or --policy")
            return
        ping = ping or options.pings.get(key) or options.new_ping()
        body["trigger"] = _trigger(job, ping, options)
        body["action"] = audience.notify(f"{body['displayName']} did not run on {options.host}", _told(facts))
        plan.crontab[-1] = _wrapped(line, job, command, ping, options, plan)
    plan.take("alarms", key, body, place)


def _trigger(job: _CrontabJob, ping: str, options: CrontabOptions) -> dict[str, Any]:
    return {"heartbeat": {"key": ping, "cron": job.schedule, "grace": f"{options.grace}s"}, "timeZone": job.zone}


def _labels(job: _CrontabJob, options: CrontabOptions) -> dict[str, str]:
    return {"import": "crontab", "host": options.host[:256], **({"user": job.user[:256]} if job.user else {})}


def _own_action(options: CrontabOptions, facts: Mapping[str, str]) -> dict[str, Any]:
    if options.task:
        return {"task": {"handler": options.task, "input": dict(facts)}}
    return {"webhook": {"url": options.webhook, "body": dict(facts)}}


def _told(facts: Mapping[str, str]) -> str:
    user = f" as {facts['user']}" if facts["user"] else ""
    return f"Expected on {facts['host']}{user} at {facts['schedule']}:\n\n{facts['command']}"


def _mailed(job: _CrontabJob) -> Audience:
    """Those whom cron itself mails."""
    return Audience(tuple(dict.fromkeys(one for one in re.split(r"[,\s]+", job.mail or "") if _MAIL.fullmatch(one)))[:100])


@dataclass(frozen=True, slots=True)
class _Command:
    """A command: what runs, what cron writes to it with its ``%``, and the id of a ping that an earlier import put behind it."""

    runs: str
    stdin: str
    ping: str


def _read_command(command: str) -> _Command:
    before, percent, rest = _stdin_split(command)
    told, _, url = before.rpartition("/ping/")
    start = max(told.rfind(mark) for mark in ";|&") + 1
    found = _PING.fullmatch(url) if told[start:].lstrip().startswith("curl ") else None
    if found is not None:
        before = told[:start].removesuffix(";").rstrip()
        before = before[2:-2] if before.startswith("( ") and before.endswith(" )") else before
    else:
        quoted = max(before.rfind(mark) for mark in "'\"`") + 1
        comment = _COMMENT.search(before, quoted)
        before = before[: comment.start()] if comment else before
    return _Command(before.rstrip().rstrip(";").rstrip(), percent + rest, found[1] if found else "")


def _wrapped(line: str, job: _CrontabJob, command: _Command, ping: str, options: CrontabOptions, plan: ImportPlan) -> str:
    """The line with a ping behind its command, or as it is where that cannot be done safely."""
    if command.ping:
        return line
    send = f"{_CURL} {options.url}/ping/{ping}/$?"
    shell = job.shell.rpartition("/")[2]
    doubt = (
        f"runs in {shell}"
        if shell not in _SHELLS
        else "has a # that may be a comment"
        if re.search(r"\s#", command.runs)
        else "ends with a backslash"
        if command.runs.endswith("\\")
        else ""
    )
    if doubt:
        plan.change(f"line {job.number}", one_line(command.runs, most=80), f"{doubt}: put the ping behind it by hand: {send}")
        return line
    # What replaces or leaves the shell, or goes on behind its back, does so in one of its own.
    alone = re.match(r"(exec|exit)\b", command.runs) or command.runs.endswith("&")
    runs = f"( {command.runs} )" if alone else command.runs
    return line.rstrip().removesuffix(job.command) + f"{runs}; {send}{command.stdin}"


def _stdin_split(command: str) -> tuple[str, str, str]:
    """The command, and behind its first % that is not escaped the text that cron writes to it."""
    for place in _percents(command):
        return command[:place], "%", command[place + 1 :]
    return command, "", ""


def _percents(command: str) -> Iterator[int]:
    for found in re.finditer(r"\\.|%", command):
        if found.group() == "%":
            yield found.start()


def _unquoted(value: str) -> str:
    text = value.strip()
    return text[1:-1] if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'" else text
