"""Identity providers as rows."""

import json
from datetime import timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import RowMapping

from auth_svc.domain import GroupRole, IdentityProvider
from tocsin.clock import to_micros
from tocsin.stored import instant, row_reader

_SECOND: Final = timedelta(seconds=1)


def provider_values(provider: IdentityProvider) -> dict[str, Any]:
    """The row of a provider."""
    return {
        "id": provider.id,
        "tenant_id": provider.tenant,
        "display_name": provider.display_name,
        "issuer": provider.issuer,
        "client_id": provider.client_id,
        "client_secret": provider.sealed_secret,
        "default_role": provider.default_role,
        "scopes": json.dumps(list(provider.scopes)),
        "groups_claim": json.dumps(list(provider.groups_claim)),
        "role_rules": json.dumps([[rule.group, rule.role] for rule in provider.rules]),
        "allowed_domains": json.dumps(list(provider.allowed_domains)),
        "create_users": int(provider.create_users),
        "link_by_email": int(provider.link_by_email),
        "listed": int(provider.listed),
        "disabled": int(provider.disabled),
        "sign_out_at_issuer": int(provider.sign_out_at_issuer),
        "session_seconds": None if provider.session_lifetime is None else provider.session_lifetime // _SECOND,
        "created_at": to_micros(provider.created),
        "updated_at": to_micros(provider.updated),
    }


def _texts(column: str) -> tuple[str, ...]:
    """A list of texts in JSON.

    Raises:
        ValueError, TypeError: it holds something else.
    """
    found: object = msgspec.json.decode(column)
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):  # pyright: ignore[reportUnknownVariableType]
        raise TypeError
    return tuple(found)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


@row_reader(lambda row: f"identityProviders/{row['id']}")
def provider_of(row: RowMapping) -> IdentityProvider:
    """The provider of a row; one that cannot be read signs nobody in."""
    return IdentityProvider(
        id=row["id"],
        tenant=row["tenant_id"],
        display_name=row["display_name"],
        issuer=row["issuer"],
        client_id=row["client_id"],
        sealed_secret=row["client_secret"],
        scopes=_texts(row["scopes"]),
        groups_claim=_texts(row["groups_claim"]),
        rules=tuple(GroupRole(str(group), str(role)) for group, role in msgspec.json.decode(row["role_rules"])),
        default_role=row["default_role"],
        allowed_domains=_texts(row["allowed_domains"]),
        create_users=bool(row["create_users"]),
        link_by_email=bool(row["link_by_email"]),
        listed=bool(row["listed"]),
        disabled=bool(row["disabled"]),
        session_lifetime=None if row["session_seconds"] is None else row["session_seconds"] * _SECOND,
        sign_out_at_issuer=bool(row["sign_out_at_issuer"]),
        created=instant(row["created_at"]),
        updated=instant(row["updated_at"]),
    )
