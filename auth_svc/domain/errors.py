"""What can be wrong (pure)."""

from tocsin.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidInput,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
)


class EmailTaken(AlreadyExists):
    """A user with this email address exists already."""


class UsernameTaken(AlreadyExists):
    """A user with this username exists already."""


class InvalidCredentials(Unauthenticated):
    """The name or the password is wrong."""


class RefreshTokenRefused(Unauthenticated):
    """The refresh token is not valid: sign in again."""


class BrowserSessionEnded(Unauthenticated):
    """The session of this browser has ended: sign in again."""


class ApiKeyRefused(Unauthenticated):
    """The API key is not valid."""


class StreamTokenVoid(Unauthenticated):
    """The stream token is not valid, or has ended."""


class CallerGone(Unauthenticated):
    """The user or API key of this token no longer exists."""


class InvalidScope(InvalidInput):
    """A scope is asked for that the user does not have (RFC 6749, 5.2)."""


class UnsupportedGrantType(InvalidInput):
    """The grant type must be password, refresh_token, second_factor or passkey (RFC 6749, 5.2)."""


class RegistrationClosed(PermissionDenied):
    """Registration is closed; ask an administrator for an account."""


class UsersOnly(PermissionDenied):
    """Only a user has an account and sessions; this is the token of an API key."""


class ScopeNotHeld(PermissionDenied):
    """You cannot grant scopes that you do not have."""


class TooManyAttempts(ResourceExhausted):
    """Too many failed sign-ins for this account; retry later."""


class TenantNotFound(NotFound):
    """There is no such tenant."""


class DeletionNotFound(NotFound):
    """The tenant is not being deleted, and was not."""


class TenantStateRefused(FailedPrecondition):
    """The tenant cannot be brought into this state."""


class UserNotFound(NotFound):
    """There is no such user."""


class SessionNotFound(NotFound):
    """There is no such session."""


class ApiKeyNotFound(NotFound):
    """There is no such API key."""


class AlertReaderUnreached(FailedPrecondition):
    """This leads to nobody now."""


class AlertNotFound(NotFound):
    """There is no such security alert."""


class WrongPassword(InvalidInput):
    """The current password is wrong."""


class AddressMissing(FailedPrecondition):
    """The account has no email address."""


class AddressVerified(FailedPrecondition):
    """The address is confirmed already."""


class AuditLogNotFound(NotFound):
    """There is no such entry in the audit log."""


class LastOwner(FailedPrecondition):
    """The last active owner of a tenant cannot be removed, deactivated, or given another role."""


class UserDeactivated(Unauthenticated):
    """The account is deactivated; ask an administrator of your tenant."""


class OwnersOnly(PermissionDenied):
    """Only an owner of the tenant makes, changes, or removes owners."""


class RoleNotFound(NotFound):
    """There is no such role."""


class RoleExists(AlreadyExists):
    """There is a role of this name already."""


class RoleInUse(FailedPrecondition):
    """Somebody has the role, or is invited to it: give them another one first."""


class RoleBuiltIn(FailedPrecondition):
    """This role is the same in every tenant; it cannot be changed or removed."""


class TooManyRoles(ResourceExhausted):
    """The tenant has as many roles of its own as it may have."""


class InvitationNotFound(NotFound):
    """There is no such invitation."""


class InvitationExists(AlreadyExists):
    """An invitation to this address is open already; it can be sent again, or revoked."""


class InvitationClosed(FailedPrecondition):
    """The invitation was accepted or revoked."""


class TooManyInvitations(ResourceExhausted):
    """Too many invitations of this tenant are open, or were sent within a day; retry later."""


class AlreadyMember(AlreadyExists):
    """Somebody with this email address is in the tenant already."""


class ServiceAccountNotFound(NotFound):
    """There is no such service account."""


class TooManyServiceAccounts(ResourceExhausted):
    """The tenant has as many service accounts as it may have."""


class IdentityProviderNotFound(NotFound):
    """There is no such identity provider."""


class IdentityProviderExists(AlreadyExists):
    """An identity provider with this id exists already."""


class IdentityProvidersFull(ResourceExhausted):
    """The tenant has as many identity providers as it may have."""


class IdentityNotFound(NotFound):
    """The user has no such identity."""


class IdentityTaken(AlreadyExists):
    """A user of the tenant is linked to this subject already."""


class OidcSignInVoid(Unauthenticated):
    """This sign-in cannot be completed: it was used, has expired, or began in another browser. Begin again."""


class IssuerUnavailable(Unavailable):
    """The identity provider does not answer as it should; retry later."""


class IssuerAnswerRefused(Unauthenticated):
    """What the identity provider answered cannot be trusted."""


class LogoutTokenRefused(InvalidInput):
    """The logout token cannot be trusted, or was used before."""


class IssuerDenied(PermissionDenied):
    """The identity provider did not sign you in."""


class NotAdmitted(PermissionDenied):
    """The identity provider knows you, but you have no access here; ask an administrator."""


class PublicUrlMissing(FailedPrecondition):
    """Nobody can come back here from an identity provider: the installation does not know its own URL (TOCSIN_PUBLIC_URL)."""


class PasswordSignInOff(PermissionDenied):
    """This tenant signs in by its identity provider alone."""
