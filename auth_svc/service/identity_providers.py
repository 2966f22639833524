"""Identity providers of a tenant, and who signs in by which."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ulid import ULID

from auth_svc.domain import (
    DEFAULT_GROUPS_CLAIM,
    DEFAULT_OIDC_SCOPES,
    OWNER,
    PROVIDERS_MOST,
    IdentityProvider,
    SecurityEvent,
    Tenant,
    TokenCaller,
    UserIdentity,
    checked_domains,
    checked_name,
    is_subject,
)
from auth_svc.ports import IssuerReport, Issuers, SecurityLog, Store
from auth_svc.service.authorizer import Authorizer, require_alive
from tocsin.clock import Clock
from tocsin.egress.urls import parse_url
from tocsin.errors import Aborted, InvalidInput
from tocsin.sealing import Sealer

CHANGEABLE: Final = (
    "display_name", "issuer", "client_id", "client_secret", "scopes", "groups_claim", "role_rules", "default_role", "allowed_domains",
    "create_users", "link_by_email", "listed", "disabled", "session_lifetime", "sign_out_at_issuer",
)  # fmt: skip
"""Fields of a provider that its manager writes."""
IDENTITIES_MOST: Final = 100
_OPENID: Final = "openid"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderDraft:
    """A provider as somebody writes it: ``provider`` in the form of the store, and its secret in the clear; empty: none."""

    provider: IdentityProvider
    secret: str


class IdentityProviders:
    """Adds, shows, changes, removes and tries providers; links users to issuers."""

    def __init__(self, *, store: Store, issuers: Issuers, sealer: Sealer, authorizer: Authorizer, log: SecurityLog, clock: Clock) -> None:
        self._store = store
        self._issuers = issuers
        self._sealer = sealer
        self._authorizer = authorizer
        self._log = log
        self._clock = clock

    async def create(self, caller: TokenCaller, draft: ProviderDraft) -> IdentityProvider:
        """Adds a provider to the caller's tenant.

        Raises:
            InvalidInput: something of it cannot be used.
            ScopeNotHeld: it would give what the caller lacks.
            IdentityProviderExists: its id is in use.
            IdentityProvidersFull: the tenant has enough of them.
            CallerGone: the caller was removed.
        """
        await require_alive(self._store, caller, self._clock)
        tenant = await self._store.get_tenant(caller.tenant)
        now = self._clock.now()
        given = draft.provider
        made = replace(given, id=given.id or str(ULID.from_datetime(now)).lower(), tenant=tenant.id, created=now, updated=now)
        made = self._sealed(self._checked(made, tenant), draft.secret)
        await self._require_authority(caller, tenant, made)
        await self._store.add_identity_provider(made, most=PROVIDERS_MOST)
        self._log.record(SecurityEvent.PROVIDER_CREATED, tenant=tenant.id, subject=made.name, by=caller.subject)
        return made

    async def provider(self, caller: TokenCaller, provider: str) -> IdentityProvider:
        """One provider of the caller's tenant.

        Raises:
            IdentityProviderNotFound: it has no such provider.
        """
        return await self._store.get_identity_provider(caller.tenant, provider)

    async def providers(self, caller: TokenCaller, *, after: str, limit: int) -> Sequence[IdentityProvider]:
        """At most ``limit`` providers, by id; those whose ids follow ``after``."""
        return await self._store.list_identity_providers(caller.tenant, after=after, limit=limit)

    def circuit(self, provider: IdentityProvider) -> str:
        """Whether its issuer answers."""
        return self._issuers.circuit(provider)

    async def change(self, caller: TokenCaller, draft: ProviderDraft, fields: Collection[str]) -> IdentityProvider:
        """Changes ``fields`` (of `CHANGEABLE`) of a provider.

        Raises:
            IdentityProviderNotFound: the tenant has no such provider.
            InvalidInput: something of it cannot be used.
            ScopeNotHeld: it gives, or would give, what the caller lacks: whoever chooses the issuer chooses the people.
            Aborted: somebody else has changed it meanwhile.
            CallerGone: the caller was removed.
        """
        await require_alive(self._store, caller, self._clock)
        tenant = await self._store.get_tenant(caller.tenant)
        before = await self._store.get_identity_provider(tenant.id, draft.provider.id)
        names = {"role_rules": "rules"}
        values = {names.get(name, name): getattr(draft.provider, names.get(name, name)) for name in fields if name != "client_secret"}
        after = self._checked(replace(before, **values, updated=self._clock.now()), tenant)
        if "client_secret" in fields:
            after = self._sealed(after, draft.secret)
        elif before.sealed_secret and after.owner_of_secret != before.owner_of_secret:
            raise InvalidInput.at("identityProvider.clientSecret", "must be given anew for another issuer")
        await self._require_authority(caller, tenant, before)
        await self._require_authority(caller, tenant, after)
        if not await self._store.change_identity_provider(after, seen=before.updated):
            raise Aborted("Somebody else has changed the identity provider; read it again.")
        self._issuers.forget(after)
        self._log.record(
            SecurityEvent.PROVIDER_CHANGED, tenant=tenant.id, subject=after.name, by=caller.subject, fields=",".join(sorted(fields))
        )
        return after

    async def remove(self, caller: TokenCaller, provider: str) -> None:
        """Removes a provider, and ends its sessions.

        Raises:
            IdentityProviderNotFound: the tenant has no such provider.
        """
        found = await self._store.find_identity_provider(provider)  # None as well if nobody can read it: it goes all the same
        await self._store.remove_identity_provider(caller.tenant, provider)
        if found is not None:
            self._issuers.forget(found)
        self._log.record(SecurityEvent.PROVIDER_REMOVED, tenant=caller.tenant, subject=f"identityProviders/{provider}", by=caller.subject)

    async def test(self, caller: TokenCaller, provider: str) -> IssuerReport:
        """What the issuer of a provider says of itself, now.

        Raises:
            IdentityProviderNotFound: the tenant has no such provider.
        """
        found = await self._store.get_identity_provider(caller.tenant, provider)
        report = await self._issuers.inspect(found, secret=bool(found.sealed_secret))
        findings = [*report.findings, *([] if found.roles else ["it gives no role to anybody: set role_rules or default_role"])]
        return replace(report, findings=findings)

    async def identities(self, caller: TokenCaller, user: str) -> Sequence[UserIdentity]:
        """By what a user of the caller's tenant signs in.

        Raises:
            UserNotFound: it has no such user.
        """
        return await self._store.list_identities(caller.tenant, user, limit=IDENTITIES_MOST)

    async def link(self, caller: TokenCaller, user: str, *, issuer: str, subject: str) -> UserIdentity:
        """Links a user to what an issuer calls them.

        Raises:
            UserNotFound: the tenant has no such user.
            ScopeNotHeld: the user has what the caller lacks.
            InvalidInput: no provider has this issuer, or the subject is none.
            IdentityTaken: the subject is linked.
            CallerGone: the caller was removed.
        """
        await require_alive(self._store, caller, self._clock)
        account = await self._store.get_account(caller.tenant, user)
        await self._authorizer.require(caller, account.user.role, account.tenant, what="whoever signs in so")
        known = await self._store.list_identity_providers(caller.tenant, after="", limit=PROVIDERS_MOST)
        if not any(each.issuer == issuer for each in known):
            raise InvalidInput.at("identity.issuer", "must be that of an identity provider of the tenant")
        if not is_subject(subject):
            raise InvalidInput.at("identity.subject", "must have 1 to 255 printable ASCII characters")
        now = self._clock.now()
        made = UserIdentity(
            id=str(ULID.from_datetime(now)), tenant=caller.tenant, user=account.user.id, issuer=issuer, subject=subject, created=now
        )
        await self._store.add_identity(made)
        self._log.record(SecurityEvent.IDENTITY_LINKED, tenant=caller.tenant, subject=account.user.name, by=caller.subject)
        return made

    async def unlink(self, caller: TokenCaller, user: str, identity: str) -> None:
        """Ends a link, and the sessions that it began.

        Raises:
            IdentityNotFound: the user has no such link.
        """
        removed = await self._store.remove_identity(caller.tenant, user, identity)
        self._log.record(SecurityEvent.IDENTITY_UNLINKED, tenant=caller.tenant, subject=f"users/{removed.user}", by=caller.subject)

    def _checked(self, provider: IdentityProvider, tenant: Tenant) -> IdentityProvider:
        """The provider in the form in which it is kept.

        Raises:
            InvalidInput: something of it cannot be used.
        """
        if words := self._issuers.check_issuer(provider.issuer):
            raise InvalidInput.at("identityProvider.issuer", words)
        if not provider.client_id or not (provider.client_id.isascii() and provider.client_id.isprintable()):
            raise InvalidInput.at("identityProvider.clientId", "must have printable ASCII characters")
        if provider.link_by_email and not provider.allowed_domains:
            raise InvalidInput.at("identityProvider.linkByEmail", "needs allowed_domains: an issuer may say any address to be somebody's")
        if provider.listed and not tenant.operator:
            raise InvalidInput.at("identityProvider.listed", "is for providers of the operator's tenant")
        name = checked_name(provider.display_name, field="identityProvider.displayName", default=parse_url(provider.issuer).host[:100])
        return replace(
            provider,
            display_name=name,
            scopes=tuple(dict.fromkeys((_OPENID, *(provider.scopes or DEFAULT_OIDC_SCOPES)))),
            groups_claim=tuple(provider.groups_claim) or DEFAULT_GROUPS_CLAIM,
            rules=tuple(provider.rules),
            allowed_domains=checked_domains(provider.allowed_domains),
        )

    def _sealed(self, provider: IdentityProvider, secret: str) -> IdentityProvider:
        return replace(provider, sealed_secret=self._sealer.seal(secret, owner=provider.owner_of_secret) if secret else "")

    async def _require_authority(self, caller: TokenCaller, tenant: Tenant, provider: IdentityProvider) -> None:
        """Refuses a caller who lacks what the provider gives; one that links by address can be anybody of the tenant."""
        for name in sorted(provider.roles):
            role = await self._authorizer.role(tenant.id, name, field="identityProvider.roleRules")
            await self._authorizer.require(caller, role, tenant, what=f"whoever gets {name}")
        if provider.link_by_email:
            await self._authorizer.require(caller, OWNER, tenant, what="whoever is linked by an address")
