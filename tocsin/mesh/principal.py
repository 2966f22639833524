"""Whom a call speaks for, and who says so. How tokens are verified is `tocsin.mesh.tokens`; anybody else's way will do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol, Self

from tocsin.errors import PermissionDenied

_LONGEST_NAME: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A user, or an API key, that a token speaks for.

    Attributes:
        tenant: id of the tenant; every query filters by it.
        subject: "users/<id>" or "apiKeys/<id>".
        scopes: what the token may do.
        time_zone: IANA name of the tenant's time zone.
        token: the token itself, which travels along with every call.
        expires: when it ends.
        session: id of the session that it is of; empty of an API key's.
        claims: all that the token says.
    """

    tenant: str
    subject: str
    scopes: frozenset[str]
    time_zone: str
    token: str
    expires: datetime
    session: str = ""
    claims: Mapping[str, Any] = field(default_factory=dict[str, Any], compare=False, repr=False)

    @property
    def called(self) -> str:
        """What people call the subject (OpenID Connect Core 1.0, 5.1: ``name``); empty if the token does not say."""
        name = self.claims.get("name")
        return name[:_LONGEST_NAME] if isinstance(name, str) else ""


class ScopeMissing(PermissionDenied):
    """The token does not carry the scope that this needs."""

    @classmethod
    def of(cls, scope: str) -> Self:
        """The error for the missing ``scope``."""
        return cls(f"The token does not carry the scope {scope!r}.", metadata={"scope": scope})


class Verifier(Protocol):
    """Says whom a token speaks for."""

    def known(self, token: str) -> Principal | None:
        """The principal of a token that was verified a moment ago."""
        ...

    async def verify(self, token: str) -> Principal:
        """The principal that ``token`` speaks for.

        Raises:
            Unauthenticated: the token is not valid.
        """
        ...
