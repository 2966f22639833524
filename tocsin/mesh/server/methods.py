"""From the handlers of a generated servicer to handlers that run the chain.

The chain reads and writes bytes itself, so that a message that cannot be parsed, or an answer that cannot be written, becomes an error like
any other and never a text of the library's.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from functools import partial
from typing import Any, Final, NoReturn, TypeAlias, cast

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.message import DecodeError, Message

from tocsin.errors import AnswerTooLarge, NotFound, Unimplemented
from tocsin.mesh.context import StreamedBytes, current
from tocsin.mesh.policy import MethodKind, MethodPolicy, PolicyError
from tocsin.mesh.server.absent import name_absent
from tocsin.mesh.server.call_notes import counted, noted
from tocsin.mesh.server.chain import Chain, Context
from tocsin.mesh.server.interceptors import intercepted
from tocsin.mesh.server.judged import RequestMalformed
from tocsin.mesh.server.own_metadata import sends_initial_metadata
from tocsin.mesh.server.parts import ServerParts
from tocsin.mesh.server.stream_writer import StreamWriter, write_all
from tocsin.mesh.validation import RequestValidator
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

RpcHandler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
_GENERATED: Final = "_pb2_grpc"
"""How modules of services end that grpcio-tools writes."""
Parse = Callable[[bytes], Any]
Deserialize = Callable[[bytes], Message]
Serialize = Callable[[Any], bytes]
Accept = Callable[[Context], Awaitable[None]]


class Registrar:
    """Stands in for a server while generated code adds its handlers, and keeps them by path."""

    def __init__(self) -> None:
        self.handlers: dict[str, RpcHandler] = {}

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Iterable[grpc.GenericRpcHandler]) -> None:
        """Ignored: the same handlers come by ``add_registered_method_handlers``."""

    def add_registered_method_handlers(self, service_name: str, method_handlers: Mapping[str, RpcHandler]) -> None:
        """Keeps the handlers of one service."""
        for method, handler in method_handlers.items():
            self.handlers[f"/{service_name}/{method}"] = handler


def compile_handlers(
    handlers: Mapping[str, RpcHandler], *, methods: Mapping[str, MethodPolicy], parts: ServerParts
) -> dict[str, RpcHandler]:
    """Compiles every handler with its policy.

    Raises:
        PolicyError: a method has no policy, or is not implemented; every one is named.
    """
    problems = [problem for path, handler in handlers.items() for problem in _problems(path, handler, methods)]
    if problems:
        raise PolicyError(problems)
    return {path: _compile(handler, Chain(policy=methods[path], parts=parts), methods[path], parts) for path, handler in handlers.items()}


def _problems(path: str, handler: RpcHandler, methods: Mapping[str, MethodPolicy]) -> Iterable[str]:
    policy = methods.get(path)
    if policy is None:
        yield f"{path}: the contract has no policy for it"
    else:
        yield from policy.problems()
    if not _is_async(_function(handler)):
        yield f"{path}: its handler is neither a coroutine function nor an asynchronous generator"


def answered(path: str, handler: RpcHandler) -> RpcHandler:
    """The handler, or one that answers UNIMPLEMENTED, as grpc.aio does, where a servicer has left a method as generated code made it."""
    kind, function = _kind(handler), _function(handler)
    if _is_async(function) or not getattr(function, "__module__", "").endswith(_GENERATED):
        return handler

    async def refuse(_: Any, __: Context) -> NoReturn:
        raise Unimplemented(f"{path} is not implemented.")

    make = getattr(grpc, f"{kind.value}_rpc_method_handler")
    made: RpcHandler = make(refuse, request_deserializer=handler.request_deserializer, response_serializer=handler.response_serializer)
    _log.warning("method not implemented", method=path)
    return made


def _kind(handler: RpcHandler) -> MethodKind:
    if handler.request_streaming:
        return MethodKind.STREAM_STREAM if handler.response_streaming else MethodKind.STREAM_UNARY
    return MethodKind.UNARY_STREAM if handler.response_streaming else MethodKind.UNARY_UNARY


def _function(handler: RpcHandler) -> Callable[..., Any]:
    return getattr(handler, _kind(handler).value)


def _is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def _parser(deserialize: Deserialize, validator: RequestValidator, policy: MethodPolicy) -> Parse:
    # A stream between services carries the work of many: one value in it must not end it, so its handler judges each message.
    carries_many = policy.internal and policy.kind in (MethodKind.STREAM_UNARY, MethodKind.STREAM_STREAM)
    check = validator.checker(descriptor_pool.Default().FindMessageTypeByName(policy.request_type), values=not carries_many)

    def parse(raw: bytes) -> Message:
        try:
            message = deserialize(raw)
        except DecodeError as error:
            raise RequestMalformed from error
        check(message)
        return message

    return parse


def _writer(serialize: Serialize, most: int) -> Serialize:
    def write(message: Any) -> bytes:
        raw = serialize(message)
        if len(raw) > most:
            raise AnswerTooLarge(f"The answer has {len(raw)} bytes; a message may have {most}.")
        return raw

    return write


def _streamed() -> StreamedBytes:
    """The count of the call being served."""
    call = current()
    return StreamedBytes() if call is None or call.streamed is None else call.streamed


def _received(parse: Parse) -> Parse:
    def read(raw: bytes) -> Any:
        _streamed().received += len(raw)
        return parse(raw)

    return read


def _sent(serialize: Serialize) -> Serialize:
    def write(message: Any) -> bytes:
        raw = serialize(message)
        _streamed().sent += len(raw)
        return raw

    return write


def _compile(handler: RpcHandler, chain: Chain, policy: MethodPolicy, parts: ServerParts) -> RpcHandler:
    function, kind = _function(handler), _kind(handler)
    stall_seconds = None if policy.internal else parts.stall_seconds
    before: list[Any] = [function]
    if parts.interceptors and not policy.is_control:
        write = partial(write_all, stall_seconds=stall_seconds)
        function = intercepted(handler, kind=kind, path=policy.path, interceptors=parts.interceptors, write_all=write)
        before += [each.intercept_service for each in parts.interceptors]
    parse = _parser(cast("Deserialize", handler.request_deserializer), parts.validator, policy)
    if policy.audited:
        function, parse = noted(function, policy), counted(parse) if handler.request_streaming else parse
    serialize = _writer(cast("Serialize", handler.response_serializer), parts.max_message_bytes)
    # A stream's messages are parsed and validated one by one, where the handler reads them: an error is raised there.
    reads: Any = _received(parse) if handler.request_streaming else None
    if kind is MethodKind.UNARY_UNARY:
        return grpc.unary_unary_rpc_method_handler(chain.around(_unary(function, parse, serialize)))
    if kind is MethodKind.STREAM_UNARY:
        return grpc.stream_unary_rpc_method_handler(chain.around(_unary(function, None, serialize)), request_deserializer=reads)
    # To look through code takes a third of a start, so that it is done for those alone that it matters to.
    accept = _leave_to_handler if any(map(sends_initial_metadata, before)) else _accept_stream
    generator = inspect.isasyncgenfunction(function)
    make = _yielding if generator else _writing
    body = chain.around(make(function, None if handler.request_streaming else parse, serialize, stall_seconds, accept))
    # A coroutine writes messages itself, so gRPC has to serialize them; what a generator yields is serialized by the body.
    writes: Any = None if generator else _sent(serialize)
    if kind is MethodKind.UNARY_STREAM:
        return grpc.unary_stream_rpc_method_handler(body, response_serializer=writes)
    return grpc.stream_stream_rpc_method_handler(body, request_deserializer=reads, response_serializer=writes)


async def _accept_stream(context: Context) -> None:
    """Tells the caller of a stream at once that it was accepted: a quiet one has no message for minutes."""
    await context.send_initial_metadata(())


async def _leave_to_handler(_: Context) -> None:
    """The handler tells it, with metadata of its own, or by its first message."""


def _unary(function: Callable[..., Any], parse: Parse | None, serialize: Serialize) -> Callable[[Any, Context], Any]:
    async def body(request: Any, context: Context) -> bytes:
        parsed = request if parse is None else parse(request)
        try:
            return serialize(await function(parsed, context))
        except NotFound as error:
            name_absent(error, parsed)
            raise

    return body


def _yielding(
    function: Callable[..., Any], parse: Parse | None, serialize: Serialize, stall_seconds: float | None, accept: Accept
) -> Callable[[Any, Context], Any]:
    async def body(request: Any, context: Context) -> None:
        parsed = request if parse is None else parse(request)
        await accept(context)
        count = _streamed()
        async with StreamWriter(context, stall_seconds=stall_seconds) as writer, aclosing(function(parsed, context)) as replies:
            write = writer.write
            try:
                async for reply in replies:
                    raw = serialize(reply)
                    count.sent += len(raw)
                    await write(raw)
            except NotFound as error:
                name_absent(error, parsed)
                raise

    return body


def _writing(
    function: Callable[..., Any], parse: Parse | None, _serialize: Serialize, stall_seconds: float | None, accept: Accept
) -> Callable[[Any, Context], Any]:
    async def body(request: Any, context: Context) -> None:
        parsed = request if parse is None else parse(request)
        await accept(context)
        try:
            await function(parsed, context)
        except NotFound as error:
            name_absent(error, parsed)
            raise

    return body
