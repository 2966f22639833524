"""auth_svc and a gateway's client side, over mTLS on a free port."""

from pathlib import Path
from typing import Any

from auth_svc.config import AuthSettings
from auth_svc.wiring import build
from tests.integration.callers import mesh_of
from tests.integration.starting import no_lame_duck, prepare_state
from tocsin.api.auth.v1 import (
    account_service_pb2_grpc,
    api_key_service_pb2,
    api_key_service_pb2_grpc,
    auth_service_pb2,
    auth_service_pb2_grpc,
    invitation_service_pb2_grpc,
    role_service_pb2_grpc,
    service_account_service_pb2_grpc,
    user_service_pb2_grpc,
)
from tocsin.clock import SystemClock
from tocsin.errors import TocsinError
from tocsin.lifecycle import App
from tocsin.mesh.authority import ensure_pki
from tocsin.testing.clock import FakeClock

PASSWORD = "correct horse battery staple"


def fields(error: TocsinError) -> set[str]:
    """The refused fields."""
    return {violation.field for violation in error.violations}


class TokenCaller:
    """The client side of one service of the mesh."""

    def __init__(self, *, name: str, folder: Path, address: str) -> None:
        self.mesh = mesh_of(name, folder=folder, auth_target=address)
        channel: Any = self.mesh.channel("auth_svc")
        self.auth: Any = auth_service_pb2_grpc.AuthServiceStub(channel)
        self.users: Any = user_service_pb2_grpc.UserServiceStub(channel)
        self.tenant: Any = user_service_pb2_grpc.TenantServiceStub(channel)
        self.keys: Any = api_key_service_pb2_grpc.ApiKeyServiceStub(channel)
        self.roles: Any = role_service_pb2_grpc.RoleServiceStub(channel)
        self.invitations: Any = invitation_service_pb2_grpc.InvitationServiceStub(channel)
        self.programs: Any = service_account_service_pb2_grpc.ServiceAccountServiceStub(channel)
        self.account: Any = account_service_pb2_grpc.AccountServiceStub(channel)


class Rig:
    """A state folder, auth_svc on it, and callers."""

    def __init__(self, *, folder: Path, clock: FakeClock, **settings: Any) -> None:
        self.folder = folder
        self.clock = clock
        quick = {"argon2_memory_kib": 7168, "argon2_iterations": 1, "requests_per_hour": 1000}
        self._settings: dict[str, Any] = {"registration": "unconfirmed", **quick, **settings}
        self.app: App | None = None
        self._callers: list[TokenCaller] = []
        services = ["auth_svc", "gateway", "mailer_svc", "processor_svc", "scheduler_svc"]
        ensure_pki(folder=folder / "pki", services=services, trust_domain="tocsin.local", clock=SystemClock())

    async def start(self, **settings: Any) -> None:
        """Starts auth_svc; ``settings`` are added to those before."""
        self._settings |= settings
        chosen = AuthSettings(state_dir=self.folder, port=0, metrics_port=0, grace_seconds=0, **self._settings)
        await prepare_state(self.folder, "auth_svc")
        self.app = build(no_lame_duck(chosen), self.clock)
        await self.app.start()
        self.gateway = self.caller("gateway")

    async def stop(self) -> None:
        """Stops everything."""
        for caller in self._callers:
            await caller.mesh.stop()
        self._callers.clear()
        if self.app is not None:
            await self.app.stop()

    def caller(self, name: str) -> TokenCaller:
        """The client side of service ``name``."""
        assert self.app is not None
        made = TokenCaller(name=name, folder=self.folder, address=self.app.address)
        self._callers.append(made)
        return made

    def secret(self, name: str) -> str:
        """What the first start wrote."""
        return (self.folder / name).read_text()

    async def register(self, email: str = "ann@example.com") -> auth_service_pb2.RegisterResponse:
        """Registers a tenant."""
        return await self.gateway.auth.Register(auth_service_pb2.RegisterRequest(email=email, password=PASSWORD))

    async def sign_in(self, email: str = "ann@example.com", password: str = PASSWORD, scope: str = "") -> auth_service_pb2.TokenResponse:
        """Signs in."""
        return await self.gateway.auth.IssueToken(auth_service_pb2.IssueTokenRequest(email=email, password=password, scope=scope))

    async def registered(self, email: str = "ann@example.com") -> str:
        """Registers and signs in; the access token."""
        await self.register(email)
        return (await self.sign_in(email)).access_token

    async def exchange(self, secret: str) -> api_key_service_pb2.ExchangeApiKeyResponse:
        """Exchanges a key, as the gateway does."""
        return await self.gateway.keys.ExchangeApiKey(api_key_service_pb2.ExchangeApiKeyRequest(secret=secret))
