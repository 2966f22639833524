"""Stores sessions."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol

from auth_svc.domain import AccountMail, ClientFacts, Proof, Session, Tenant, User


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """A refresh token was spent, and its successor stored."""

    session: Session
    user: User
    tenant: Tenant


class RefreshRefusal(Enum):
    """Why a refresh token was not accepted."""

    UNKNOWN = "unknown"
    EXPIRED = "expired"
    REUSED = "reused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A refresh token was not accepted; when it was spent before, its family is gone. ``session`` is None for an unknown one."""

    why: RefreshRefusal
    session: Session | None


class SessionStore(Protocol):
    """Sessions and their refresh tokens, which are stored as digests. Every method is one transaction."""

    async def open_session(
        self, session: Session, *, token: str, expires: datetime, clients: Collection[str] = (), mail: AccountMail | None = None
    ) -> None:
        """Stores a session with its first refresh token; ``clients`` are known from now on, and ``mail`` tells the user of it.

        Raises:
            InvalidCredentials: the user was removed meanwhile, or the identity provider that vouches for them.
            UserDeactivated: the user is deactivated: no way of signing in leads past this.
        """
        ...

    async def rotate(
        self, *, old: str, new: str, now: datetime, idle: timedelta, longest: timedelta, client: ClientFacts, browser: bool = False
    ) -> Rotated | Refused:
        """Spends ``old`` and stores ``new``, which works for ``idle``, but never beyond the end of the session (`Session.end`).

        With ``browser``, ``new`` is the secret of a cookie, which is used by `use_secret` and never rotated.
        A token that was spent before ends its session: one of its two holders is a thief.
        """
        ...

    async def use_secret(self, secret: str, *, now: datetime, idle: timedelta, longest: timedelta, noted: timedelta) -> Rotated | None:
        """The session of a browser's ``secret``, which works for another ``idle``; None when it has ended or there is none.

        The use is stored if the last one was longer ago than ``noted``.
        """
        ...

    async def sessions_named(self, names: Collection[str]) -> Sequence[Rotated]:
        """Those of the ids ``names`` that there are, of any tenant."""
        ...

    async def close_session(self, token: str) -> Session | None:
        """Ends the session of ``token``; None when there is none."""
        ...

    async def list_sessions(self, tenant: str, user: str, *, before: str, limit: int, now: datetime) -> Sequence[Session]:
        """The first ``limit`` sessions of a user that can be continued, whose id is less than ``before`` (empty: all), the newest first."""
        ...

    async def get_session(self, tenant: str, user: str, session: str) -> Session:
        """One session of a user.

        Raises:
            SessionNotFound: the user has no such session.
        """
        ...

    async def prove_session(self, session: str, proof: Proof, *, now: datetime) -> None:
        """The user of a session has shown again who they are; a session of a second factor stays one."""
        ...

    async def end_session(self, tenant: str, user: str, session: str) -> None:
        """Ends one session of a user.

        Raises:
            SessionNotFound: the user has no such session.
        """
        ...

    async def end_sessions(self, tenant: str, user: str, *, keep: str) -> Sequence[str]:
        """Ends the sessions of a user but ``keep`` (empty: all); which ones."""
        ...

    async def purge(self, before: datetime) -> int:
        """Deletes the refresh tokens that expired before ``before`` and the sessions without any; returns the number of sessions."""
        ...
