"""Handlers that read messages themselves, those of health and reflection: their callers are told when bytes are none.

gRPC itself answers UNKNOWN with the words of the parser, and logs an error with its stack: anybody who reaches the port can have as many of
those as they like. It logs each header that is no UTF-8 likewise, with the header, which may be a credential.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, Final, TypeAlias

import grpc
from google.protobuf.message import DecodeError

from tocsin.errors import InvalidInput
from tocsin.mesh.inner_names import CYTHON
from tocsin.mesh.status import code_of, trailing_metadata
from tocsin.telemetry.logs import WithoutLines

RpcHandler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

_WITHOUT_NOISE: Final = WithoutLines("Invalid encoding on ", "ExecuteBatchError raised in core ")
"""Begins what gRPC says of such a header, which counts as Latin-1 and is judged by whoever reads it, and of a caller that left."""


class RequestMalformed(InvalidInput):
    """The request is not a message of the expected type."""


def log_no_noise() -> None:
    """Keeps headers, and callers that left, out of what gRPC logs in this process; further calls change nothing."""
    _WITHOUT_NOISE.leave_out_of(CYTHON)


def judged(handler: RpcHandler) -> RpcHandler:
    """``handler``, whose caller gets INVALID_ARGUMENT for what is no message of its type."""
    made: Any = handler
    if handler.request_streaming:
        return grpc.stream_stream_rpc_method_handler(_many(handler, made.stream_stream), response_serializer=handler.response_serializer)
    if handler.response_streaming:
        return grpc.unary_stream_rpc_method_handler(_many(handler, made.unary_stream), response_serializer=handler.response_serializer)
    return grpc.unary_unary_rpc_method_handler(_one(handler, made.unary_unary), response_serializer=handler.response_serializer)


def _one(handler: RpcHandler, answer: Any) -> Any:
    async def handle(raw: bytes, context: Context) -> Any:
        try:
            request = _read(handler, raw)
        except RequestMalformed as error:
            await _refuse(context, error)
        else:
            return await answer(request, context)

    return handle


def _many(handler: RpcHandler, answer: Any) -> Any:
    async def handle(raw: Any, context: Context) -> AsyncIterator[Any]:
        try:
            request = _each(handler, raw) if handler.request_streaming else _read(handler, raw)
            async with aclosing(answer(request, context)) as answers:
                async for each in answers:
                    yield each
        except RequestMalformed as error:
            await _refuse(context, error)

    return handle


async def _each(handler: RpcHandler, raws: AsyncIterator[bytes]) -> AsyncIterator[Any]:
    async for raw in raws:
        yield _read(handler, raw)


def _read(handler: RpcHandler, raw: bytes) -> Any:
    deserialize: Any = handler.request_deserializer
    try:
        return deserialize(raw)
    except DecodeError as error:
        raise RequestMalformed from error


async def _refuse(context: Context, error: RequestMalformed) -> None:
    await context.abort(code_of(error), error.message, trailing_metadata(error, trace_id=None))
