"""`tocsin template`: list, show, put, promote, render, test, delete, and keep templates as files."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from tocsin.cli.output import EXIT_CODES, counted, warn, write_json, write_line, write_table
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect
from tocsin.cli.words import json_object, variables_of
from tocsin.client import Client
from tocsin.errors import NotFound
from tocsin.template_files import FILE, read_template, write_template

CodeArgument = Annotated[str, typer.Argument(help="Code of the template, such as greeting.")]
VersionOption = Annotated[int, typer.Option("--version", min=0, help="Version. Default: the promoted one.")]
VariableOption = Annotated[list[str] | None, typer.Option("--var", help="Variable of the template, name=value; repeatable.")]
ChannelOption = Annotated[str, typer.Option("--channel", help="Channel of the message.")]
LocaleOption = Annotated[str, typer.Option("--locale", help="Language of the reader, such as de or de-CH.")]
RecipientOption = Annotated[str, typer.Option("--recipient", help="Recipient as the template sees it, a JSON object.")]
ContextOption = Annotated[str, typer.Option("--context", help="What a firing would bring, a JSON object such as '{\"event\": {}}'.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Do it although alarms use the template otherwise.")]
LaterOption = Annotated[bool, typer.Option("--later", help="Keep the version for `tocsin template promote`.")]
_OUTPUT: Final = ("name", "version", "variables", "requiredVariables", "createTime", "promoted", "warnings", "builtIn")


def make_templates() -> typer.Typer:
    """The group of commands."""
    group = typer.Typer(no_args_is_help=True, help="Keep, try out and promote templates.", epilog=EXIT_CODES)
    for name, command in (
        ("list", show_all),
        ("get", show),
        ("put", put),
        ("promote", promote),
        ("render", render),
        ("test", send_test),
        ("delete", delete),
        ("export", export_files),
        ("import", import_files),
    ):
        group.command(name, epilog=EXIT_CODES)(command)
    return group


def show_all(
    built_in: Annotated[bool, typer.Option("--built-in", help="Also those that ship with Tocsin.")] = False,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List templates."""
    with connect(state=state, url=url, api_key=api_key) as client:
        templates = list(client.pages("/v1/templates", "templates", {"showBuiltIn": "true"} if built_in else {}))
    if as_json:
        write_json({"templates": templates})
        return
    rows = [(each["name"], str(each.get("version", "")), each.get("subject", ""), ", ".join(_places(each))) for each in templates]
    write_table(("template", "version", "subject", "parts"), rows, empty="No templates.")


