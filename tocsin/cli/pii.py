"""`tocsin pii`: personal data in texts, and the policies on it."""

import sys
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from tocsin.cli.output import EXIT_CODES, counted, write_json, write_line, write_table
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect
from tocsin.errors import InvalidInput

_MOST_BYTES: Final = 131_072
_MEASURES: Final = ("allow", "flag", "redact", "block")
_AREAS: Final = ("records", "tasks", "events", "messages")
_KINDS: Final = ("email", "phone", "card", "iban", "ip_address", "national_id")
_SUBJECT_HELP: Final = (
    'Key of a record, handler of a task, topic of events or code of a template; "order-*": all that begin so. Default: everything.'
)
_SAYS: Final = {
    "ALLOW": "Passes, and is not even looked at.",
    "FLAG": "Passes as it is; an alert is raised.",
    "REDACT": "Passes with marks; an alert is raised:",
    "BLOCK": "Is refused, or not sent; an alert is raised.",
}
PolicyArgument = Annotated[str, typer.Argument(help="Id of the policy, or its name.")]
FileArgument = Annotated[Path | None, typer.Argument(help="File with the text; standard input unless given.")]


def make_pii() -> typer.Typer:
    """The group `tocsin pii`."""
    group = typer.Typer(no_args_is_help=True, help="Find personal data, and manage the policies on it.", epilog=EXIT_CODES)
    for name, command in (
        ("scan", scan),
        ("policies", policies),
        ("set", set_policy),
        ("show", show),
        ("try", try_policy),
        ("delete", delete),
    ):
        group.command(name, epilog=EXIT_CODES)(command)
    return group


def set_policy(
    policy: PolicyArgument,
    measure: Annotated[str, typer.Option("--measure", help=f"What is done: {', '.join(_MEASURES)}.")],
    area: Annotated[str | None, typer.Option("--area", help=f"Where: {', '.join(_AREAS)}. Default: everywhere.")] = None,
    subject: Annotated[str, typer.Option("--subject", help=_SUBJECT_HELP)] = "",
    kinds: Annotated[
        list[str] | None, typer.Option("--kind", help=f"About what: {', '.join(_KINDS)}; repeatable. Default: every kind.")
    ] = None,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a policy, or replace it."""
    body: dict[str, Any] = {"measure": _one(measure, _MEASURES, option="--measure"), "subject": subject}
    if area is not None:
        body["area"] = _one(area, _AREAS, option="--area")
    if kinds:
        body["kinds"] = [_one(kind, _KINDS, option="--kind") for kind in kinds]
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.call("PUT", _path(policy), body=body)
    write_json(found) if as_json else write_line(f"{found['name']} set: {_in_words(found)}")


def show(
    policy: PolicyArgument, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None, as_json: JsonOption = False
) -> None:
    """Show a policy."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.call("GET", _path(policy))
    write_json(found) if as_json else write_line(f"{found['name']}: {_in_words(found)}")


def delete(policy: PolicyArgument, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None) -> None:
    """Remove a policy."""
    with connect(state=state, url=url, api_key=api_key) as client:
        client.call("DELETE", _path(policy))
    write_line(f"{_name(policy)} deleted")


def try_policy(
    policy: PolicyArgument,
    file: FileArgument = None,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a policy does about a text in its area. Nothing is stored, and no alert is raised."""
    text = _text(file)
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.call("GET", _path(policy))
        looked = found["measure"] != "ALLOW"
        answer: dict[str, Any] = client.scan_text(text, kinds=found.get("kinds", [])) if looked else {}
    findings: list[dict[str, Any]] = answer.get("findings", [])
    passes = found["measure"] if findings or not looked else "NOTHING_FOUND"
    shown = answer.get("redacted", "") if passes == "REDACT" else "" if passes == "BLOCK" else text
    if as_json:
        write_json({"policy": found["name"], "outcome": passes, "findings": findings, "text": shown})
        return
    write_line(_SAYS.get(passes, "Passes: nothing of what the policy is about was found."))
    if passes == "REDACT":
        write_line(shown)
    _write_findings(findings)


def scan(
    file: FileArgument = None,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what personal data a text holds: the text with marks, and where they stand. Nothing is stored."""
    text = _text(file)
    with connect(state=state, url=url, api_key=api_key) as client:
        answer = client.scan_text(text)
    if as_json:
        write_json(answer)
        return
    write_line(answer.get("redacted", ""))
    _write_findings(answer.get("findings", []))


def _write_findings(findings: list[dict[str, Any]]) -> None:
    write_line(counted(len(findings), "finding"))
    for each in findings:
        write_line(f"  {each['kind']}  characters {each.get('start', 0)} to {each['end']}")


def _text(file: Path | None) -> str:
    try:
        data = sys.stdin.buffer.read(_MOST_BYTES + 1) if file is None else file.read_bytes()
    except OSError as error:
        msg = f"cannot read {file}: {error.strerror}"
        raise InvalidInput(msg) from error
    if len(data) > _MOST_BYTES:
        msg = f"the text is larger than {_MOST_BYTES:,} bytes"
        raise InvalidInput(msg)
    return data.decode("utf-8", "replace")


def policies(
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the policies on personal data."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = list(client.list_pii_policies())
    if as_json:
        write_json({"policies": found})
    else:
        write_table(("policy", "measure", "area", "subject", "kinds"), map(_policy, found), empty="No policies.")


def _policy(policy: dict[str, Any]) -> tuple[str, str, str, str, str]:
    short = policy["name"].rpartition("/")[2]
    return (
        short,
        policy.get("measure", ""),
        policy.get("area", "every"),
        policy.get("subject", ""),
        ", ".join(policy.get("kinds", ["every"])),
    )


def _in_words(policy: dict[str, Any]) -> str:
    _, measure, area, subject, kinds = _policy(policy)
    return f"{measure} {kinds} kinds in {area} area{f' of {subject}' if subject else ''}".replace("every kinds", "every kind")


def _one(text: str, known: tuple[str, ...], *, option: str) -> str:
    """The contract's word for one of a few."""
    if text.lower() not in known:
        msg = f"must be {', '.join(known[:-1])} or {known[-1]}, not {text}"
        raise typer.BadParameter(msg, param_hint=option)
    return text.upper()


def _name(policy: str) -> str:
    return policy if policy.startswith("pii/policies/") else f"pii/policies/{policy}"


def _path(policy: str) -> str:
    return f"/v1/{quote(_name(policy))}"
