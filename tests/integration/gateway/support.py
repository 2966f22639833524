"""A gateway over the test contract, in front of real services in this process."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import httpx2
from prometheus_client import CollectorRegistry

from gateway.config import GatewaySettings
from gateway.contracts.mounts import load_mounts
from gateway.wiring import Runtime, assemble
from tests.integration.auth.journals import journal_in
from tests.integration.gateway.sign_ins import BrowserSessionsOfTests, EndedCredentialsOfTests, OidcOfTests, SignInsOfTests
from tests.integration.starting import no_lame_duck, prepare_state
from tests.unit.gateway.contracts import contract, message_type
from tocsin.api.auth.v1 import (
    api_key_service_pb2,
    api_key_service_pb2_grpc,
    auth_service_pb2_grpc,
    browser_session_service_pb2_grpc,
    identity_provider_service_pb2_grpc,
    session_service_pb2_grpc,
    stream_token_service_pb2,
    stream_token_service_pb2_grpc,
)
from tocsin.clock import Clock, SystemClock
from tocsin.config import ServiceSettings
from tocsin.errors import Unauthenticated, Unimplemented
from tocsin.lifecycle import App
from tocsin.mesh.authority import ensure_pki
from tocsin.mesh.breaker import BreakerRegistry
from tocsin.mesh.client import Mesh
from tocsin.mesh.context import current, principal, remaining
from tocsin.mesh.jwks import JwksCache
from tocsin.mesh.policy import policies
from tocsin.mesh.server import MeshServer
from tocsin.mesh.tokens import TokenVerifier
from tocsin.telemetry import Telemetry, current_traceparent
from tocsin.tenants.feed import TenantFeed
from tocsin.testing.alerts import RecordedAlerts
from tocsin.testing.tokens import AUDIENCE, ISSUER, TokenMint

Book = message_type("Book")
Everything = message_type("Everything")
KINDS = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}
ALL_SCOPES = ("books:read", "books:write", "mesh:read")


class Shelf:
    """The service behind: remembers what reached it, and does what the test says."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.calls: list[dict[str, Any]] = []
        self.act: Callable[[Any], Any] | None = None
        self.changes: Callable[[Any], AsyncIterator[Any]] | None = None
        self.cancelled = 0
        self.counted: list[str] = []

    def forget(self) -> None:
        """Knows nothing of what was before."""
        self.requests, self.calls, self.act, self.changes, self.cancelled = [], [], None, None, 0

    def _note(self, request: Any, context: grpc.aio.ServicerContext) -> None:
        try:
            tenant = principal().tenant
        except Unauthenticated:
            tenant = None
        self.requests.append(request)
        metadata = dict(context.invocation_metadata() or ())
        call = current()
        client = (call.client_address, call.user_agent) if call else None
        seen = {"tenant": tenant, "remaining": remaining(), "trace": current_traceparent(), "metadata": metadata, "client": client}
        self.calls.append(seen)

    async def _answer(self, request: Any, context: grpc.aio.ServicerContext, reply: Any) -> Any:
        self._note(request, context)
        if self.act is None:
            return reply
        try:
            return await self.act(request) or reply
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def CreateBook(self, request: Any, context: Any) -> Any:
        book = Book()
        book.CopyFrom(request.book)
        book.name = f"{request.parent or 'shelves/1'}/books/1"
        return await self._answer(request, context, book)

    async def GetBook(self, request: Any, context: Any) -> Any:
        return await self._answer(request, context, Book(name=request.name, title="Emma"))

    async def ListBooks(self, request: Any, context: Any) -> Any:
        return await self._answer(request, context, message_type("ListBooksResponse")())

    async def UpdateBook(self, request: Any, context: Any) -> Any:
        return await self._answer(request, context, request.book)

    async def DeleteBook(self, request: Any, context: Any) -> Any:
        return await self._answer(request, context, message_type("google.protobuf.Empty")())

    async def LendBook(self, request: Any, context: Any) -> Any:
        return await self._answer(request, context, Book(name=request.name))

    async def PutCover(self, request: Any, context: Any) -> Any:
        return await self._answer(request, context, message_type("google.protobuf.Empty")())

    async def GetCover(self, request: Any, context: Any) -> Any:
        return await self._answer(request, context, message_type("google.api.HttpBody")(content_type="image/png", data=b"\x89PNG"))

    async def Admit(self, request: Any, context: Any) -> Any:
        return await self._answer(request, context, Book(title=request.username, page_count=3))

    async def ShowSlip(self, request: Any, context: Any) -> Any:
        return await self._answer(request, context, page(f"<h1>{request.token}</h1>"))

    async def SendSlip(self, request: Any, context: Any) -> Any:
        return await self._answer(request, context, page("<h1>sent</h1>"))

    async def TakeNotice(self, request: Any, context: Any) -> Any:
        return await self._answer(request, context, message_type("google.protobuf.Empty")())

    async def LeaveNote(self, request: Any, context: Any) -> Any:
        return await self._answer(request, context, message_type("google.protobuf.Empty")())

    async def Hello(self, request: Any, context: Any) -> Any:
        return await self._answer(request, context, Book(title="hello"))

    async def Knock(self, request: Any, context: Any) -> Any:
        return await self._answer(request, context, Book(name=request.name))

    async def Echo(self, request: Any, context: Any) -> Any:
        return await self._answer(request, context, request)

    async def SortBooks(self, request: Any, context: Any) -> Any:
        return await self._answer(request, context, request)

    async def WatchBooks(self, request: Any, context: Any) -> AsyncIterator[Any]:
        self._note(request, context)
        assert self.changes is not None
        try:
            async for change in self.changes(request):
                yield change
        except (asyncio.CancelledError, GeneratorExit):  # it was waiting for the next change, or for room to send one
            self.cancelled += 1
            raise

    async def CountBooks(self, requests: Any, context: Any) -> Any:
        self.counted.clear()
        async for request in requests:
            self.counted += [request.title]
        self._note(list(self.counted), context)
        return message_type("CountBooksResponse")(count=len(self.counted))

    async def ScanBooks(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        self._note(None, context)
        try:
            async for request in requests:
                self.requests.append(request)
                titles = [request.data.content_type, request.data.data.decode()]
                yield message_type("ScanBooksResponse")(books=[{"title": title} for title in titles if title])
            await asyncio.sleep(0.05)  # requests of a call that is cancelled end before it is told so
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled += 1
            raise

    async def CopyBooks(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        self._note(None, context)
        async for request in requests:
            yield request


def change(title: str, token: str = "") -> Any:
    """An answer of WatchBooks."""
    return message_type("WatchBooksResponse")(book={"title": title}, resume_token=token)


def page(html: str, *, status: int = 0, content_type: str = "text/html; charset=utf-8", headers: dict[str, str] | None = None) -> Any:
    """An answer of ShowSlip and SendSlip."""
    return message_type("SlipPage")(page={"content_type": content_type, "data": html.encode()}, status=status, headers=headers)


def add_shelf(servicer: Any, server: Any) -> None:
    """What generated code does to register ShelfService."""
    service = contract().service("shelf.v1.ShelfService")
    handlers = {
        method.name: KINDS[method.client_streaming, method.server_streaming](
            getattr(servicer, method.name),
            request_deserializer=message_type(method.input_type.full_name).FromString,
            response_serializer=message_type(method.output_type.full_name).SerializeToString,
        )
        for method in service.methods
    }
    server.add_registered_method_handlers(service.full_name, handlers)


class Keys(api_key_service_pb2_grpc.ApiKeyServiceServicer):
    """auth_svc's exchange of API keys."""

    def __init__(self, mint: TokenMint) -> None:
        self.mint = mint
        self.known: dict[str, tuple[str, ...]] = {}
        self.asked: list[str] = []
        self.addresses: set[str] = set()

    async def ExchangeApiKey(self, request: Any, context: Any) -> Any:
        self.asked.append(request.secret)
        self.addresses.add(request.client_address)
        if request.secret not in self.known:
            raise Unauthenticated("There is no such key.")
        token = self.mint.mint(tenant="acme", subject="apiKeys/1", scopes=self.known[request.secret])
        return api_key_service_pb2.ExchangeApiKeyResponse(access_token=token)

    async def _unused(self, request: Any, context: Any) -> Any:
        raise Unimplemented

    CreateApiKey = GetApiKey = ListApiKeys = RotateApiKey = DeleteApiKey = _unused


class StreamTokensOfTests(stream_token_service_pb2_grpc.StreamTokenServiceServicer):
    """auth_svc's exchange of stream tokens."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str], str] = {}

    async def ExchangeStreamToken(self, request: Any, context: Any) -> Any:
        if (found := self.known.get((request.token, request.path))) is None:
            raise Unauthenticated("The stream token is not valid.")
        return stream_token_service_pb2.ExchangeStreamTokenResponse(access_token=found)

    async def CreateStreamToken(self, request: Any, context: Any) -> Any:
        raise Unimplemented


class ServiceOfTests(ServiceSettings):
    """Settings of a service of these tests; it borrows the scheduler's name."""

    service = "scheduler"


class Rig:
    """One gateway, one service behind it, one auth_svc, one signer of tokens."""

    def __init__(self, *, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self.clock = clock
        self.mint = TokenMint(clock=clock)
        self.shelf = Shelf()
        self.keys = Keys(self.mint)
        self.stream_tokens = StreamTokensOfTests()
        self.ended = EndedCredentialsOfTests()
        self.tenants: TenantFeed | None = None
        self.sign_ins = SignInsOfTests()
        self.oidc = OidcOfTests(self.sign_ins)
        self.browser_sessions = BrowserSessionsOfTests(self.mint, self.sign_ins, scopes=ALL_SCOPES)
        self.targets: dict[str, str] = {}
        self.alerts = RecordedAlerts()
        self.audited: list[Any] = []
        self.journal = journal_in(folder, clock, send=self._audit)
        self.servers: dict[str, MeshServer] = {}
        self.app: App | None = None
        self.registry = CollectorRegistry()
        ensure_pki(folder=folder / "pki", services=["gateway", "shelf_svc", "auth_svc"], trust_domain="tocsin.local", clock=SystemClock())

    async def _audit(self, entries: Any) -> None:
        self.audited += entries

    def verifier(self) -> TokenVerifier:
        """Verifies the tokens of this rig's signer."""
        return TokenVerifier(
            keys=JwksCache(source=self.mint.fetch, file=None, clock=self.clock), issuer=ISSUER, audience=AUDIENCE, clock=self.clock
        )

    async def serve(self, service: str, *handlers: tuple[Any, Any]) -> None:
        """Starts a service behind the gateway; each handler is what registers it, and itself."""
        pki = self.folder / "pki"
        made = ServiceOfTests(
            state_dir=self.folder,
            grace_seconds=1.0,
            tls_ca_file=pki / "ca.pem",
            tls_cert_file=pki / f"{service}.pem",
            tls_key_file=pki / f"{service}-key.pem",
        )
        settings = no_lame_duck(made)
        server = MeshServer(
            service=service,
            settings=settings,
            clock=self.clock,
            telemetry=Telemetry(service=service, settings=settings),
            mesh=None,
            verifier=self.verifier(),
            breakers=BreakerRegistry(clock=self.clock),
            checks={},
            handlers=handlers,
            methods={**policies(), **contract().policies},
        )
        await server.start()
        self.servers[service] = server
        self.targets[service] = server.address

    async def start(self, **values: Any) -> None:
        """Starts everything; ``values`` are settings of the gateway."""
        await self.serve("shelf_svc", (add_shelf, self.shelf))
        await self.serve(
            "auth_svc",
            (api_key_service_pb2_grpc.add_ApiKeyServiceServicer_to_server, self.keys),
            (stream_token_service_pb2_grpc.add_StreamTokenServiceServicer_to_server, self.stream_tokens),
            (session_service_pb2_grpc.add_SessionServiceServicer_to_server, self.ended),
            (auth_service_pb2_grpc.add_AuthServiceServicer_to_server, self.sign_ins),
            (identity_provider_service_pb2_grpc.add_OidcServiceServicer_to_server, self.oidc),
            (browser_session_service_pb2_grpc.add_BrowserSessionServiceServicer_to_server, self.browser_sessions),
        )
        given: dict[str, Any] = {"state_dir": self.folder, "port": 0, "http_port": 0, "metrics_port": 0, "grace_seconds": 2.0, **values}
        settings = no_lame_duck(GatewaySettings(**given))
        mounts = load_mounts(settings, own=contract)
        telemetry = Telemetry(service="gateway", settings=settings)
        self.registry = telemetry.registry
        breakers = BreakerRegistry(clock=self.clock)
        self.mesh = mesh = Mesh(
            service="gateway",
            settings=settings,
            clock=self.clock,
            telemetry=telemetry,
            breakers=breakers,
            methods={**contract().policies, **mounts.methods},
            targets=self.targets,
            foreign=mounts.services,
        )
        runtime = Runtime(
            telemetry=telemetry,
            mesh=mesh,
            breakers=breakers,
            verifier=self.verifier(),
            alerts=self.alerts,
            journal=self.journal,
            components=[telemetry, mesh, self.journal],
            tenants=self.tenants,
        )
        whole = contract()
        services = ["shelf_svc", "auth_svc"]
        await prepare_state(self.folder, "gateway")
        self.app = assemble(settings, self.clock, contract=whole, services=services, runtime=runtime, mounts=mounts)
        await self.app.start()

    async def stop(self) -> None:
        """Stops everything."""
        if self.app is not None:
            await self.app.stop()
        for server in self.servers.values():
            await server.stop()

    @property
    def running(self) -> App:
        """The gateway."""
        assert self.app is not None
        return self.app

    @property
    def url(self) -> str:
        """Where the gateway speaks HTTP."""
        return self.running.http_url

    def token(self, *scopes: str, **claims: Any) -> str:
        """A token of tenant "acme"; with every scope unless told which."""
        return self.mint.mint(tenant="acme", scopes=scopes or ALL_SCOPES, **claims)

    def client(self, token: str | None = "") -> httpx2.AsyncClient:
        """An HTTP client with a token: one with every scope unless given, none for None."""
        headers = {} if token is None else {"authorization": f"Bearer {token or self.token()}"}
        return httpx2.AsyncClient(base_url=self.url, headers=headers, trust_env=False, timeout=60)


def violations(answer: httpx2.Response) -> list[str]:
    """The fields that a problem document names."""
    return [item["field"] for detail in answer.json()["details"] for item in detail.get("fieldViolations", [])]


def lines(text: str) -> list[Any]:
    """The values of newline-delimited JSON."""
    return [json.loads(line) for line in text.splitlines() if line]
