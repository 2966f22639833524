"""Roles: those that every tenant has, and sets of scopes that a tenant puts together itself (pure)."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tocsin.errors import InvalidInput

MOST_ROLES: Final = 100
"""Roles that a tenant may have of its own."""

_ID: Final = re.compile(r"[a-z][a-z0-9-]{0,62}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """What a user or a service account may do.

    Attributes:
        id: "owner", "admin", "operator", "viewer", or that of a role of the tenant's own.
        scopes: of a role of the tenant's own; none of the others, whose scopes `Scopes.of` knows.
    """

    id: str
    scopes: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """Resource name."""
        return f"roles/{self.id}"


OWNER: Final = Role(id="owner")
ADMIN: Final = Role(id="admin")
OPERATOR: Final = Role(id="operator")
VIEWER: Final = Role(id="viewer")
BUILT_IN: Final = {role.id: role for role in (OWNER, ADMIN, OPERATOR, VIEWER)}
"""The roles that every tenant has, by id; the one that may most comes first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomRole:
    """A role of a tenant's own. ``created`` is when it was made, ``updated`` when it was last changed."""

    id: str
    tenant: str
    display_name: str
    description: str
    scopes: frozenset[str]
    created: datetime
    updated: datetime

    @property
    def role(self) -> Role:
        """It as somebody has it."""
        return Role(id=self.id, scopes=self.scopes)

    @property
    def name(self) -> str:
        """Resource name."""
        return self.role.name


def checked_role_id(text: str, *, field: str) -> str:
    """The id of a new role.

    Raises:
        InvalidInput: it is none, or that of a role that every tenant has.
    """
    if not _ID.match(text):
        raise InvalidInput.at(field, "must be roles/ and up to 63 lower-case letters, digits and dashes, a letter first")
    if text in BUILT_IN:
        raise InvalidInput.at(field, f"every tenant has roles/{text} already")
    return text
