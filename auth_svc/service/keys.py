"""API keys: what programs sign in with."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from ulid import ULID

from auth_svc.domain import (
    ApiKey,
    ApiKeyRefused,
    Grant,
    Scopes,
    SecurityEvent,
    TokenCaller,
    checked_name,
    digest,
    is_api_key_secret,
    new_api_key_secret,
    require_held,
    shown_prefix,
)
from auth_svc.ports import SecurityLog, Store, TokenSigner
from auth_svc.service.users import require_alive
from tocsin.clock import Clock
from tocsin.errors import InvalidInput


class ApiKeys:
    """Makes, shows, revokes and exchanges keys."""

    def __init__(
        self, *, store: Store, signer: TokenSigner, scopes: Scopes, log: SecurityLog, clock: Clock, access_lifetime: timedelta
    ) -> None:
        self._store = store
        self._signer = signer
        self._scopes = scopes
        self._log = log
        self._clock = clock
        self._access_lifetime = access_lifetime

    async def create(
        self, caller: TokenCaller, *, display_name: str, scopes: Sequence[str], expires: datetime | None
    ) -> tuple[ApiKey, str]:
        """A new key of the caller's tenant, and its secret, which is never shown again.

        Raises:
            InvalidInput: there is no such scope, or the key would have expired already, or outlive the key that makes it.
            ScopeNotHeld: the caller lacks one of the scopes.
            CallerGone: the caller was removed.
        """
        await require_alive(self._store, caller, self._clock)
        for number, scope in enumerate(scopes):
            if scope not in self._scopes.every:
                raise InvalidInput.at(f"scopes[{number}]", f"there is no scope {scope}")
        require_held(scopes, caller.scopes, what="the key")
        now = self._clock.now()
        await self._check_expiry(caller, expires, now)
        secret = new_api_key_secret()
        key = ApiKey(
            id=str(ULID.from_datetime(now)),
            tenant=caller.tenant,
            display_name=_required_name(display_name),
            scopes=frozenset(scopes),
            prefix=shown_prefix(secret),
            created=now,
            expires=expires,
        )
        await self._store.add_key(key, digest=digest(secret))
        self._log.record(SecurityEvent.KEY_CREATED, tenant=key.tenant, subject=key.name, by=caller.subject)
        return key, secret

    async def _check_expiry(self, caller: TokenCaller, expires: datetime | None, now: datetime) -> None:
        if expires is not None and expires <= now:
            raise InvalidInput.at("expireTime", "must be in the future")
        kind, _, name = caller.subject.partition("/")
        if kind != "apiKeys":
            return
        latest = (await self._store.get_key(caller.tenant, name)).expires
        if latest is not None and (expires is None or expires > latest):
            raise InvalidInput.at("expireTime", "must not be later than the expiry of the key that creates it")

    async def key(self, caller: TokenCaller, key: str) -> ApiKey:
        """One key of the caller's tenant.

        Raises:
            ApiKeyNotFound: it has no such key.
        """
        return await self._store.get_key(caller.tenant, key)

    async def keys(self, caller: TokenCaller, *, after: str, limit: int) -> Sequence[ApiKey]:
        """At most ``limit`` keys, the oldest first; those whose ids follow ``after``."""
        return await self._store.list_keys(caller.tenant, after=after, limit=limit)

    async def revoke(self, caller: TokenCaller, key: str) -> None:
        """Revokes a key; tokens that it was exchanged for end by themselves.

        Raises:
            ApiKeyNotFound: the tenant has no such key.
        """
        await self._store.remove_key(caller.tenant, key)
        self._log.record(SecurityEvent.KEY_REVOKED, tenant=caller.tenant, subject=f"apiKeys/{key}", by=caller.subject)

    async def exchange(self, secret: str) -> tuple[str, datetime]:
        """An access token that stands for the key, and when it ends, which is never after the key does.

        Raises:
            ApiKeyRefused: there is no such key, it was revoked, or it has expired.
        """
        found = await self._store.find_key(digest(secret)) if is_api_key_secret(secret) else None
        if found is None:
            self._log.record(SecurityEvent.KEY_REFUSED, why="unknown")
            raise ApiKeyRefused
        key, tenant = found
        now = self._clock.now()
        grant = Grant.until(
            subject=key.name,
            tenant=tenant,
            scopes=self._scopes.of_key(key, tenant),
            now=now,
            lifetime=self._access_lifetime,
            end=key.expires,
        )
        if grant.expires <= now:
            self._log.record(SecurityEvent.KEY_REFUSED, why="expired", tenant=key.tenant, subject=key.name)
            raise ApiKeyRefused("The API key has expired.")
        return self._signer.sign(grant), grant.expires


def _required_name(text: str) -> str:
    name = checked_name(text, field="displayName")
    if not name:
        raise InvalidInput.at("displayName", "must not be empty")
    return name
