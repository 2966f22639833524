"""Tokens that work once."""

from datetime import timedelta

from auth_svc.domain import OneTimeToken, OneTimeTokenVoid, TokenPurpose, digest, new_one_time_token
from auth_svc.ports import OneTimeStore
from tocsin.clock import Clock


class OneTimeTokens:
    """Makes, reads and uses up tokens of one purpose each. Only their digests are kept.

    Where using a token and what it is for belong into one transaction, a method of the store does both
    (`auth_svc.store.one_time.spend_token`).
    """

    def __init__(self, *, store: OneTimeStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def make(self, purpose: TokenPurpose, *, subject: str, tenant: str, lifetime: timedelta, holder: str = "") -> str:
        """A new token for ``subject``; whoever has it may do what ``purpose`` says, once. Of a ``holder`` it works for that one alone."""
        now, secret = self._clock.now(), new_one_time_token()
        token = OneTimeToken(purpose=purpose, tenant=tenant, subject=subject, created=now, expires=now + lifetime)
        await self._store.add_one_time(token, digest=held_digest(secret, holder))
        return secret

    async def read(self, purpose: TokenPurpose, secret: str, *, holder: str = "") -> OneTimeToken:
        """What a token stands for, without using it.

        Raises:
            OneTimeTokenVoid: it may not be used, or not for this, or not by this holder.
        """
        return _required(await self._store.find_one_time(purpose, held_digest(secret, holder), now=self._clock.now()))

    async def use(self, purpose: TokenPurpose, secret: str) -> OneTimeToken:
        """What a token stands for; neither it nor another of its purpose and subject works again.

        Raises:
            OneTimeTokenVoid: it may not be used, or not for this.
        """
        return _required(await self._store.use_one_time(purpose, digest(secret), now=self._clock.now()))

    async def withdraw(self, purpose: TokenPurpose, subject: str) -> None:
        """The tokens of this purpose and subject work no more."""
        await self._store.withdraw_one_time(purpose, subject, now=self._clock.now())


def held_digest(secret: str, holder: str) -> str:
    """What is stored of a token that works for ``holder`` alone; empty: for whoever has it."""
    return digest(f"{secret}\0{holder}" if holder else secret)


def _required(token: OneTimeToken | None) -> OneTimeToken:
    if token is None:
        raise OneTimeTokenVoid
    return token
