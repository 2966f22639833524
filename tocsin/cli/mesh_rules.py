"""`tocsin mesh policy deny`, `allow`, `limit`, `split` and `mirror`: who may call what, how often, which version; orders that end."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import typer

from tocsin.cli.mesh_policy import report
from tocsin.cli.output import EXIT_CODES
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect
from tocsin.cli.words import duration, proto_duration

_CONDITIONS: Final = ("principals", "tenants", "subjects", "scopes")
_OWNERS: Final = {"anybody": "OWNER_UNSPECIFIED", "everybody": "EVERYBODY", "tenant": "TENANT", "caller": "CALLER"}
_METHODS: Final = "Paths /package.Service/Method, services /package.Service/, or patterns such as '*/Create*'; '*' for every method."
_WHEN: Final = (
    "NAME=PATTERN, where NAME is principals, tenants, subjects, scopes or claims.NAME, or not_ before one of them. Values of one name are "
    "alternatives, different names must all hold."
)

NameArgument = Annotated[str, typer.Argument(help="Name of the rule; it stands in the place of a rule of that name.")]
MethodsArgument = Annotated[list[str], typer.Argument(help=_METHODS)]
WhenOption = Annotated[list[str] | None, typer.Option("--if", help=_WHEN)]
ButOption = Annotated[list[str] | None, typer.Option("--but", help="Methods that it is not about.")]
TryOption = Annotated[bool, typer.Option("--try", help="Refuse nothing: log and count what would be refused.")]
ForOption = Annotated[str, typer.Option("--for", help="How long the order holds: 10m, 2h; a week at most.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")]


def add_rules(policy: typer.Typer) -> None:
    """Adds the words to `tocsin mesh policy`."""
    for name, command in (("deny", deny), ("allow", allow), ("limit", limit), ("split", split), ("mirror", mirror)):
        policy.command(name, epilog=EXIT_CODES)(command)


def deny(
    name: NameArgument,
    methods: MethodsArgument,
    when: WhenOption = None,
    but: ButOption = None,
    tried: TryOption = False,
    ttl: ForOption = "1h",
    dry_run: DryRunOption = False,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Refuse calls that match, in every process, for a time; methods of MeshService and MeshAdminService are never refused."""
    rule = access_rule(name, methods, action="DENY", when=when or (), but=but or (), tried=tried)
    with connect(state=state, url=url, api_key=api_key) as client:
        report(client.call("POST", "/v1/mesh/policy:set", body=_order({"access": rule}, ttl, dry_run)), as_json=as_json)


