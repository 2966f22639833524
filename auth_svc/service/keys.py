"""API keys: what programs sign in with."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from ulid import ULID

from auth_svc.domain import (
    OWNERSHIP,
    ApiKey,
    ApiKeyRefused,
    CallerGone,
    Grant,
    SecurityEvent,
    ServiceAccountNotFound,
    TokenCaller,
    UserNotFound,
    checked_name,
    digest,
    is_api_key_secret,
    new_api_key_secret,
    require_held,
    shown_prefix,
)
from auth_svc.ports import HeldKey, SecurityLog, Store, TokenSigner
from auth_svc.service.authorizer import Authorizer
from auth_svc.service.key_uses import KeyUses
from auth_svc.service.key_warnings import days_warned
from tocsin.clock import Clock
from tocsin.errors import InvalidInput

OVERLAP: Final = timedelta(days=1)
"""How long the secret of before a rotation works, unless it is said."""
LONGEST_OVERLAP: Final = timedelta(days=30)
_SERVICE_ACCOUNTS: Final = "serviceAccounts/"


class ApiKeys:
    """Makes, shows, rotates, revokes and exchanges keys."""

    def __init__(
        self,
        *,
        store: Store,
        signer: TokenSigner,
        authorizer: Authorizer,
        uses: KeyUses,
        log: SecurityLog,
        clock: Clock,
        access_lifetime: timedelta,
    ) -> None:
        self._store = store
        self._signer = signer
        self._authorizer = authorizer
        self._uses = uses
        self._log = log
        self._clock = clock
        self._access_lifetime = access_lifetime

    async def create(
        self, caller: TokenCaller, *, display_name: str, scopes: Sequence[str], expires: datetime | None, owner: str = ""
    ) -> tuple[ApiKey, str]:
        """A new key of the caller's tenant, and its secret, which is never shown again.

        Args:
            caller: who asks.
            display_name: what it is for.
            scopes: what it carries.
            expires: when it ends; None: never.
            owner: "serviceAccounts/…" of the tenant; empty: that of the caller.

        Raises:
            InvalidInput: there is no such scope or owner, or the key would have expired already, or outlive the key that makes it.
            ScopeNotHeld: the caller lacks one of the scopes.
            CallerGone: the caller was removed.
        """
        self._require_known(scopes)
        require_held(scopes, await self._authorizer.held(caller), what="the key")
        now = self._clock.now()
        maker = await self._making_key(caller)
        _check_expiry(maker, expires, now)
        whose = await self._owner(caller, maker, owner, scopes)
        secret = new_api_key_secret()
        key = ApiKey(
            id=str(ULID.from_datetime(now)),
            tenant=caller.tenant,
            owner=whose,
            maker=caller.subject,
            display_name=_required_name(display_name),
            scopes=frozenset(scopes),
            prefix=shown_prefix(secret),
            created=now,
            expires=expires,
            warned=days_warned(expires, now),
        )
        await self._add(key, secret, chosen=bool(owner))
        self._log.record(SecurityEvent.KEY_CREATED, tenant=key.tenant, subject=key.name, owner=key.owner, by=caller.subject)
        return key, secret

    async def _add(self, key: ApiKey, secret: str, *, chosen: bool) -> None:
        """Stores a key; ``chosen``: its owner is not who asks."""
        try:
            await self._store.add_key(key, digest=digest(secret))
        except (UserNotFound, ServiceAccountNotFound):
            if chosen:
                raise InvalidInput.at("owner", "there is no such service account that is active") from None
            raise CallerGone from None

    def _require_known(self, scopes: Sequence[str]) -> None:
        for number, scope in enumerate(scopes):
            if scope not in self._authorizer.scopes:
                raise InvalidInput.at(f"scopes[{number}]", f"there is no scope {scope}")

    async def _making_key(self, caller: TokenCaller) -> HeldKey | None:
        """The key that asks, if it is one."""
        kind, _, name = caller.subject.partition("/")
        return await self._store.held_key(caller.tenant, name) if kind == "apiKeys" else None

    async def _owner(self, caller: TokenCaller, maker: HeldKey | None, owner: str, scopes: Sequence[str]) -> str:
        """Whose a new key is: nobody makes one that acts as another person."""
        own = caller.subject if maker is None else maker.key.owner
        if owner in ("", own):
            return own
        if not owner.startswith(_SERVICE_ACCOUNTS):
            raise InvalidInput.at("owner", "must be you, or a service account of the tenant")
        try:
            account = await self._store.get_service_account(caller.tenant, owner.removeprefix(_SERVICE_ACCOUNTS))
        except ServiceAccountNotFound:
            raise InvalidInput.at("owner", "there is no such service account") from None
        role = self._authorizer.scopes.of(account.role, await self._store.get_tenant(caller.tenant))
        for number, scope in enumerate(scopes):
            if scope not in role:
                raise InvalidInput.at(f"scopes[{number}]", f"{account.role.name}, the role of {owner}, does not have {scope}")
        return account.name

    async def key(self, caller: TokenCaller, key: str) -> ApiKey:
        """One key of the caller's tenant.

        Raises:
            ApiKeyNotFound: it has no such key.
        """
        return await self._store.get_key(caller.tenant, key)

    async def keys(self, caller: TokenCaller, *, owner: str, after: str, limit: int) -> Sequence[ApiKey]:
        """At most ``limit`` keys, of ``owner`` or of all, the oldest first; those whose ids follow ``after``."""
        return await self._store.list_keys(caller.tenant, owner=owner, after=after, limit=limit)

    async def rotate(self, caller: TokenCaller, key: str, *, overlap: timedelta, expires: datetime | None) -> tuple[ApiKey, str]:
        """Gives a key another secret, and shows it; the one of before works for ``overlap``, and for no longer than the key did.

        Raises:
            ApiKeyNotFound: the tenant has no such key, or somebody else rotated it at the same moment.
            InvalidInput: the overlap or the expiry cannot be used.
            ScopeNotHeld: the key carries scopes that the caller lacks.
            CallerGone: the caller was removed.
        """
        if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
            raise InvalidInput.at("overlap", f"must be between 0s and {int(LONGEST_OVERLAP.total_seconds())}s")
        held = await self._store.held_key(caller.tenant, key)
        carried = self._authorizer.scopes.of_key(held.key, held.role, held.tenant)
        # What the key carries beyond what its owner has by now could come back with a role of the owner.
        require_held((carried | held.key.scopes) & self._named(), await self._authorizer.held(caller), what="whoever has the secret")
        now = self._clock.now()
        ends = held.key.expires if expires is None else expires
        _check_expiry(await self._making_key(caller), ends, now)
        secret = new_api_key_secret()
        rotated = await self._store.rotate_key(
            held.key,
            digest=digest(secret),
            prefix=shown_prefix(secret),
            overlap_ends=min(filter(None, (now + overlap, held.key.expires))),
            expires=ends,
            warned=held.key.warned if expires is None else days_warned(ends, now),
        )
        self._log.record(SecurityEvent.KEY_ROTATED, tenant=rotated.tenant, subject=rotated.name, owner=rotated.owner, by=caller.subject)
        return rotated, secret

    def _named(self) -> frozenset[str]:
        return self._authorizer.scopes.every | {OWNERSHIP}

    async def revoke(self, caller: TokenCaller, key: str) -> None:
        """Revokes a key; gateways are told of it.

        Raises:
            ApiKeyNotFound: the tenant has no such key.
        """
        await self._store.remove_key(caller.tenant, key)
        self._log.record(SecurityEvent.KEY_REVOKED, tenant=caller.tenant, subject=f"apiKeys/{key}", by=caller.subject)

    async def exchange(self, secret: str, *, address: str = "") -> tuple[str, datetime]:
        """An access token that stands for the key, and when it ends, which is never after the key does.

        Raises:
            ApiKeyRefused: there is no such key, it was revoked or has expired, or whose it is is deactivated.
        """
        now = self._clock.now()
        found = await self._store.find_key(digest(secret), now=now) if is_api_key_secret(secret) else None
        if found is None:
            self._log.record(SecurityEvent.KEY_REFUSED, why="unknown")
            raise ApiKeyRefused
        key, tenant = found.key, found.tenant
        grant = Grant.until(
            subject=key.name,
            tenant=tenant,
            scopes=self._authorizer.scopes.of_key(key, found.role, tenant),
            now=now,
            lifetime=self._access_lifetime,
            end=found.ends,
            called=key.display_name,
        )
        if grant.expires <= now:
            raise self._refused(key, "expired", "The API key has expired.")
        if not found.active:
            raise self._refused(key, "owner", "Whose API key it is, is deactivated.")
        self._uses.note(key.id, time=now, address=address)
        return self._signer.sign(grant), grant.expires

    def _refused(self, key: ApiKey, why: str, message: str) -> ApiKeyRefused:
        self._log.record(SecurityEvent.KEY_REFUSED, why=why, tenant=key.tenant, subject=key.name)
        return ApiKeyRefused(message)


def _check_expiry(maker: HeldKey | None, expires: datetime | None, now: datetime) -> None:
    if expires is not None and expires <= now:
        raise InvalidInput.at("expireTime", "must be in the future")
    latest = None if maker is None else maker.key.expires
    if latest is not None and (expires is None or expires > latest):
        raise InvalidInput.at("expireTime", "must not be later than the expiry of the key that creates it")


def _required_name(text: str) -> str:
    name = checked_name(text, field="displayName")
    if not name:
        raise InvalidInput.at("displayName", "must not be empty")
    return name
