"""`tocsin mesh policy`: timeouts, retries, breakers and balancing as they are in force, and orders that change them for a time."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer

from tocsin.cli.output import EXIT_CODES, write_json, write_line
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect
from tocsin.cli.words import duration, proto_duration

_METHOD = "Full path of the method, /package.Service/Method; /package.Service/ for a whole service; all for every method."

MethodArgument = Annotated[str, typer.Argument(help=_METHOD)]
CallerOption = Annotated[str, typer.Option("--caller", help="Calls of this service alone, such as gateway.")]


def make_policy() -> typer.Typer:
    """The words behind `tocsin mesh policy`."""
    policy = typer.Typer(help="See and change policies of the mesh while it runs.", epilog=EXIT_CODES, no_args_is_help=True)
    for name, command in (("get", show), ("diff", diff), ("set", give), ("reset", take_back)):
        policy.command(name, epilog=EXIT_CODES)(command)
    return policy


def show(
    method: Annotated[str, typer.Argument(help="Full path of the method, /package.Service/Method.")],
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show each value of a method's policy in each process, and where it comes from: default, service, method, file or order."""
    with connect(state=state, url=url, api_key=api_key) as client:
        _print(client.call("GET", "/v1/mesh/policy", params={"method": method}), as_json=as_json)


def diff(
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what differs from the contract: values from a file or an order, orders and their ends, files that cannot be used."""
    with connect(state=state, url=url, api_key=api_key) as client:
        _print(client.call("GET", "/v1/mesh/policy"), as_json=as_json)


def give(
    method: MethodArgument,
    values: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE: retry.maxAttempts=2, breaker.open=10s, balance=BALANCE_ROUND_ROBIN.")
    ] = None,
    timeout: Annotated[str | None, typer.Option("--timeout", help="Longest time of one call: 500ms, 2s.")] = None,
    ttl: Annotated[str, typer.Option("--for", help="How long the order holds: 10m, 2h; a week at most.")] = "1h",
    caller: CallerOption = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change a policy in every process, for a time. An order about the same method and caller is replaced."""
    policy = _policy(values or ())
    if timeout is not None:
        policy["timeout"] = proto_duration(duration(timeout, option="--timeout"))
    if not policy:
        msg = "give --timeout or --set"
        raise typer.BadParameter(msg)
    rule = {"method": _path(method), "caller": caller, "policy": policy}
    body = {"rule": rule, "ttl": proto_duration(duration(ttl, option="--for")), "dryRun": dry_run}
    with connect(state=state, url=url, api_key=api_key) as client:
        report(client.call("POST", "/v1/mesh/policy:set", body=body), as_json=as_json)


def take_back(
    method: Annotated[str, typer.Argument(help=_METHOD + " Default: every order.")] = "",
    caller: CallerOption = "",
    name: Annotated[str, typer.Option("--name", help="Name of a rule of access, a rate, a split or a mirror.")] = "",
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take orders about policies back in every process."""
    body = {"method": _path(method), "caller": caller, "name": name}
    with connect(state=state, url=url, api_key=api_key) as client:
        report(client.call("POST", "/v1/mesh/policy:reset", body=body), as_json=as_json)


def _path(method: str) -> str:
    return "" if method == "all" else method


def _policy(values: Sequence[str]) -> dict[str, Any]:
    """``retry.maxAttempts=2`` as the message has it."""
    found: dict[str, Any] = {}
    for text in values:
        name, separator, value = text.partition("=")
        if not (name and separator and value):
            msg = f"{text!r} is not NAME=VALUE"
            raise typer.BadParameter(msg, param_hint="--set")
        *outer, last = name.split(".")
        inner = found
        for part in outer:
            inner = inner.setdefault(part, {})
        inner[last] = {"true": True, "false": False}.get(value, value)
    return found


def _print(found: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        write_json(found)
    else:
        for process in found.get("processes", ()):
            for line in _lines(process):
                write_line(line)
    if any(process.get("missed") for process in found.get("processes", ())):
        raise typer.Exit(1)


def _lines(process: Mapping[str, Any]) -> Iterator[str]:
    where = f"{process['service']} at {process['address']}"
    if process.get("missed"):
        yield f"{where}: NOT REACHED: {process['missed']}"
        return
    policy = process.get("policy", {})
    file = f", rules of {policy['file']}" if policy.get("file") else ""
    yield f"{where}{file}{'' if any(map(policy.get, ('methods', 'orders', 'named'))) else ': as the contract says'}"
    if policy.get("problem"):
        yield f"  FILE REFUSED, what it said before stays in force: {policy['problem']}"
    for view in policy.get("methods", ()):
        yield f"  {view['method']}"
        for value in view.get("values", ()):
            declared = f", contract {value['declared']}" if value["declared"] != value["value"] else ""
            yield f"    {value['name']:<30} {value['value']:<16} ({value['source']}{declared})"
    if policy.get("closed"):
        yield "  CALLS ARE REFUSED: it is not known who may call, for the file could not be read since the start"
    for one in policy.get("named", ()):
        yield f"  {_named(one)} ({one['source']}, about {one['methods']} methods)"
    for order in policy.get("orders", ()):
        if (rule := order.get("rule")) is None:
            yield f"  order {_named(order)} until {order['expireTime']}"
            continue
        caller = f" of {rule['caller']}" if rule.get("caller") else ""
        yield f"  order about {rule.get('method') or 'all methods'}{caller} until {order['expireTime']}"


def _named(one: Mapping[str, Any]) -> str:
    if (rate := one.get("rate")) is not None:
        owner = rate.get("owner", "whoever calls").lower()
        return f"LIMIT {rate['name']} {rate['calls']} calls in {rate.get('window', '1s')} of {owner}"
    if (split := one.get("split")) is not None:
        shares = (f"{each['version']}={each.get('percent', 0):g}%" for each in split["versions"])
        return f"SPLIT {split['name']} {', '.join(shares)}"
    if (mirror := one.get("mirror")) is not None:
        return f"MIRROR {mirror['name']} {mirror['percent']:g}% to {mirror['version']}"
    rule = one["access"]
    tried = ", tried only" if rule.get("dryRun") else ""
    return f"{rule['action']} {rule['name']}{tried}"


def report(found: Mapping[str, Any], *, as_json: bool) -> None:
    """Shows what became of an order, and ends with 1 when a process did not get it."""
    if as_json:
        write_json(found)
    else:
        for taken in found.get("taken", ()):
            write_line(f"{taken['service']} at {taken['address']}: {len(taken.get('changed', ())) or 'nothing'} changed")
            for line in taken.get("changed", ()):
                write_line(f"  {line or 'all methods'}")
        for missed in found.get("missed", ()):
            write_line(f"{missed['service']} at {missed['address']}: NOT REACHED: {missed.get('reason', '')}")
    if found.get("missed"):
        raise typer.Exit(1)
