"""Writes `contract.py` (the calls), `client.py` and `async_client.py` (their methods) of `tocsin_client`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from client.generate.contract import Argument, Source
from client.generate.texts import HEAD, docstring, wrapped
from gateway.transcoding.routes import Route

_KEY_ABOUT: Final = "a key of your own for this request; sent again with it, it does nothing more. One is made up unless given."
_TIMEOUT_ABOUT: Final = "seconds for one answer; what the contract says unless given."
_UNTYPED: Final = ("AuthService", "Forecast", "Oidc", "Simple", "StreamToken")
"""Services that nobody calls by hand: tokens, the forms of earlier systems, and the forecast, which `tocsin forecast` draws."""
_CALL_IMPORTS: Final = """
from tocsin_client import models as models  # the messages are known by name once they are loaded
from tocsin_client.calls import Call
from tocsin_client.values import ANY, BOOL, BYTES, DURATION, ENUM, INTEGER, MASK, NUMBER, TEXT, TIME, Param, many, mapped, message, optional
"""
_IMPORTS: Final = """
from collections.abc import {iterables}Mapping, Sequence
from datetime import datetime, timedelta

from tocsin_client import contract, models
from tocsin_client.{module} import {core}, {pages}, {stream}
from tocsin_client.calls import Content
from tocsin_client.values import JsonObject
"""


@dataclass(frozen=True, slots=True)
class Twin:
    """How one of the two clients is written."""

    module: str
    name: str
    core: str
    pages: str
    stream: str
    iterables: str
    upload: str
    define: str
    wait: str
    about: str


SYNC: Final = Twin("core", "Client", "Core", "Pages", "Stream", "Iterable, ", "Iterable", "def", "", "The client without asyncio.")
ASYNC: Final = Twin(
    "async_core",
    "AsyncClient",
    "AsyncCore",
    "AsyncPages",
    "AsyncStream",
    "AsyncIterable, Iterable, ",
    "AsyncIterable",
    "async def",
    "await ",
    "The client for asyncio.",
)


class Method:
    """One RPC and its method."""

    def __init__(self, source: Source, routes: Sequence[Route]) -> None:
        """Reads what the contract says of it."""
        self._source = source
        self._routes = routes
        self._route = routes[0]
        self._rpc = self._route.rpc
        self._reply: Descriptor = self._rpc.descriptor.output_type
        self._request: Descriptor = self._rpc.descriptor.input_type
        self.name = source.method_name(routes)
        self._arguments = list(self._wrapped(source.arguments(routes)))
        names = [each.name for each in self._arguments]
        if len(set(names)) != len(names) or {"timeout", "idempotency_key"} & set(names):
            raise SystemExit(f"{self.name}: two arguments have one name: {names}")

    @property
    def _uploads(self) -> bool:
        return self._route.uploads and not self._raw

    @property
    def _raw(self) -> bool:
        return self._route.binder.raw_body

    @property
    def _body(self) -> str:
        if self._uploads:
            return self._arguments[0].name
        return self._route.body if any(route.body for route in self._routes) else ""

    @property
    def _repeat(self) -> str:
        policy = self._rpc.policy
        if self._route.uploads:
            return "never"
        if policy.idempotent or policy.side_effect_free or policy.identity is not None:
            return "always"
        return "never" if policy.public else "key"

    @property
    def _items(self) -> FieldDescriptor | None:
        """What is listed, if it is a list with pages."""
        if "next_page_token" not in self._reply.fields_by_name or "page_token" not in self._request.fields_by_name:
            return None
        return next(field for field in self._reply.fields if field.is_repeated)

    def _wrapped(self, arguments: Iterator[Argument]) -> Iterator[Argument]:
        """The arguments; a stream of requests of one field is one of what is in it."""
        for each in arguments:
            yield Argument(each.name, each.json_name, each.kind, each.type, each.about, needed=True) if self._uploads else each

    def _answer(self) -> tuple[str, str]:
        """The kind of the answer and its type."""
        if self._route.renderer.raw:
            return "None", "Content"
        if self._reply.full_name == "google.protobuf.Empty":
            return "None", "None"
        if self._route.response_body:
            field = self._reply.fields_by_name[self._route.response_body]
            name = self._source.names[field.message_type.full_name] if field.message_type is not None else ""
        else:
            name = self._source.names[self._reply.full_name]
        return f'message("{name}")', f"models.{name}"

    def told(self) -> dict[str, Any] | None:
        """What the command line knows of it.

        None for what takes or gives bytes, or streams a body; for earlier systems' forms; and for what takes a secret, which has no place
        in a command line.
        """
        service: str = self._rpc.descriptor.containing_service.name
        secret = any(field.GetOptions().debug_redact for field in self._request.fields)
        if self._route.uploads or self._raw or self._route.renderer.raw or secret or service.startswith(_UNTYPED):
            return None
        variables = {variable.field_path for variable in self._route.template.variables}
        params = [
            {
                "name": each.name,
                "json": each.json_name,
                "kind": each.kind,
                "about": " ".join(each.about.split()),
                "place": "path" if each.name.rstrip("_") in variables else "body" if self._body in (each.name, "*") else "query",
                "needed": each.needed,
            }
            for each in self._arguments
            if each.name not in ("page_size", "page_token")
        ]
        within = [name.rpartition(".")[2] for name in sorted(variables) if "." in name]
        named = [
            {"name": name, "json": name, "kind": "TEXT", "about": "Its name, or its id.", "place": "path", "needed": False}
            for name in within
        ]
        return {
            "service": service,
            "rpc": self._rpc.descriptor.name,
            "method": self._route.http_method,
            "paths": list(dict.fromkeys(route.template.text for route in self._routes)),
            "about": self._source.about(self._rpc.descriptor.full_name),
            "params": [*named, *params],
            "body": self._body,
            "items": "" if self._items is None else self._items.json_name,
            "streams": self._route.streams,
        }

    # -- the call ----------------------------------------------------------------------------------------------------------

    def call(self) -> Iterator[str]:
        """The lines of the call."""
        kind, _ = self._answer()
        paths = "".join(f'"{path}", ' for path in dict.fromkeys(route.template.text for route in self._routes)).rstrip(" ")
        yield f"{self.name.upper()} = Call("
        yield f'    method="{self._route.http_method}",'
        yield f"    paths=({paths}),"
        if self._arguments:
            yield "    params={"
            yield from (f'        "{each.name}": Param("{each.json_name}", {each.kind}),' for each in self._arguments)
            yield "    },"
        else:
            yield "    params={},"
        if self._body:
            yield f'    body="{self._body}",'
        if self._uploads:
            yield f'    uploads="{self._arguments[0].json_name}",'
        if self._raw:
            yield "    raw=True,"
        if kind != "None":
            yield f"    answer={kind},"
        if self._route.renderer.raw:
            yield "    content=True,"
        if self._rpc.policy.identity is not None and not self._route.uploads:
            yield f'    identity="{".".join(self._rpc.policy.identity.names)}",'
        yield f'    repeat="{self._repeat}",'
        yield f"    timeout={self._rpc.policy.timeout:g},"
        yield ")"

    # -- the method --------------------------------------------------------------------------------------------------------

    def method(self, twin: Twin) -> Iterator[str]:
        """The lines of the method."""
        items, (_, answer) = self._items, self._answer()
        call, given = f"contract.{self.name.upper()}", self._given()
        define, wait = twin.define, twin.wait
        if self._route.streams:
            define, wait, answer = "def", "", f"{twin.stream}[{answer}]"
            body = f"self._stream({call}, {given})"
        elif items is not None:
            define, wait = "def", ""
            item = self._source.spelled(items, prefix="models.").read.removeprefix("Sequence[").removesuffix("]")
            answer = f"{twin.pages}[{answer}, {item}]"
            body = f'self._pages({call}, {given}, "{items.name}", timeout)'
        elif self._uploads:
            name = self._arguments[0].name
            body = f'self._call({call}, {{"{name}": self._lines({call}, {name})}}, timeout=timeout)'
        else:
            body = f"self._call({call}, {given}, timeout=timeout{', key=idempotency_key' if self._keyed else ''})"
        yield f"    {define} {self.name}("
        yield from (f"        {line}," for line in self._signature(twin))
        yield f"    ) -> {answer}:"
        yield from self._doc()
        yield f"        return {wait}{body}"

    @property
    def _keyed(self) -> bool:
        return self._repeat == "key"

    def _given(self) -> str:
        names = [each.name for each in self._arguments]
        if self._raw:
            names.append("content_type")
        return "{" + ", ".join(f'"{name}": {name}' for name in names) + "}"

    def _signature(self, twin: Twin) -> Iterator[str]:
        yield "self"
        placed = {variable.field_path.partition(".")[0] for variable in self._route.template.variables} | {self._body}
        first = [each for each in self._arguments if each.needed and each.name.rstrip("_") in placed]
        others = [each for each in self._arguments if each not in first]
        for each in first:
            yield f"{each.name}: {self._type(each, twin)}"
        if self._raw:
            yield f'content_type: str = "application/{"x-ndjson" if self._route.uploads else "octet-stream"}"'
        words = [f"{each.name}: {each.type}" for each in others if each.needed]
        words += [f"{each.name}: {each.type} | None = None" for each in others if not each.needed]
        if not self._route.streams:
            words += ["idempotency_key: str | None = None"] if self._keyed else []
            words.append("timeout: float | None = None")
        if words:
            yield "*"
            yield from words

    def _type(self, argument: Argument, twin: Twin) -> str:
        if self._uploads:
            both = f"Iterable[{argument.type}]"
            return both if twin is SYNC else f"{both} | AsyncIterable[{argument.type}]"
        if argument.type == "bytes" and self._route.uploads:
            return f"bytes | {twin.upload}[bytes]"
        return argument.type

    def _doc(self) -> Iterator[str]:
        policy = self._rpc.policy
        text = self._source.about(self._rpc.descriptor.full_name)
        lines = [(each.name, each.about) for each in self._arguments]
        if self._raw:
            lines.append(("content_type", "the media type of the bytes."))
        if not self._route.streams:
            lines += [("idempotency_key", _KEY_ABOUT)] if self._keyed else []
            lines.append(("timeout", _TIMEOUT_ABOUT))
        told = [text or f"Calls {self._rpc.descriptor.full_name}."]
        if policy.scope:
            told += ["", f"Needs the scope ``{policy.scope}``."]
        if lines:
            told += ["", "Args:"]
            for name, about in lines:
                told += ["    " + line for line in wrapped(f"{name}: {' '.join(about.split())}", " " * 12, hanging="    ")]
        yield from docstring("\n".join(told), "        ")


def calls(methods: Sequence[Method]) -> str:
    """The text of the module with the calls."""
    parts = [HEAD.format(about="The calls of the contract."), _CALL_IMPORTS.rstrip()]
    for each in methods:
        parts += ["", *each.call()]
    return "\n".join(parts) + "\n"


def client(methods: Sequence[Method], twin: Twin) -> str:
    """The text of the module with a client."""
    imports = _IMPORTS.format(iterables=twin.iterables, module=twin.module, core=twin.core, pages=twin.pages, stream=twin.stream)
    parts = [HEAD.format(about=twin.about), imports, "", f"class {twin.name}({twin.core}):"]
    parts.append('    """Every call of the REST API, with the names of the contract: ``CreateAlarm`` is ``create_alarm``."""')
    for each in methods:
        parts += ["", *each.method(twin)]
    return "\n".join(parts) + "\n"


def all_methods(source: Source) -> list[Method]:
    """The methods, in the order of the contract."""
    return [Method(source, routes) for routes in source.calls]
