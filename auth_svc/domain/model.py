"""Who there is: users, sessions, API keys, and what their tokens say (pure)."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final

from auth_svc.domain.errors import UsersOnly
from auth_svc.domain.factors import FRESH, Proof
from auth_svc.domain.roles import Role
from auth_svc.domain.tenants import Tenant
from tocsin.alerts import Alert

_LAST: Final = datetime.max.replace(tzinfo=UTC)


class SecurityEvent(Enum):
    """What the security log tells; the values are stable names that alerts may rely on."""

    BOOTSTRAPPED = "auth.bootstrapped"
    REGISTERED = "auth.registered"
    LOGIN_SUCCEEDED = "auth.login.succeeded"
    LOGIN_FAILED = "auth.login.failed"
    LOGIN_DELAYED = "auth.login.delayed"
    SESSION_REFRESHED = "auth.session.refreshed"
    SESSION_REFUSED = "auth.session.refused"
    SESSION_REVOKED = "auth.session.revoked"
    REFRESH_REUSED = "auth.refresh.reused"
    KEY_CREATED = "auth.key.created"
    KEY_REVOKED = "auth.key.revoked"
    KEY_REFUSED = "auth.key.refused"
    KEY_ROTATED = "auth.key.rotated"
    KEY_EXPIRING = "auth.key.expiring"
    STREAM_TOKEN_REFUSED = "auth.stream_token.refused"  # noqa: S105 - a name
    USER_CREATED = "auth.user.created"
    USER_REMOVED = "auth.user.removed"
    USER_CHANGED = "auth.user.changed"
    USER_DEACTIVATED = "auth.user.deactivated"
    USER_REACTIVATED = "auth.user.reactivated"
    ROLE_CREATED = "auth.role.created"
    ROLE_CHANGED = "auth.role.changed"
    ROLE_REMOVED = "auth.role.removed"
    INVITATION_CREATED = "auth.invitation.created"
    INVITATION_RESENT = "auth.invitation.resent"
    INVITATION_REVOKED = "auth.invitation.revoked"
    INVITATION_ACCEPTED = "auth.invitation.accepted"
    SERVICE_ACCOUNT_CREATED = "auth.service_account.created"
    SERVICE_ACCOUNT_CHANGED = "auth.service_account.changed"
    SERVICE_ACCOUNT_REMOVED = "auth.service_account.removed"
    TENANT_CHANGED = "auth.tenant.changed"
    TENANT_SUSPENDED = "auth.tenant.suspended"
    TENANT_RESUMED = "auth.tenant.resumed"
    TENANT_QUOTAS_SET = "auth.tenant.quotas_set"
    TENANT_CREATED = "auth.tenant.created"
    TENANT_DELETED = "auth.tenant.deleted"
    TENANT_UNDELETED = "auth.tenant.undeleted"
    TENANT_PURGE_BEGUN = "auth.tenant.purge_begun"
    TENANT_PURGED = "auth.tenant.purged"
    PASSWORD_CHANGED = "auth.password.changed"  # noqa: S105  the name of an event
    PASSWORD_RESET = "auth.password.reset"  # noqa: S105  likewise
    RESET_REQUESTED = "auth.password.reset.requested"
    REGISTRATION_REQUESTED = "auth.registration.requested"
    PROVIDER_CREATED = "auth.identity_provider.created"
    PROVIDER_CHANGED = "auth.identity_provider.changed"
    PROVIDER_REMOVED = "auth.identity_provider.removed"
    IDENTITY_LINKED = "auth.identity.linked"
    IDENTITY_UNLINKED = "auth.identity.unlinked"
    OIDC_REFUSED = "auth.oidc.refused"
    OIDC_FAILED = "auth.oidc.failed"
    OIDC_SIGNED_OUT = "auth.oidc.signed_out"
    OIDC_LOGOUT_REFUSED = "auth.oidc.logout_refused"
    ADDRESS_VERIFIED = "auth.address.verified"
    ADDRESS_CHANGE_REQUESTED = "auth.address.change_requested"
    ADDRESS_CHANGED = "auth.address.changed"
    ADDRESS_REVERTED = "auth.address.reverted"
    ALERT_POLICY_SET = "auth.alert_policy.set"
    SESSIONS_REVOKED = "auth.sessions.revoked"
    LINK_CREATED = "auth.link.created"
    CHALLENGED = "auth.second_factor.challenged"
    FACTOR_ADDED = "auth.factor.added"
    FACTOR_RENAMED = "auth.factor.renamed"
    FACTOR_REMOVED = "auth.factor.removed"
    FACTORS_RESET = "auth.factors.reset"
    FACTOR_USED = "auth.factor.used"
    FACTOR_REFUSED = "auth.factor.refused"
    PASSKEY_CLONED = "auth.passkey.cloned"
    RECOVERY_CODES_MADE = "auth.recovery_codes.made"
    RECOVERY_CODE_USED = "auth.recovery_code.used"
    REAUTHENTICATED = "auth.session.reauthenticated"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person of a tenant.

    ``email`` and ``username`` sign in; one of them may be empty. They are as the person writes them; `sign_in_key` tells whether two are
    the same. ``locale`` is the language of mails to the person; empty: English. ``verified`` is when the person showed that mail to the
    address arrives; None: not yet. ``deactivated`` is since when the person can do nothing; None: it can.
    """

    id: str
    tenant: str
    email: str
    username: str = ""
    display_name: str
    role: Role
    created: datetime
    locale: str = ""
    verified: datetime | None = None
    deactivated: datetime | None = None

    @property
    def name(self) -> str:
        """Resource name."""
        return f"users/{self.id}"

    @property
    def active(self) -> bool:
        """Whether the person may sign in."""
        return self.deactivated is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What signing in needs: the user, the tenant and the password's hash."""

    user: User
    tenant: Tenant
    password_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientFacts:
    """What is known of the program at the other end: its network address, and what it calls itself; empty where nobody knows."""

    address: str = ""
    agent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """Somebody who registers, until the address is confirmed."""

    id: str
    email: str
    username: str
    display_name: str
    tenant_display_name: str
    locale: str
    password_hash: str
    created: datetime
    expires: datetime

    @property
    def name(self) -> str:
        """Resource name."""
        return f"registrations/{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A family of refresh tokens: what one sign-in began.

    Attributes:
        scopes: what was asked for; none means all that the user has.
        last_used: when it was last continued; None: never.
        ends: when it ends at the latest; None: an earlier version began it.
        client: who continued it last.
        proof: by what its user has shown last who they are.
        proven: when that was; None: an earlier version began it.
        provider: id of the identity provider whose word began it; empty: none.
        issuer: of that provider, as it was then.
        issuer_session: what that issuer calls the session that it has of the user, as `issuer_session` keeps it; empty: nobody knows.
        browser: whether a browser has it, in a cookie, instead of a refresh token.
    """

    id: str
    tenant: str
    user: str
    scopes: frozenset[str]
    created: datetime
    last_used: datetime | None = None
    ends: datetime | None = None
    client: ClientFacts = field(default_factory=ClientFacts)
    browser: bool = False
    proof: Proof = Proof.PASSWORD
    proven: datetime | None = None

    def fresh(self, now: datetime) -> bool:
        """Whether its user has shown not long ago who they are."""
        return now - (self.proven or self.created) <= FRESH

    provider: str = ""
    issuer: str = ""
    issuer_session: str = ""

    def end(self, longest: timedelta) -> datetime:
        """When it ends, however often it is continued; ``longest`` is how long any session lasts."""
        latest = self.created + min(longest, _LAST - self.created)  # a stored row may say any time
        return latest if self.ends is None else min(latest, self.ends)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key that programs sign in with.

    Attributes:
        owner: "users/…" or "serviceAccounts/…" whose key it is: it can do what its owner can, and ends with it.
        maker: "users/…" or "apiKeys/…" of who made it; empty if an earlier version did.
        scopes: what it carries, as far as its owner has it.
        prefix: beginning of its secret.
        expires: when it ends; None: never.
        previous_expires: when the secret before the last rotation works no more; None: there is none.
        last_used: when it was last exchanged, within minutes; None: not yet.
        last_address: where from; empty if nobody knows.
        warned: days before its end of the last warning; None: none was due yet.
    """

    id: str
    tenant: str
    owner: str
    maker: str = ""
    display_name: str
    scopes: frozenset[str]
    prefix: str
    created: datetime
    expires: datetime | None
    previous_expires: datetime | None = None
    last_used: datetime | None = None
    last_address: str = ""
    warned: int | None = None

    @property
    def name(self) -> str:
        """Resource name."""
        return f"apiKeys/{self.id}"

    def expired(self, now: datetime) -> bool:
        """Whether it works no more."""
        return self.expires is not None and self.expires <= now


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAlert:
    """A security alert as it is kept. ``updated`` is when it was last counted here, in microseconds since 1970."""

    id: str
    alert: Alert
    updated: int

    @property
    def name(self) -> str:
        """Resource name."""
        return f"security/alerts/{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedCredential:
    """A session or an API key that is gone: "sessions/…" or "apiKeys/…".

    ``ended`` is when, in microseconds since 1970 on the database's clock; ``used`` is when its last use was noted.
    """

    name: str
    ended: int
    used: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedCredential:
    """A session or an API key of which tokens may say more, or less, than it may do by now.

    ``changed`` is when, in microseconds since 1970 on the database's clock.
    """

    name: str
    changed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCaller:
    """Who asks, as the verified token says; ``session`` is empty of the token of an API key."""

    tenant: str
    subject: str
    scopes: frozenset[str]
    session: str = ""

    @property
    def user(self) -> str:
        """The id of the user who asks.

        Raises:
            UsersOnly: it is an API key.
        """
        kind, _, identity = self.subject.partition("/")
        if kind != "users":
            raise UsersOnly
        return identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What an access token says; ``session`` is empty unless it is of one, ``called`` is what people call the subject."""

    subject: str
    tenant: str
    scopes: frozenset[str]
    time_zone: str
    issued: datetime
    expires: datetime
    session: str = ""
    called: str = ""

    @classmethod
    def until(
        cls,
        *,
        subject: str,
        tenant: Tenant,
        scopes: frozenset[str],
        now: datetime,
        lifetime: timedelta,
        end: datetime | None,
        session: str = "",
        called: str = "",
    ) -> "Grant":
        """A grant of ``lifetime`` that does not outlive ``end``. Whole seconds, as NumericDate is usually read: ``end`` is cut off."""
        issued = now.replace(microsecond=0)
        latest = issued + lifetime
        expires = latest if end is None else min(latest, end.replace(microsecond=0))
        return cls(
            subject=subject,
            tenant=tenant.id,
            scopes=scopes,
            time_zone=tenant.time_zone,
            issued=issued,
            expires=expires,
            session=session,
            called=called,
        )
