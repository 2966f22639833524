"""The pages of the site that are generated from the code: settings, errors, commands, calls, messages, and the methods of the client."""

import inspect
import json
import pkgutil
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import typer.main
from typer.core import TyperArgument

from gateway.openapi.document import build_document
from gateway.transcoding.contract import Contract
from gateway.transcoding.problems import http_status
from gateway.transcoding.routes import build_routes
from tocsin.cli.app import make_app
from tocsin.config import Row, ServiceSettings, describe
from tocsin.errors import TocsinError
from tocsin.mesh.policy import PACKAGE, contract
from tocsin.mesh.status import code_of
from tocsin.protojson.codec import dump_json

ROOT = Path(__file__).resolve().parent.parent
SERVICES = ("gateway", "auth_svc", "scheduler_svc", "processor_svc", "mailer_svc")
_NOT_LOADED = re.compile(r"\.(__main__|migrations|testing|api)(\.|$)")
Json = dict[str, Any]
_SETTINGS = """\
Settings are variables of the environment. A setting that several services have is `TOCSIN_X`, and for one service alone `TOCSIN_SERVICE_X`,
which wins. A secret may be a file instead: `TOCSIN_X_FILE` names it. An unknown name stops the start."""
_ERRORS = """\
Over REST an error is a problem document ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)) of the type `urn:tocsin:error:REASON`; over
gRPC it is a status whose `google.rpc.ErrorInfo` has the reason, with the domain `tocsin`. Programs compare the reason, never the text.
Refused fields are in `details`, each with its reason in words."""
_CALLS = """\
Each call is in the contract once, and is served over REST, gRPC, gRPC-Web and Connect. The same as [OpenAPI 3.1](../openapi.json);
`/docs` of a running Tocsin lets you try them. Bodies and answers: [messages](messages.md)."""


def cell(text: str) -> str:
    """A text in a table."""
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())


def code(text: str) -> str:
    """A text as code in a table; nothing for nothing."""
    return f"`{cell(text).replace('&lt;', '<')}`" if text.strip() else ""


