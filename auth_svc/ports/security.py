"""What hashes passwords, signs tokens, and tells what matters to security."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Protocol

from auth_svc.domain import Grant, SecurityEvent, StreamGrant


class PasswordCheck(Enum):
    """What a hasher says about a password."""

    WRONG = "wrong"
    RIGHT = "right"
    OUTDATED = "outdated"  # right, and hashed with parameters that are no longer in force


class PasswordHasher(Protocol):
    """Hashes passwords, slowly and on purpose, beside the event loop."""

    async def hash(self, password: str, *, client: str = "") -> str:
        """The hash, with its parameters and salt, as one text. Clients that want many wait for one another's.

        Raises:
            ResourceExhausted: too many are waiting.
        """
        ...

    async def verify(self, password_hash: str | None, password: str, *, client: str = "") -> PasswordCheck:
        """Whether the password is the one. Without a hash it is wrong, after as much work as with one.

        Raises:
            ResourceExhausted: too many are waiting.
        """
        ...


class TokenSigner(Protocol):
    """Signs access tokens."""

    def sign(self, grant: Grant) -> str:
        """The token that says ``grant``."""
        ...


class StreamTokenCodec(Protocol):
    """Writes and reads stream tokens."""

    def sign(self, stream: StreamGrant) -> str:
        """The token that says ``stream``."""
        ...

    async def read(self, token: str) -> StreamGrant:
        """What a token says.

        Raises:
            Unauthenticated: it is none, or has ended.
        """
        ...


class PublicKeys(Protocol):
    """The keys that verify the platform's tokens."""

    def published(self) -> Sequence[Mapping[str, str]]:
        """JSON Web Keys (RFC 7517, 4), the current one first."""
        ...


class SecurityLog(Protocol):
    """Tells what matters to security, for people and for alerts."""

    def record(self, event: SecurityEvent, **facts: str) -> None:
        """Tells one event. ``facts`` hold names and ids, never a secret and never an address."""
        ...