def allow(
    name: NameArgument,
    methods: MethodsArgument,
    when: WhenOption = None,
    but: ButOption = None,
    tried: TryOption = False,
    ttl: ForOption = "1h",
    dry_run: DryRunOption = False,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Refuse calls to these methods that no allow rule matches, in every process, for a time. Opens nothing that the contract closes."""
    rule = access_rule(name, methods, action="ALLOW", when=when or (), but=but or (), tried=tried)
    with connect(state=state, url=url, api_key=api_key) as client:
        report(client.call("POST", "/v1/mesh/policy:set", body=_order({"access": rule}, ttl, dry_run)), as_json=as_json)


def limit(
    name: NameArgument,
    methods: MethodsArgument,
    calls: Annotated[int, typer.Option("--calls", min=1, help="Calls in a window.")],
    window: Annotated[str, typer.Option("--in", help="Length of the window, whole seconds: 1s, 10m.")] = "1s",
    of: Annotated[str, typer.Option("--of", help="Whose calls count together: anybody, everybody, tenant or caller.")] = "anybody",
    when: Annotated[list[str] | None, typer.Option("--if", help="principals=PATTERN or tenants=PATTERN.")] = None,
    rate_class: Annotated[str, typer.Option("--class", help="Only methods of this rate class.")] = "",
    ttl: ForOption = "1h",
    dry_run: DryRunOption = False,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bound the calls to methods in a time, in every process by itself, for a time. Their calls count together."""
    if of not in _OWNERS:
        raise typer.BadParameter(f"{of!r} is none of {', '.join(_OWNERS)}", param_hint="--of")
    rule: dict[str, Any] = {"name": name, "methods": methods, "calls": calls, "owner": _OWNERS[of], "rateClass": rate_class}
    rule["window"] = proto_duration(duration(window, option="--in"))
    for text in when or ():
        word, _, value = text.partition("=")
        if word not in ("principals", "tenants") or not value:
            raise typer.BadParameter(f"{text!r} is neither principals=PATTERN nor tenants=PATTERN", param_hint="--if")
        rule.setdefault(word, []).append(value)
    with connect(state=state, url=url, api_key=api_key) as client:
        report(client.call("POST", "/v1/mesh/policy:set", body=_order({"rate": rule}, ttl, dry_run)), as_json=as_json)


def split(
    name: NameArgument,
    methods: MethodsArgument,
    to: Annotated[list[str], typer.Option("--to", help="VERSION=PERCENT, as targets name versions: 2=5. The rest goes to other versions.")],
    but: ButOption = None,
    ttl: ForOption = "1h",
    dry_run: DryRunOption = False,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send a share of the calls to methods to a version of their service, from every process, for a time; with 0, not one."""
    rule = {"name": name, "methods": methods, "notMethods": but or [], "versions": [version_share(text) for text in to]}
    with connect(state=state, url=url, api_key=api_key) as client:
        report(client.call("POST", "/v1/mesh/policy:set", body=_order({"split": rule}, ttl, dry_run)), as_json=as_json)


def mirror(
    name: NameArgument,
    methods: MethodsArgument,
    to: Annotated[str, typer.Option("--to", help="The version that gets copies, as targets name it.")],
    percent: Annotated[float, typer.Option("--percent", help="Share of the calls that are copied, more than 0.", max=100)],
    at_most: Annotated[int, typer.Option("--at-most", min=1, max=1000, help="Copies of one method that each process has under way.")] = 16,
    but: ButOption = None,
    ttl: ForOption = "1h",
    dry_run: DryRunOption = False,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy a share of the calls to methods without side effects to a version, and throw the answers away, for a time."""
    if not 0 < percent <= 100:
        raise typer.BadParameter(f"{percent:g} is not more than 0 and at most 100", param_hint="--percent")
    rule = {"name": name, "methods": methods, "notMethods": but or [], "version": to, "percent": percent, "maxInFlight": at_most}
    with connect(state=state, url=url, api_key=api_key) as client:
        report(client.call("POST", "/v1/mesh/policy:set", body=_order({"mirror": rule}, ttl, dry_run)), as_json=as_json)


def version_share(text: str) -> Mapping[str, Any]:
    """``2=5`` as the message has it.

    Raises:
        BadParameter: it is none.
    """
    version, separator, percent = text.partition("=")
    try:
        share = float(percent)
    except ValueError:
        share = -1.0
    if not (version and separator) or not 0 <= share <= 100:
        raise typer.BadParameter(f"{text!r} is not VERSION=PERCENT with 0 to 100 percent, such as 2=5", param_hint="--to")
    return {"version": version, "percent": share}


def access_rule(
    name: str, methods: Sequence[str], *, action: str, when: Sequence[str], but: Sequence[str], tried: bool
) -> Mapping[str, Any]:
    """A rule as the message has it.

    Raises:
        BadParameter: a condition is none.
    """
    rule: dict[str, Any] = {"name": name, "action": action, "methods": list(methods), "notMethods": list(but), "dryRun": tried}
    claims: dict[str, dict[str, Any]] = {}
    for text in when:
        word, separator, value = text.partition("=")
        plain = word.removeprefix("not_")
        negated = plain != word
        if not (separator and value) or not (plain in _CONDITIONS or (plain.startswith("claims.") and plain != "claims.")):
            raise typer.BadParameter(f"{text!r} is not NAME=PATTERN with one of {', '.join(_CONDITIONS)}, claims.NAME", param_hint="--if")
        if plain in _CONDITIONS:
            rule.setdefault(f"not{plain.capitalize()}" if negated else plain, []).append(value)
        else:
            claim = plain.removeprefix("claims.")
            claims.setdefault(claim, {"claim": claim}).setdefault("notValues" if negated else "values", []).append(value)
    return {**rule, "claims": list(claims.values())}


def _order(rule: Mapping[str, Any], ttl: str, dry_run: bool) -> Mapping[str, Any]:
    return {**rule, "ttl": proto_duration(duration(ttl, option="--for")), "dryRun": dry_run}
