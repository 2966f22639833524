"""The route table, read from the contract."""

from collections.abc import Iterator
from dataclasses import dataclass

from google.api import http_pb2

from gateway.transcoding.binding import Binder, RequestBinder
from gateway.transcoding.contract import Contract, Rpc
from gateway.transcoding.legacy import LegacyBinder
from gateway.transcoding.oauth import token_problem
from gateway.transcoding.problems import Problem, problem, snake_problem
from gateway.transcoding.rendering import AnswerRenderer, LegacyRenderer, ResponseRenderer
from gateway.transcoding.router import Router
from gateway.transcoding.template import PathTemplate, TemplateError, parse
from tocsin.api.mesh.v1 import http_pb2 as door_pb2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Route:
    """One binding of an RPC to an HTTP method and a path, with its compiled plan."""

    rpc: Rpc
    http_method: str
    template: PathTemplate
    body: str
    """The rule's ``body``, as written."""
    response_body: str
    primary: bool
    """True for the rule itself, False for an additional binding."""
    binder: Binder
    renderer: AnswerRenderer
    problem: Problem = problem
    """How its errors are shown."""
    legacy: door_pb2.LegacyRoute | None = None
    """What it is of an earlier system; None of a rule of google.api.http."""
    documented: bool = True
    """False for the twin of a legacy route: the same with or without a slash at its end."""

    @property
    def streams(self) -> bool:
        """Whether the answer is a stream."""
        return self.rpc.descriptor.server_streaming

    @property
    def uploads(self) -> bool:
        """Whether the body is a stream of messages."""
        return self.rpc.descriptor.client_streaming


def build_routes(contract: Contract) -> list[Route]:
    """Every HTTP binding of every public RPC.

    Raises:
        TemplateError: a rule is malformed, or two rules match the same requests.
    """
    return [route for rpc in contract.rpcs() for route in routes_of(rpc)]


def routes_of(rpc: Rpc) -> list[Route]:
    """The HTTP bindings of one RPC.

    Raises:
        TemplateError: one of them is malformed, or names a field that is not there.
    """
    try:
        rules = [] if rpc.rule is None else list(_routes_of(rpc, rpc.rule))
        return [*rules, *(route for option in rpc.door.legacy for route in _legacy_routes(rpc, option))]
    except TemplateError as error:
        raise TemplateError(f"{rpc.path}: {error}") from error


def build_router(routes: list[Route]) -> Router[Route]:
    """The router of ``routes``.

    Raises:
        TemplateError: two routes match the same requests.
    """
    return Router((route.http_method, route.template, route) for route in routes)


def _routes_of(rpc: Rpc, rule: http_pb2.HttpRule) -> Iterator[Route]:
    contract = rpc.contract
    for index, binding in enumerate((rule, *rule.additional_bindings)):
        if index and binding.additional_bindings:
            raise TemplateError("additional bindings nest one level only")
        http_method, path = _pattern(binding)
        template = parse(contract.prefix + path)
        if binding.body and http_method in ("GET", "HEAD"):
            raise TemplateError(f"{http_method} {path} cannot have a body")
        if rpc.descriptor.client_streaming and not binding.body:
            raise TemplateError(f"{http_method} {path} must have a body: its requests are a stream")
        yield Route(
            rpc=rpc,
            http_method=http_method,
            template=template,
            body=binding.body,
            response_body=binding.response_body,
            primary=index == 0,
            binder=RequestBinder(
                contract=contract,
                request=rpc.descriptor.input_type,
                template=template,
                http_method=http_method,
                body=binding.body,
                door=rpc.door,
                transcoding=rpc.transcoding,
            ),
            renderer=ResponseRenderer(
                contract=contract,
                response=rpc.descriptor.output_type,
                response_body=binding.response_body,
                door=rpc.door,
                transcoding=rpc.transcoding,
            ),
        )


def _legacy_routes(rpc: Rpc, option: door_pb2.LegacyRoute) -> Iterator[Route]:
    """The route as it is written, and with or without a slash at its end, whichever it is not."""
    kind = option.WhichOneof("pattern")
    if kind is None or rpc.descriptor.server_streaming or rpc.descriptor.client_streaming:
        raise TemplateError("a legacy route has a path, and no streams")
    contract = rpc.contract
    path: str = getattr(option, kind)
    for text in (path, path.removesuffix("/") if path.endswith("/") else f"{path}/"):
        template = parse(contract.prefix + text)
        yield Route(
            rpc=rpc,
            http_method=kind.upper(),
            template=template,
            body=option.body,
            response_body="",
            primary=False,
            binder=LegacyBinder(
                contract=contract, request=rpc.descriptor.input_type, template=template, http_method=kind.upper(), option=option
            ),
            renderer=LegacyRenderer(contract=contract, response=rpc.descriptor.output_type),
            problem=token_problem if option.dialect == door_pb2.LegacyRoute.RFC_6749 else snake_problem,
            legacy=option,
            documented=text == path,
        )


def _pattern(rule: http_pb2.HttpRule) -> tuple[str, str]:
    kind = rule.WhichOneof("pattern")
    if kind is None:
        raise TemplateError("the rule has no path")
    if kind == "custom":
        return rule.custom.kind.upper(), rule.custom.path
    return kind.upper(), getattr(rule, kind)
