"""`tocsin identity-provider`: issuers whose word signs people in; and signing in by one."""

import sys
import webbrowser
from typing import Annotated, Any, Final
from urllib.parse import quote, urlsplit

import typer

from tocsin.cli.loopback import LoopbackListener
from tocsin.cli.output import EXIT_CODES, write_json, write_line, write_table
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect
from tocsin.client import Client, Resource
from tocsin.exit_codes import ExitCode

_WAIT_SECONDS: Final = 600.0
ProviderArgument = Annotated[str, typer.Argument(help="Id of the provider.")]
NameOption = Annotated[str | None, typer.Option("--name", help="What people call it.")]
IssuerOption = Annotated[str | None, typer.Option("--issuer", help="Issuer identifier: an https URL, exactly as the issuer writes it.")]
ClientOption = Annotated[str | None, typer.Option("--client-id", help="Client id that the issuer gave.")]
SecretOption = Annotated[bool, typer.Option("--secret", help="Ask for the client secret, or read it from standard input.")]
ScopeOption = Annotated[list[str] | None, typer.Option("--scope", help="Scope to ask for besides openid; may be repeated.")]
GroupsOption = Annotated[
    list[str] | None, typer.Option("--groups-claim", help="Member that holds the groups; repeated: from the outside in.")
]
RuleOption = Annotated[
    list[str] | None, typer.Option("--rule", help="GROUP=ROLE, as in staff=operator; may be repeated, and the first that fits counts.")
]
DefaultOption = Annotated[str | None, typer.Option("--default-role", help="Role of those whom no rule fits; empty: they are refused.")]
DomainOption = Annotated[list[str] | None, typer.Option("--domain", help="Domain whose verified addresses count; may be repeated.")]
CreateOption = Annotated[bool | None, typer.Option("--create-users/--no-create-users", help="Whether new people get a user.")]
LinkOption = Annotated[
    bool | None, typer.Option("--link-by-email/--no-link-by-email", help="Whether a user with the same address is linked.")
]
ListedOption = Annotated[bool | None, typer.Option("--listed/--unlisted", help="Whether the sign-in page shows it.")]
SignOutOption = Annotated[
    bool | None,
    typer.Option(
        "--sign-out-at-issuer/--stay-at-issuer", help="Whether a browser that signs out here goes on to the issuer to sign out there."
    ),
]


def make_identity_provider() -> typer.Typer:
    """The group `tocsin identity-provider`."""
    group = typer.Typer(no_args_is_help=True, help="Let people sign in by an OpenID Connect issuer.", epilog=EXIT_CODES)
    for name, command in (
        ("list", show_all),
        ("add", add),
        ("show", show),
        ("update", update),
        ("delete", delete),
        ("test", try_out),
        ("identities", identities),
        ("link", link),
        ("unlink", unlink),
    ):
        group.command(name, epilog=EXIT_CODES)(command)
    return group


def show_all(state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None, as_json: JsonOption = False) -> None:
    """List the providers."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = list(client.pages("/v1/identityProviders", "identityProviders", {}))
    if as_json:
        write_json({"identityProviders": found})
    else:
        write_table(("provider", "name", "issuer", "circuit"), map(_row, found), empty="No identity providers.")


def add(
    provider: ProviderArgument,
    issuer: Annotated[str, typer.Option("--issuer", help="Issuer identifier: an https URL, exactly as the issuer writes it.")],
    client_id: Annotated[str, typer.Option("--client-id", help="Client id that the issuer gave.")],
    name: NameOption = None,
    secret: SecretOption = False,
    scope: ScopeOption = None,
    groups_claim: GroupsOption = None,
    rule: RuleOption = None,
    default_role: DefaultOption = None,
    domain: DomainOption = None,
    create_users: CreateOption = None,
    link_by_email: LinkOption = None,
    listed: ListedOption = None,
    sign_out_at_issuer: SignOutOption = None,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a provider, and show the redirect URI to register at the issuer."""
    fields = _fields(
        name,
        issuer,
        client_id,
        secret,
        scope,
        groups_claim,
        rule,
        default_role,
        domain,
        create_users,
        link_by_email,
        listed,
        sign_out_at_issuer,
        None,
    )
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.call("POST", "/v1/identityProviders", body=fields, params={"identityProviderId": provider})
    write_json(found) if as_json else _write(found)


def show(
    provider: ProviderArgument, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None, as_json: JsonOption = False
) -> None:
    """Show a provider; its secret stays hidden."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.call("GET", _path(provider))
    write_json(found) if as_json else _write(found)


def update(
    provider: ProviderArgument,
    name: NameOption = None,
    issuer: IssuerOption = None,
    client_id: ClientOption = None,
    secret: SecretOption = False,
    scope: ScopeOption = None,
    groups_claim: GroupsOption = None,
    rule: RuleOption = None,
    default_role: DefaultOption = None,
    domain: DomainOption = None,
    create_users: CreateOption = None,
    link_by_email: LinkOption = None,
    listed: ListedOption = None,
    sign_out_at_issuer: SignOutOption = None,
    enabled: Annotated[bool | None, typer.Option("--enable/--disable", help="Whether it signs people in.")] = None,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change a provider; what is not given stays. A list that is given replaces the one that was there."""
    fields = _fields(
        name,
        issuer,
        client_id,
        secret,
        scope,
        groups_claim,
        rule,
        default_role,
        domain,
        create_users,
        link_by_email,
        listed,
        sign_out_at_issuer,
        enabled,
    )
    if not fields:
        msg = "give something to change"
        raise typer.BadParameter(msg)
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.call("PATCH", _path(provider), body=fields, params={"updateMask": ",".join(fields)})
    write_json(found) if as_json else _write(found)


