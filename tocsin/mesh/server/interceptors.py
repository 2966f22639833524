"""grpc.aio's own server interceptors, around the handlers of a service.

They stand directly before the handler, behind all that the mesh does: they see parsed messages of callers who may call, and no call that
was refused before. What they raise becomes a status like anything that a handler raises.
"""

import inspect
from collections.abc import AsyncIterable, Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import grpc

from tocsin.errors import Unimplemented
from tocsin.mesh.policy import MethodKind
from tocsin.mesh.server.chain import Context

RpcHandler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
ServerInterceptors: TypeAlias = Sequence[grpc.aio.ServerInterceptor]
WriteAll: TypeAlias = Callable[[AsyncIterable[Any], Context], Awaitable[None]]


class InterceptedCallDetails(NamedTuple):
    """What an interceptor is told of a call (``grpc.HandlerCallDetails``)."""

    method: str
    invocation_metadata: Any


def intercepted(
    handler: RpcHandler, *, kind: MethodKind, path: str, interceptors: ServerInterceptors, write_all: WriteAll
) -> Callable[..., Any]:
    """The function of ``handler`` with ``interceptors`` around it, the first one outermost; a coroutine function for every kind.

    Args:
        handler: what the generated code registers.
        kind: which sides stream.
        path: of the method.
        interceptors: in the order in which they are called.
        write_all: sends the messages of a stream.
    """

    async def last(_: Any) -> RpcHandler:
        return handler

    async def begun(request: Any, context: Context) -> Any:
        step: Any = last
        for each in reversed(interceptors):
            step = partial(each.intercept_service, step)
        found = await step(InterceptedCallDetails(path, context.invocation_metadata()))
        function = getattr(found, kind.value, None)
        if function is None:
            raise Unimplemented(f"An interceptor has no handler for {path}.")
        return function(request, context)

    async def answer(request: Any, context: Context) -> Any:
        result = await begun(request, context)
        return await result if inspect.isawaitable(result) else result

    async def stream(request: Any, context: Context) -> None:
        replies = await begun(request, context)
        if not hasattr(replies, "__aiter__"):
            await replies  # it writes its messages itself
            return
        async with aclosing(replies):
            await write_all(replies, context)

    return stream if kind in (MethodKind.UNARY_STREAM, MethodKind.STREAM_STREAM) else answer
