"""Users, roles, keys and invitations, as tests store them."""

from datetime import UTC, datetime, timedelta

from ulid import ULID

from auth_svc.domain import (
    OPERATOR,
    OWNER,
    AccountMail,
    AccountMailKind,
    ApiKey,
    CustomRole,
    Invitation,
    OneTimeToken,
    Role,
    ServiceAccount,
    Tenant,
    TokenPurpose,
    User,
)
from auth_svc.store import AuthStore

NOW = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
LATER = NOW + timedelta(days=30)
SOON = NOW + timedelta(days=7)


def user_of(tenant: str, email: str, role: Role = OWNER) -> User:
    """A user of a tenant."""
    return User(id=str(ULID()), tenant=tenant, email=email, display_name="Ann", role=role, created=NOW)


async def acme(store: AuthStore, email: str = "ann@example.com") -> User:
    """The owner of a new tenant."""
    tenant = Tenant(id=str(ULID()), display_name="Acme", time_zone="UTC", operator=False, created=NOW)
    owner = user_of(tenant.id, email)
    await store.add_tenant(tenant, owner, "hash")
    return owner


def role_of_own(tenant: str, role_id: str = "auditor", *scopes: str) -> CustomRole:
    """A role of a tenant's own."""
    chosen = frozenset(scopes or ("alarms:read",))
    return CustomRole(id=role_id, tenant=tenant, display_name="A", description="d", scopes=chosen, created=NOW, updated=NOW)


def service_account(tenant: str, role: Role = OPERATOR) -> ServiceAccount:
    """A service account of a tenant."""
    return ServiceAccount(id=str(ULID()), tenant=tenant, display_name="ci", description="d", role=role, maker="users/x", created=NOW)


def key_of(tenant: str, owner: str, expires: datetime | None = None) -> ApiKey:
    """An API key of somebody."""
    return ApiKey(
        id=str(ULID()),
        tenant=tenant,
        owner=owner,
        maker=owner,
        display_name="ci",
        scopes=frozenset({"alarms:read", "alarms:write"}),
        prefix="tk_1",
        created=NOW,
        expires=expires,
    )


def invitation_of(tenant: str, email: str = "bob@example.com", role: Role = OPERATOR) -> tuple[Invitation, AccountMail]:
    """An invitation and its mail."""
    made = Invitation(
        id=str(ULID()), tenant=tenant, email=email, role=role, inviter="users/x", locale="de", created=NOW, sent=NOW, expires=SOON
    )
    return made, mail_of(made)


def mail_of(invitation: Invitation) -> AccountMail:
    """A mail with an invitation."""
    kind = AccountMailKind.INVITATION
    return AccountMail(
        id=str(ULID()), kind=kind, address=invitation.email, subject=invitation.name, tenant=invitation.tenant, created=NOW, expires=SOON
    )


async def linked(store: AuthStore, invitation: Invitation, digest: str = "l" * 64) -> str:
    """The digest of a token in a link of an invitation."""
    token = OneTimeToken(purpose=TokenPurpose.INVITATION, tenant=invitation.tenant, subject=invitation.name, created=NOW, expires=SOON)
    await store.add_one_time(token, digest=digest)
    return digest