def delete(provider: ProviderArgument, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None) -> None:
    """Delete a provider; the sessions that it began end."""
    with connect(state=state, url=url, api_key=api_key) as client:
        client.call("DELETE", _path(provider))
    write_line(f"{provider} is deleted")


def try_out(
    provider: ProviderArgument, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None, as_json: JsonOption = False
) -> None:
    """Ask the issuer what it says of itself. Exit code 1 unless people can sign in by it."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.call("POST", f"{_path(provider)}:test", body={})
    if as_json:
        write_json(found)
    else:
        write_line("usable" if found.get("usable") else "not usable")
        for finding in found.get("findings", ()):
            write_line(f"- {finding}")
    if not found.get("usable"):
        raise typer.Exit(ExitCode.FAILED)


def identities(
    user: Annotated[str, typer.Argument(help="Id of a user of the tenant.")],
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List by what a user signs in."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.call("GET", f"{_user(user)}/identities").get("identities", [])
    if as_json:
        write_json({"identities": found})
    else:
        rows = ((each["name"].rpartition("/")[2], each["issuer"], each["subject"], each.get("lastSignInTime", "")) for each in found)
        write_table(("identity", "issuer", "subject", "last used"), rows, empty="No identities.")


def link(
    user: Annotated[str, typer.Argument(help="Id of a user of the tenant.")],
    issuer: Annotated[str, typer.Argument(help="Issuer of one of the providers.")],
    subject: Annotated[str, typer.Argument(help='What the issuer calls the user: its claim "sub".')],
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Link a user to what an issuer calls them."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.call("POST", f"{_user(user)}/identities", body={"issuer": issuer, "subject": subject})
    write_line(found["name"])


def unlink(
    user: Annotated[str, typer.Argument(help="Id of a user of the tenant.")],
    identity: Annotated[str, typer.Argument(help="Id of the identity, as it is listed.")],
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """End a link, and the sessions that it began."""
    with connect(state=state, url=url, api_key=api_key) as client:
        client.call("DELETE", f"{_user(user)}/identities/{quote(identity)}")
    write_line(f"{identity} is deleted")


def sign_in(client: Client, provider: str, *, port: int, browser: bool) -> Resource:
    """Signs in by a browser, which comes back to a port of this machine; gives the pair of tokens."""
    with LoopbackListener(port=port) as listener:
        begun = client.call("POST", "/v1/auth:beginOidc", body={"provider": provider, "loopbackOrigin": listener.origin})
        where = begun["authorizationUrl"]
        if not (browser and webbrowser.open(where)):
            typer.echo(f"Open this page in a browser of this machine:\n{where}", err=True)
        found = listener.wait(path=urlsplit(str(begun["redirectUri"])).path, state=begun["state"], seconds=_WAIT_SECONDS)
    body: Resource = {"state": begun["state"], "binding": begun["binding"]}
    body |= {ours: found[theirs] for ours, theirs in (("code", "code"), ("issuer", "iss"), ("error", "error")) if theirs in found}
    return client.call("POST", "/v1/auth:completeOidc", body=body)["tokens"]


def _fields(
    name: str | None,
    issuer: str | None,
    client_id: str | None,
    secret: bool,
    scopes: list[str] | None,
    groups_claim: list[str] | None,
    rules: list[str] | None,
    default_role: str | None,
    domains: list[str] | None,
    create_users: bool | None,
    link_by_email: bool | None,
    listed: bool | None,
    sign_out_at_issuer: bool | None,
    enabled: bool | None,
) -> Resource:
    """The fields that were given, as the contract names them."""
    given: dict[str, Any] = {
        "displayName": name,
        "issuer": issuer,
        "clientId": client_id,
        "clientSecret": _secret() if secret else None,
        "scopes": scopes or None,
        "groupsClaim": groups_claim or None,
        "roleRules": [_rule(each) for each in rules] if rules else None,
        "defaultRole": default_role and _role(default_role),
        "allowedDomains": domains or None,
        "createUsers": create_users,
        "linkByEmail": link_by_email,
        "listed": listed,
        "signOutAtIssuer": sign_out_at_issuer,
        "disabled": None if enabled is None else not enabled,
    }
    return {field: value for field, value in given.items() if value is not None}


def _rule(text: str) -> Resource:
    group, separator, role = text.rpartition("=")
    if not (separator and group and role):
        msg = f"{text!r} is no rule such as staff=operator"
        raise typer.BadParameter(msg)
    return {"group": group, "role": _role(role)}


def _role(text: str) -> str:
    return text if "/" in text else f"roles/{text}"


def _secret() -> str:
    return str(typer.prompt("Client secret", hide_input=True)) if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")


def _path(provider: str) -> str:
    return f"/v1/identityProviders/{quote(provider.removeprefix('identityProviders/'))}"


def _user(user: str) -> str:
    return f"/v1/users/{quote(user.removeprefix('users/'))}"


def _row(provider: Resource) -> tuple[str, str, str, str]:
    circuit = "DISABLED" if provider.get("disabled") else provider.get("circuit", "")
    return provider["name"].rpartition("/")[2], provider.get("displayName", ""), provider["issuer"], circuit


def _write(provider: Resource) -> None:
    write_line("  ".join(part for part in _row(provider) if part))
    write_line(f"  redirect URI: {provider.get('redirectUri') or 'set TOCSIN_PUBLIC_URL'}")
    write_line(f"  back-channel logout URI: {provider.get('backChannelLogoutUri') or 'set TOCSIN_PUBLIC_URL'}")
    for rule in provider.get("roleRules", ()):
        write_line(f"  {rule['group']}: {rule['role']}")
    write_line(f"  everybody else: {provider.get('defaultRole') or 'refused'}")
