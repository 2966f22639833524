"""Stores sessions."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from auth_svc.domain import Session, Tenant, User


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

    async def open_session(self, session: Session, *, token: str, expires: datetime) -> None:
        """Stores a session with its first refresh token.

        Raises:
            InvalidCredentials: the user was removed meanwhile.
        """
        ...

    async def rotate(self, *, old: str, new: str, now: datetime, expires: datetime) -> Rotated | Refused:
        """Spends ``old`` and stores ``new``. A token that was spent before ends its session: one of its two holders is a thief."""
        ...

    async def close_session(self, token: str) -> Session | None:
        """Ends the session of ``token``; None when there is none."""
        ...

    async def purge(self, before: datetime) -> int:
        """Deletes the refresh tokens that expired before ``before`` and the sessions without any; returns the number of sessions."""
        ...