def show(
    code: CodeArgument,
    version: VersionOption = 0,
    versions: Annotated[bool, typer.Option("--versions", help="List the versions instead.")] = False,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Show a template, or its versions, as JSON."""
    with connect(state=state, url=url, api_key=api_key) as client:
        if versions:
            write_json({"templates": list(client.pages(f"{_path(code)}/versions", "templates", {}))})
        else:
            write_json(client.call("GET", _path(code), params={"version": version}))


def put(
    path: Annotated[Path, typer.Argument(help="Folder of a template, or a JSON file.")],
    code: Annotated[str, typer.Option("--code", help="Code of the template. Default: the name of the folder or file.")] = "",
    later: LaterOption = False,
    force: ForceOption = False,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a template, or add a version to it, from a folder or a JSON file."""
    template = read_template(path) if path.is_dir() else json_object(path.read_text(encoding="utf-8"), option=str(path))
    with connect(state=state, url=url, api_key=api_key) as client:
        made = _put(client, code or path.stem if path.is_file() else code or path.resolve().name, template, later=later, force=force)
    _tell(made, as_json=as_json)


def promote(
    code: CodeArgument,
    version: Annotated[int, typer.Argument(min=1, help="The version that messages are made of from now on.")],
    force: ForceOption = False,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Make messages of another version from now on."""
    with connect(state=state, url=url, api_key=api_key) as client:
        client.call("POST", f"{_path(code)}:promote", body={"version": version, "force": force})
    write_line(f"templates/{code} version {version} is promoted")


def render(
    code: CodeArgument,
    version: VersionOption = 0,
    variable: VariableOption = None,
    channel: ChannelOption = "",
    locale: LocaleOption = "",
    recipient: RecipientOption = "",
    context: ContextOption = "",
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a template says, and send nothing."""
    body = _trial(version, variable, channel, locale, recipient, context)
    with connect(state=state, url=url, api_key=api_key) as client:
        said = client.call("POST", f"{_path(code)}:render", body=body)
    if as_json:
        write_json(said)
    else:
        write_line(f"{said.get('subject', '')}\n\n{said.get('text') or said.get('html', '')}")


def send_test(
    code: CodeArgument,
    to: Annotated[str, typer.Option("--to", help="Address, as the channel takes it.")],
    version: VersionOption = 0,
    variable: VariableOption = None,
    channel: ChannelOption = "",
    locale: LocaleOption = "",
    recipient: RecipientOption = "",
    context: ContextOption = "",
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Send what a template says to one address."""
    body = {**_trial(version, variable, channel, locale, recipient, context), "to": to}
    with connect(state=state, url=url, api_key=api_key) as client:
        write_line(client.call("POST", f"{_path(code)}:sendTest", body=body)["delivery"])


def delete(
    code: CodeArgument, force: ForceOption = False, state: StateOption = STATE, url: UrlOption = None, api_key: KeyOption = None
) -> None:
    """Remove a template with all its versions."""
    with connect(state=state, url=url, api_key=api_key) as client:
        client.call("DELETE", _path(code), params={"force": "true"} if force else None)
    write_line(f"templates/{code} deleted")


def export_files(
    folder: Annotated[Path, typer.Argument(help="Folder that gets a folder for each template.")],
    built_in: Annotated[bool, typer.Option("--built-in", help="Also those that ship with Tocsin.")] = False,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Write the promoted versions of all templates as files."""
    count = 0
    with connect(state=state, url=url, api_key=api_key) as client:
        for template in client.pages("/v1/templates", "templates", {"showBuiltIn": "true"} if built_in else {}):
            write_template(folder / template["name"].removeprefix("templates/"), template)
            count += 1
    write_line(f"{counted(count, 'template')} written to {folder}")


def import_files(
    folder: Annotated[Path, typer.Argument(help="Folder that holds a folder for each template.")],
    later: LaterOption = False,
    force: ForceOption = False,
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Create each template of a folder, or add a version where it has changed."""
    with connect(state=state, url=url, api_key=api_key) as client:
        for path in sorted(path.parent for path in folder.glob(f"*/{FILE}")):
            template, name = read_template(path), path.name
            current = _current(client, name)
            if current is not None and _written(current) == _written(template):
                write_line(f"templates/{name} is unchanged")
            else:
                _tell(_put(client, name, template, later=later, force=force), as_json=False)


def _path(code: str) -> str:
    return f"/v1/templates/{code.removeprefix('templates/')}"


def _current(client: Client, code: str) -> dict[str, Any] | None:
    """The template that the tenant has made."""
    try:
        found = client.call("GET", _path(code))
    except NotFound:
        return None
    return None if found.get("builtIn") else found


def _written(template: dict[str, Any]) -> dict[str, Any]:
    """What an author writes of a template."""
    return {name: value for name, value in template.items() if name not in _OUTPUT and value}


def _put(client: Client, code: str, template: dict[str, Any], *, later: bool, force: bool) -> dict[str, Any]:
    body = _written(template)
    if _current(client, code) is None:
        return client.call("POST", "/v1/templates", body={**body, "name": f"templates/{code.removeprefix('templates/')}"})
    params = {"promote": "false" if later else "true", "force": "true" if force else "false"}
    return client.call("PUT", _path(code), body=body, params=params)


def _tell(made: dict[str, Any], *, as_json: bool) -> None:
    for warning in made.get("warnings", ()):
        warn(warning.get("field", ""), warning.get("reason", ""))
    if as_json:
        write_json(made)
    else:
        write_line(f"{made['name']} version {made['version']}{' is promoted' if made.get('promoted') else ' is kept for later'}")


def _places(template: dict[str, Any]) -> Iterable[str]:
    for part in template.get("parts", ()):
        yield "/".join(word for word in (part.get("channel", ""), part.get("locale", "")) if word)


def _trial(version: int, variables: list[str] | None, channel: str, locale: str, recipient: str, context: str) -> dict[str, Any]:
    body: dict[str, Any] = {"version": version, "variables": variables_of(variables or ()), "channel": channel, "locale": locale}
    if recipient:
        body["recipient"] = json_object(recipient, option="--recipient")
    if context:
        body["context"] = json_object(context, option="--context")
    return body
