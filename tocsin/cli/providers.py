"""`tocsin provider`: the far ends that messages leave by."""

from typing import Annotated, Any, Final

import typer

from tocsin.cli.output import EXIT_CODES, write_json, write_line, write_table
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect
from tocsin.cli.words import json_object
from tocsin.exit_codes import ExitCode

_CONFIG_HELP: Final = 'Configuration of the kind as a JSON object; see "tocsin provider kinds". A secret that is left out stays as it is.'
ProviderArgument = Annotated[str, typer.Argument(help="Name of the provider, or its id.")]


def make_provider() -> typer.Typer:
    """The commands of `tocsin provider`."""
    group = typer.Typer(no_args_is_help=True, help="Configure and test the providers of this tenant.", epilog=EXIT_CODES)
    for name, command in (
        ("list", show_all),
        ("kinds", kinds),
        ("add", add),
        ("show", show),
        ("update", update),
        ("delete", delete),
        ("test", try_out),
    ):
        group.command(name, epilog=EXIT_CODES)(command)
    return group


def show_all(state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None, as_json: JsonOption = False) -> None:
    """List the lanes: the providers of each channel in the order in which they are asked."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = list(client.pages("/v1/providers", "providers", {}))
    if as_json:
        write_json({"providers": found})
    else:
        write_table(("channel", "provider", "kind", "source", "circuit", "fault"), map(_row, found), empty="No providers.")


def kinds(
    kind: Annotated[str | None, typer.Argument(help="Show the configuration of this kind.")] = None,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the kinds of providers, or the configuration of one."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.call("GET", "/v1/providerKinds").get("kinds", [])
    chosen = [one for one in found if kind in (None, one["kind"])]
    if kind is not None and not chosen:
        msg = f"there is no kind {kind!r}; known are {', '.join(one['kind'] for one in found)}"
        raise typer.BadParameter(msg)
    if as_json:
        write_json({"kinds": chosen})
    elif kind is None:
        write_table(
            ("kind", "channel", "secrets"), ((one["kind"], one["channel"], ", ".join(one.get("secrets", []))) for one in chosen), empty=""
        )
    else:
        write_table(("setting", "required", "meaning"), _settings(chosen[0]), empty="Nothing can be set.")


def add(
    kind: Annotated[str, typer.Argument(help='Kind, such as "fcm"; see "tocsin provider kinds".')],
    config: Annotated[str, typer.Option("--config", help=_CONFIG_HELP)] = "{}",
    name: Annotated[str, typer.Option("--name", help="What people call it.")] = "",
    position: Annotated[int, typer.Option("--position", min=0, help="Place in the lane of its channel, from 1; 0: the last.")] = 0,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a provider."""
    body = {"kind": kind, "displayName": name, "position": position, "config": json_object(config, option="--config")}
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.call("POST", "/v1/providers", body=body)
    write_json(found) if as_json else write_line(f"{found['name']} sends for {found['channel']}, at place {found.get('position', 0)}")


def show(
    provider: ProviderArgument, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None, as_json: JsonOption = False
) -> None:
    """Show a provider; its secrets stay hidden."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.call("GET", f"/v1/{_name(provider)}")
    if as_json:
        write_json(found)
        return
    write_line("  ".join(part for part in _row(found) if part))
    for key, value in found.get("config", {}).items():
        write_line(f"  {key}: {value}")
    if found.get("callbackPath"):
        write_line(f"  callbacks: {found['callbackPath']}")


def update(
    provider: ProviderArgument,
    config: Annotated[str | None, typer.Option("--config", help=_CONFIG_HELP)] = None,
    name: Annotated[str | None, typer.Option("--name", help="What people call it.")] = None,
    position: Annotated[
        int | None, typer.Option("--position", min=0, help="Place in the lane of its channel, from 1; 0: the last.")
    ] = None,
    enabled: Annotated[bool | None, typer.Option("--enable/--disable", help="Whether it is used.")] = None,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change a provider."""
    changes: dict[str, Any] = {}
    if config is not None:
        changes["config"] = json_object(config, option="--config")
    if name is not None:
        changes["displayName"] = name
    if position is not None:
        changes["position"] = position
    if enabled is not None:
        changes["disabled"] = not enabled
    if not changes:
        msg = "give --config, --name, --position, --enable or --disable"
        raise typer.BadParameter(msg)
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.call("PATCH", f"/v1/{_name(provider)}", body=changes, params={"updateMask": ",".join(changes)})
    write_json(found) if as_json else write_line(f"{found['name']} is changed")


def delete(provider: ProviderArgument, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None) -> None:
    """Delete a provider; what waits goes by the next one of its lane."""
    with connect(state=state, url=url, api_key=api_key) as client:
        client.call("DELETE", f"/v1/{_name(provider)}")
    write_line(f"{_name(provider)} is deleted")


def try_out(
    provider: ProviderArgument,
    to: Annotated[str, typer.Argument(help="Address that its channel takes.")],
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send a test message by this provider alone. Exit code 1 unless the provider took it."""
    with connect(state=state, url=url, api_key=api_key) as client:
        found = client.call("POST", f"/v1/{_name(provider)}:test", body={"to": to})
    sent = bool(found.get("sent"))
    code = f" ({found['code']})" if found.get("code") else ""
    write_json(found) if as_json else write_line(f"{found.get('outcome', '')}{code}: {found.get('detail') or 'the provider took it'}")
    if not sent:
        raise typer.Exit(ExitCode.FAILED)


def _name(provider: str) -> str:
    return provider if "/" in provider else f"providers/{provider}"


def _row(provider: dict[str, Any]) -> tuple[str, str, str, str, str, str]:
    circuit = "DISABLED" if provider.get("disabled") else provider.get("circuit", "")
    return (
        provider.get("channel", ""),
        provider["name"].rpartition("/")[2],
        provider.get("kind", ""),
        provider.get("source", ""),
        circuit,
        provider.get("fault", ""),
    )


def _settings(kind: dict[str, Any]) -> list[tuple[str, str, str]]:
    schema = kind.get("configSchema", {})
    required = set(schema.get("required", []))
    return [
        (name, "yes" if name in required else "", str(about.get("description", ""))) for name, about in schema.get("properties", {}).items()
    ]