def table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    """A table of Markdown; empty without a row."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *lines, ""]) if lines else ""


def settings() -> str:
    """Every setting of every service, from the types that read them."""
    text = [
        "# Settings",
        _SETTINGS,
    ]
    kinds = {name: next(_settings_of(name)) for name in SERVICES}
    count = Counter(row.name for kind in kinds.values() for row in describe(kind))
    shared = {name for name, times in count.items() if times > 1}
    rows: dict[str, Row] = {}
    for service, kind in kinds.items():
        for row in describe(kind):
            if row.name in shared:
                rows[row.name] = replace(row, default=row.default.replace(f"/{service}", "/<service>"))
    for title, found in (
        ("Several services", list(rows.values())),
        *((name, [row for row in describe(kind) if row.name not in shared]) for name, kind in kinds.items()),
    ):
        cells = ((code(row.name), cell(row.type), code(row.default), cell(row.description)) for row in found)
        text += [f"## {title}", table(("setting", "type", "default", "meaning"), cells)]
    return "\n\n".join(text)


def _settings_of(service: str) -> Iterator[type[ServiceSettings]]:
    for kind in vars(import_module(f"{service}.config")).values():
        if isinstance(kind, type) and issubclass(kind, ServiceSettings) and kind.__module__.startswith(service):
            yield kind


def _classes(kind: type[TocsinError]) -> Iterator[type[TocsinError]]:
    for each in kind.__subclasses__():
        yield each
        yield from _classes(each)


def errors() -> str:
    """Every error that can cross the wire, by its reason, with its code and its status."""
    for package in ("tocsin", *SERVICES):
        for module in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
            if not _NOT_LOADED.search(module.name):
                import_module(module.name)
    rows: dict[str, tuple[str, ...]] = {}
    for kind in _classes(TocsinError):
        if kind.__module__.split(".")[0] in {"tocsin", *SERVICES}:
            error = kind.__new__(kind)  # a few want to know more, which their status does not depend on
            TocsinError.__init__(error)
            meaning = inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0]
            rows.setdefault(kind.reason, (code(kind.reason), str(http_status(error)), code_of(error).name, cell(meaning)))
    return "\n\n".join(
        [
            "# Errors",
            _ERRORS,
            table(("reason", "HTTP", "gRPC", "meaning"), iter([rows[reason] for reason in sorted(rows)])),
        ]
    )


def commands() -> str:
    """Every command with its arguments and options."""
    text = [
        "# Every command and option",
        "What `tocsin COMMAND --help` says. [The page about the command](../cli.md) tells what they are for.",
    ]
    for name, command in _commands(typer.main.get_command(make_app()), "tocsin"):
        # A text of Typer may have marks of its own that are none of Markdown's.
        text += [f"## `{name}`", _plain(command.help or "")]
        rows = ((code(_usage(each)), cell(_plain(getattr(each, "help", None) or ""))) for each in command.params if not _is_common(each))
        text.append(table(("argument or option", "meaning"), rows))
    return "\n\n".join(filter(None, text))


def _commands(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for name in sorted(group.list_commands(None)) if hasattr(group, "list_commands") else ():
        command = group.get_command(None, name)
        if command is None or command.hidden:
            continue
        inner = hasattr(command, "list_commands")
        if not inner or command.invoke_without_command:
            yield f"{prefix} {name}", command
        if inner:
            yield from _commands(command, f"{prefix} {name}")


def _is_common(parameter: Any) -> bool:
    return getattr(parameter, "hidden", False) or parameter.name in {"help", "state", "url", "api_key", "json", "as_json", "context"}


def _usage(parameter: Any) -> str:
    if isinstance(parameter, TyperArgument):
        return (parameter.metavar or parameter.name or "").upper()
    names = ", ".join([*parameter.opts, *parameter.secondary_opts])
    return names if parameter.is_flag else f"{names} {(parameter.metavar or parameter.name).upper().replace('_', '-')}"


def _plain(text: str) -> str:
    """The words of a help text as plain Markdown: what looks like markup is escaped."""
    return re.sub(r"([*<\[\]])", r"\\\1", inspect.cleandoc(text))


def openapi() -> bytes:
    """The OpenAPI document of the contract."""
    own = Contract(descriptor_set=contract().SerializeToString(), package=PACKAGE)
    return dump_json(build_document(contract=own, routes=build_routes(own)))


def rest(document: Json) -> str:
    """Every call: route, what it does, the scope that it needs, its class of rates and its deadline."""
    text = [
        "# REST and gRPC calls",
        _CALLS,
    ]
    for tag in sorted(document["tags"], key=lambda each: each["name"]):
        rows = (
            (f"{code(f'{method.upper()} {path}')} {call['x-grpc-method'].rpartition('/')[2]}", cell(call["summary"]), *_bounds(call))
            for path, calls in sorted(document["paths"].items())
            for method, call in calls.items()
            if tag["name"] in call.get("tags", ()) and "x-grpc-method" in call
        )
        text += [
            f"## {tag['name']}",
            _plain(tag.get("description", "")),
            table(("route and RPC", "what it does", "scope", "rate", "deadline"), rows),
        ]
    return "\n\n".join(filter(None, text))


def _bounds(call: Json) -> tuple[str, ...]:
    seconds = call.get("x-timeout-seconds")
    return (" ".join(map(code, call.get("x-scopes", ()))), cell(call.get("x-rate-class", "")), f"{seconds:g} s" if seconds else "")


def messages(document: Json) -> str:
    """Every message and enum, with the rules that its fields have to meet."""
    text = ["# Messages", "What calls take and give, in JSON. A field that is marked *read-only* is never taken."]
    for name, schema in sorted(document["components"]["schemas"].items()):
        text += [f"## {name}", _plain(schema.get("description", ""))]
        if "enum" in schema:
            text.append(", ".join(f"`{value}`" for value in schema["enum"]))
        rows = ((code(field), _type(each), cell(_plain(_about(each)))) for field, each in schema.get("properties", {}).items())
        text.append(table(("field", "type", "meaning"), rows))
    return "\n\n".join(filter(None, text))


def _type(field: Json) -> str:
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower().replace('.', '')})"
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}"
    if isinstance(field.get("additionalProperties"), dict):
        return f"map of {_type(field['additionalProperties'])}"
    kind = field.get("type", "any")
    return f"{kind if isinstance(kind, str) else ' or '.join(kind)}{' (' + field['format'] + ')' if 'format' in field else ''}"


_RULES = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "minimum": "at least {}",
    "maximum": "at most {}",
    "maxProperties": "at most {} entries",
}


def _about(field: Json) -> str:
    rules = [words.format(field[rule]) for rule, words in _RULES.items() if field.get(rule)]
    mark = ["read-only"] if field.get("readOnly") else []
    return f"{field.get('description', '')} {'(' + ', '.join([*mark, *rules]) + ')' if mark or rules else ''}"


def client() -> str:
    """Every method of `tocsin-client`, with its signature."""
    sys.path.insert(0, str(ROOT / "client/src"))
    kind = import_module("tocsin_client").Client
    text = ["# Methods of tocsin-client", "Those of `Client`; `AsyncClient` has the same, to be awaited. [How to use them](../client.md)."]
    for name, method in sorted(inspect.getmembers(kind, callable)):
        if not name.startswith("_") and method.__doc__:
            signature = re.sub(r"tocsin_client\.models\.|typing\.|'", "", str(inspect.signature(method)))
            about = _plain(inspect.cleandoc(method.__doc__).split("\n\n")[0])
            text += [f"## `{name}`", f"```python\n{name}{signature}\n```", about]
    return "\n\n".join(text)


def all_pages() -> Mapping[str, str]:
    """Every generated page by its path on the site."""
    document = json.loads(openapi())
    made = {"settings": settings(), "rest": rest(document), "messages": messages(document), "errors": errors()}
    return {f"reference/{name}.md": text + "\n" for name, text in {**made, "commands": commands(), "methods": client()}.items()}
