"""What signing in by an identity provider needs: a store of providers and links, and the issuers themselves."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from auth_svc.domain import Account, Claims, IdentityProvider, LogoutToken, OidcSignIn, Person, Role, User, UserIdentity


class AdmissionKind(Enum):
    """How somebody whom an issuer vouches for came to a user."""

    KNOWN = "known"
    LINKED = "linked"
    CREATED = "created"


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Somebody was let in. ``before`` is the role that the user had; ``kept``: the last owner of a tenant keeps it."""

    account: Account
    kind: AdmissionKind
    before: Role
    kept: bool = False


class IdentityStore(Protocol):
    """Identity providers, sign-ins under way, and links of users to issuers. Every method is one transaction."""

    async def add_identity_provider(self, provider: IdentityProvider, *, most: int) -> None:
        """Stores a provider.

        Raises:
            IdentityProviderExists: the installation has one with its id.
            IdentityProvidersFull: the tenant has ``most`` already.
        """
        ...

    async def get_identity_provider(self, tenant: str, provider: str) -> IdentityProvider:
        """A provider of a tenant.

        Raises:
            IdentityProviderNotFound: it has no such provider.
        """
        ...

    async def find_identity_provider(self, provider: str) -> IdentityProvider | None:
        """A provider of any tenant."""
        ...

    async def list_identity_providers(self, tenant: str, *, after: str, limit: int) -> Sequence[IdentityProvider]:
        """The first ``limit`` providers of a tenant whose id is greater than ``after``, by id."""
        ...

    async def listed_identity_providers(self) -> Sequence[IdentityProvider]:
        """The providers of the operator's tenant that the sign-in page shows, by name."""
        ...

    async def change_identity_provider(self, provider: IdentityProvider, *, seen: datetime) -> bool:
        """Replaces a provider that last changed at ``seen``; one that is disabled ends its sessions. False: it has changed meanwhile."""
        ...

    async def remove_identity_provider(self, tenant: str, provider: str) -> None:
        """Removes a provider with its sign-ins, and ends its sessions.

        Raises:
            IdentityProviderNotFound: it has no such provider.
        """
        ...

    async def begin_oidc(self, sign_in: OidcSignIn, *, state: str) -> None:
        """Keeps a sign-in under the digest of its state."""
        ...

    async def take_oidc(self, state: str, *, now: datetime) -> OidcSignIn | None:
        """The sign-in of this digest, which is gone with that; None if there is none that has not expired."""
        ...

    async def purge_oidc(self, now: datetime) -> None:
        """Deletes the sign-ins and the logout tokens that have expired."""
        ...

    async def admit(
        self, provider: IdentityProvider, person: Person, *, role: Role, identity: UserIdentity, new: User | None, now: datetime
    ) -> Admission:
        """The user of a person: who is linked, or has the same address (if the provider links), or else ``new``; with ``role`` from now on.

        ``identity`` is the link, if it has to be made; its user is not read.

        Raises:
            NotAdmitted: there is none.
        """
        ...

    async def end_identity_sessions(self, tenant: str, issuer: str, subject: str) -> Sequence[str]:
        """Ends the sessions that an issuer's word began for a subject; which ones."""
        ...

    async def end_issuer_sessions(self, provider: IdentityProvider, token: LogoutToken, *, now: datetime) -> Sequence[str] | None:
        """Ends the sessions that the word of ``provider`` began and ``token`` names, and what was about to become one; which ones.

        None: the token was used before.
        """
        ...

    async def list_identities(self, tenant: str, user: str, *, limit: int) -> Sequence[UserIdentity]:
        """By what a user signs in, the oldest first.

        Raises:
            UserNotFound: the tenant has no such user.
        """
        ...

    async def add_identity(self, identity: UserIdentity) -> None:
        """Links a user.

        Raises:
            IdentityTaken: a user of the tenant is linked to the subject.
        """
        ...

    async def remove_identity(self, tenant: str, user: str, identity: str) -> UserIdentity:
        """Ends a link, and the sessions that it began.

        Raises:
            IdentityNotFound: the user has no such link.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeProof:
    """What goes with a code to the token endpoint, and what the answer has to fit.

    Attributes:
        verifier: of PKCE.
        nonce: of the sign-in.
        redirect_uri: that the browser came back to.
        began: when the sign-in began.
    """

    verifier: str
    nonce: str
    redirect_uri: str
    began: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerReport:
    """What an issuer says of itself; see TestIdentityProviderResponse."""

    usable: bool
    findings: Sequence[str]
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    jwks_uri: str = ""
    userinfo_endpoint: str = ""
    end_session_endpoint: str = ""
    algorithms: Sequence[str] = ()
    keys: int = 0
    client_authentication: str = ""
    names_itself: bool = False


class Issuers(Protocol):
    """The issuers, which are strangers: slow, large, wrong, or not there. Each costs its own sign-ins alone."""

    def check_issuer(self, issuer: str) -> str:
        """Why nothing may ever be asked of this issuer; empty: it may."""
        ...

    async def authorization_url(self, provider: IdentityProvider, *, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """Where the browser goes.

        Raises:
            IssuerUnavailable: the issuer does not say.
        """
        ...

    async def check_issuer_parameter(self, provider: IdentityProvider, issuer: str | None) -> None:
        """Returns if the browser was sent back by this issuer, as far as it says so (RFC 9207, 2.4).

        Raises:
            IssuerAnswerRefused: another one did, or one that should say so did not.
            IssuerUnavailable: the issuer does not say what it does.
        """
        ...

    async def redeem(self, provider: IdentityProvider, *, secret: str, code: str, proof: CodeProof) -> Claims:
        """What the issuer says of whoever brought ``code``.

        Raises:
            IssuerAnswerRefused: the code is not taken, or the answer cannot be trusted.
            IssuerUnavailable: no answer came that could be read.
        """
        ...

    async def logout_token(self, provider: IdentityProvider, token: str) -> LogoutToken:
        """Whom the issuer has signed out.

        Raises:
            LogoutTokenRefused: it is not its word, or not for this installation and this moment.
            IssuerUnavailable: its keys cannot be had.
        """
        ...

    async def end_session_url(self, provider: IdentityProvider, *, return_to: str) -> str:
        """Where a browser signs out at the issuer; empty if it has no such place."""
        ...

    async def inspect(self, provider: IdentityProvider, *, secret: bool) -> IssuerReport:
        """What the issuer says of itself, asked anew."""
        ...

    def circuit(self, provider: IdentityProvider) -> str:
        """The state of its circuit breaker."""
        ...

    def forget(self, provider: IdentityProvider) -> None:
        """Asks it anew the next time: it has changed, or is gone."""
        ...
