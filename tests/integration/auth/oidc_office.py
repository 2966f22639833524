"""Identity providers on a store, with a real issuer on this machine, and time that stands."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from ulid import ULID

from auth_svc.domain import OPERATOR, GroupRole, IdentityProvider, TokenCaller, User, digest
from auth_svc.oidc import HttpIssuers
from auth_svc.service import (
    CHANGEABLE,
    BegunSignIn,
    CompletedSignIn,
    IdentityProviders,
    IssuerLogouts,
    OidcSignIns,
    ProviderDraft,
    ReturnedBrowser,
)
from tests.integration.auth.office import HERE, PASSWORD, Office
from tests.issuer import CLIENT, SECRET, LocalIssuer
from tocsin.egress.addresses import AllowedTargets
from tocsin.mesh.breaker import BreakerRegistry
from tocsin.sealing import Sealer

PUBLIC = "https://tocsin.example"


class OidcOffice:
    """What manages providers, and what signs in by them."""

    def __init__(self, office: Office, issuer: LocalIssuer, *, allowed: str = "127.0.0.1") -> None:
        self.office, self.issuer, self.store, self.clock, self.log = office, issuer, office.store, office.clock, office.log
        self.breakers = BreakerRegistry(clock=office.clock)
        self.issuers = HttpIssuers(allowed=AllowedTargets.parse([allowed]), breakers=self.breakers, clock=office.clock)
        shared: dict[str, Any] = {
            "store": office.store,
            "issuers": self.issuers,
            "sealer": Sealer(lambda: b"k" * 32),
            "authorizer": office.authorizer,
            "log": office.log,
            "clock": office.clock,
        }
        self.providers = IdentityProviders(**shared)
        self.sign_ins = OidcSignIns(**shared, sessions=office.sessions, link=lambda path: f"{PUBLIC}{path}")
        self.logouts = IssuerLogouts(
            store=office.store,
            issuers=self.issuers,
            sessions=office.open_sessions,
            log=office.log,
            clock=office.clock,
            link=lambda path: f"{PUBLIC}{path}",
        )
        self.owner: User
        self.caller: TokenCaller

    async def start(self) -> None:
        """The tenant and its owner."""
        self.owner = await self.office.user("owner@example.com")
        self.caller = self.office.caller(self.owner)

    def draft(self, identity: str = "sso", *, secret: str = SECRET, **more: Any) -> ProviderDraft:
        """A provider as somebody writes it."""
        now = self.clock.now()
        given: dict[str, Any] = {
            "display_name": "Example SSO",
            "issuer": self.issuer.url,
            "client_id": CLIENT,
            "rules": (GroupRole("bosses", "roles/admin"), GroupRole("staff", "roles/operator")),
            "create_users": True,
            **more,
        }
        return ProviderDraft(provider=IdentityProvider(id=identity, tenant="", created=now, updated=now, **given), secret=secret)

    async def provider(self, identity: str = "sso", **more: Any) -> IdentityProvider:
        """A provider of the tenant."""
        return await self.providers.create(self.caller, self.draft(identity, **more))

    async def change(self, identity: str = "sso", **more: Any) -> IdentityProvider:
        """The provider, changed."""
        await self.clock.advance(1)
        names = {"rules": "role_rules"}
        fields = [names.get(name, name) for name in more]
        assert set(fields) <= set(CHANGEABLE)
        return await self.providers.change(self.caller, self.draft(identity, **more), fields)

    async def begin(self, provider: str = "sso", *, return_to: str = "", loopback: str = "", binding: str = "") -> BegunSignIn:
        """A browser sets out."""
        return await self.sign_ins.begin(provider, return_to=return_to, loopback=loopback, binding=binding)

    async def complete(self, begun: BegunSignIn, *, binding: str | None = None, **back: str | None) -> CompletedSignIn:
        """The browser comes back from the issuer; ``back`` changes what it brings."""
        found = self.issuer.authorize(begun.url, **back)
        returned = ReturnedBrowser(
            state=found.get("state", ""),
            code=found.get("code", ""),
            issuer=found.get("iss"),
            error=found.get("error", ""),
            binding=begun.binding if binding is None else binding,
        )
        return await self.sign_ins.complete(returned, client=HERE)

    async def sign_in(self, provider: str = "sso", **back: str | None) -> CompletedSignIn:
        """There and back."""
        return await self.complete(await self.begin(provider), **back)

    async def who(self) -> User:
        """Whose the last token is."""
        grant = self.office.signer.grants[-1]
        return await self.store.get_user(grant.tenant, grant.subject.removeprefix("users/"))

    async def member(self, email: str) -> User:
        """A user of the tenant who has a password."""
        now = self.clock.now()
        made = User(id=str(ULID.from_datetime(now)), tenant=self.owner.tenant, email=email, display_name="", role=OPERATOR, created=now)
        await self.store.add_user(made, digest(PASSWORD))
        return made

    async def again(self) -> None:
        """Time passes until what an issuer said is asked for anew."""
        await self.clock.advance(timedelta(hours=1, seconds=1).total_seconds())


def origin(url: str) -> str:
    """Scheme and host of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
