"""A service of another team: gRPC's own server and a contract of its own, nothing of Tocsin."""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory
from google.rpc import error_details_pb2, status_pb2

from tests.unit.gateway.contracts import descriptor_set

FILE = "billing/v1/billing.proto"
SERVICE = "billing.v1.Invoices"

POLICIES = """
methods:
  billing.v1.Invoices: {scope: "books:write", timeout: 60s}
  billing.v1.Invoices/Get*: {scope: "books:read"}
"""
"""Who may call; the tests' tokens have these scopes."""


@cache
def pool() -> descriptor_pool.DescriptorPool:
    """The types of the service."""
    made = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(descriptor_set(FILE)).file:
        made.Add(file)
    return made


def kind(name: str) -> Any:
    """The class of a message, by its name in billing.v1 or by its full name."""
    return message_factory.GetMessageClass(pool().FindMessageTypeByName(name if "." in name else f"billing.v1.{name}"))


class Invoices:
    """Answers, and remembers what reached it."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.metadata: dict[str, str | bytes] = {}
        self.remaining: float | None = None
        self.act: Callable[[Any], Awaitable[Any]] | None = None
        self.says: tuple[tuple[str, str], ...] = ()
        self.calls = 0
        self.address = ""
        self._server: grpc.aio.Server | None = None

    async def start(self, address: str = "127.0.0.1:0", credentials: grpc.ServerCredentials | None = None) -> str:
        """Listens in plain text, or with ``credentials``; gives ``host:port``."""
        server = self._server = grpc.aio.server()
        methods: dict[str, Any] = {
            "GetInvoice": grpc.unary_unary_rpc_method_handler(self._one(self.get)),
            "CreateInvoice": grpc.unary_unary_rpc_method_handler(self._one(self.create)),
            "UpdateInvoice": grpc.unary_unary_rpc_method_handler(self._one(self.update)),
            "ListInvoices": grpc.unary_unary_rpc_method_handler(self._one(self.list)),
            "Search": grpc.unary_unary_rpc_method_handler(self._one(self.list)),
            "WatchInvoices": grpc.unary_stream_rpc_method_handler(self.watch),
            "ExportInvoices": grpc.unary_stream_rpc_method_handler(self.export),
            "ImportInvoices": grpc.stream_unary_rpc_method_handler(self.count),
            "Chat": grpc.stream_stream_rpc_method_handler(self.chat),
            "EchoValue": grpc.unary_unary_rpc_method_handler(self._one(self.echo)),
            "EchoTime": grpc.unary_unary_rpc_method_handler(self._one(self.echo)),
            "EchoText": grpc.unary_unary_rpc_method_handler(self._one(self.echo)),
            "Attach": grpc.unary_unary_rpc_method_handler(self._one(self.attach)),
            "Probe": grpc.unary_unary_rpc_method_handler(self._one(self.probe)),
            "Report": grpc.unary_unary_rpc_method_handler(self._one(self.probe)),
        }
        service = pool().FindServiceByName(SERVICE)
        for name, handler in methods.items():
            method = service.methods_by_name[name]
            methods[name] = handler._replace(
                request_deserializer=kind(method.input_type.full_name).FromString,
                response_serializer=kind(method.output_type.full_name).SerializeToString,
            )
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
        port = server.add_insecure_port(address) if credentials is None else server.add_secure_port(address, credentials)
        await server.start()
        self.address = f"127.0.0.1:{port}"
        return self.address

    async def stop(self) -> None:
        """Ends at once."""
        if self._server is not None:
            await self._server.stop(None)

    def _note(self, request: Any, context: Any) -> None:
        self.calls += 1
        self.requests.append(request)
        self.metadata = dict(context.invocation_metadata() or ())
        self.remaining = context.time_remaining()

    def _one(self, answer: Callable[[Any], Any]) -> Any:
        async def handle(request: Any, context: Any) -> Any:
            self._note(request, context)
            if self.act is not None:
                found = await self.act(context)
                if found is not None:
                    return found
            if self.says:
                await context.send_initial_metadata(self.says)
            return answer(request)

        return handle

    def get(self, request: Any) -> Any:
        return kind("Invoice")(name=request.name, total_cents=9007199254740993, state=2, lines=[{"text": "work", "cents": 100}])

    def create(self, request: Any) -> Any:
        request.invoice.name = f"{request.parent}/invoices/1"
        return request.invoice

    def update(self, request: Any) -> Any:
        request.invoice.lines.add(text=",".join(request.update_mask.paths))
        return request.invoice

    def list(self, request: Any) -> Any:
        return kind("ListInvoicesResponse")(invoices=[self.get(kind("GetInvoiceRequest")(name="customers/1/invoices/1"))])

    def echo(self, request: Any) -> Any:
        return request

    def attach(self, request: Any) -> Any:
        file = request.file
        sizes = {"size": len(file.data), "thumbnail_size": len(request.thumbnail)}
        return kind("Attachment")(content_type=file.content_type, title=request.title, **sizes)

    def probe(self, request: Any) -> Any:
        return kind("Invoice")(name="probe")

    async def watch(self, request: Any, context: Any) -> AsyncIterator[Any]:
        self._note(request, context)
        await context.send_initial_metadata(self.says)
        for number in range(3):
            yield kind("Invoice")(name=f"{request.parent}/invoices/{number}")
        if self.act is not None:
            await self.act(context)

    async def export(self, request: Any, context: Any) -> AsyncIterator[Any]:
        self._note(request, context)
        for piece in (b"a,b\n", b"1,\n", b"\x00\xff"):
            yield kind("google.api.HttpBody")(content_type="text/csv", data=piece)
        if self.act is not None:
            await self.act(context)

    async def count(self, requests: Any, context: Any) -> Any:
        names = [request.name async for request in requests]
        self._note(names, context)
        return kind("Count")(count=len(names))

    async def chat(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        self._note(None, context)
        async for request in requests:
            yield request


async def overdrawn(context: Any) -> None:
    """Ends a call with details, of which one is known to this contract alone and one to nobody."""
    status = status_pb2.Status(code=9, message="the account is overdrawn")
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason="OVERDRAWN", domain="billing.example.com", metadata={"account": "7"}))
    status.details.add().Pack(kind("Overdrawn")(missing_cents=5))
    status.details.append(any_pb2.Any(type_url="type.googleapis.com/nobody.Knows", value=b"\x01"))
    status.details.add().Pack(error_details_pb2.DebugInfo(detail="at line 7"))
    await context.abort(grpc.StatusCode.FAILED_PRECONDITION, status.message, (("grpc-status-details-bin", status.SerializeToString()),))


def write(folder: Path, policies: str = POLICIES) -> tuple[Path, Path]:
    """The two files that an operator has: the contract, and the policies."""
    contract, rules = folder / "billing.binpb", folder / "policies.yaml"
    contract.write_bytes(descriptor_set(FILE))
    rules.write_text(policies)
    return contract, rules
