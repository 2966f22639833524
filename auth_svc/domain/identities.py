"""People whom an identity provider vouches for: providers, their rules, and what claims say (pure)."""

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final, cast

from auth_svc.domain.errors import IssuerAnswerRefused, NotAdmitted
from auth_svc.domain.secrets import digest
from auth_svc.domain.texts import normalize_email, sign_in_key
from tocsin.errors import InvalidInput

PROVIDERS_MOST: Final = 20
"""Identity providers that a tenant may have."""
DEFAULT_OIDC_SCOPES: Final = ("openid", "profile", "email")
DEFAULT_GROUPS_CLAIM: Final = ("groups",)

_SUBJECT_MOST: Final = 255  # OpenID Connect Core, 2: ASCII characters
_GROUPS_MOST: Final = 1000
_NAME_MOST: Final = 100
_RETURN_TO: Final = re.compile(r"/(?![/\\])[!-\[\]-~]*")

Claims = Mapping[str, Any]
"""What an issuer says of somebody."""


class Denial(Enum):
    """Why somebody whom an issuer vouches for is not let in."""

    NO_ROLE = "NO_ROLE"
    NO_USER = "NO_USER"
    NO_ADDRESS = "NO_ADDRESS"
    ADDRESS_TAKEN = "ADDRESS_TAKEN"
    DOMAIN = "DOMAIN"
    GROUPS_ELSEWHERE = "GROUPS_ELSEWHERE"
    DEACTIVATED = "DEACTIVATED"


@dataclass(frozen=True, slots=True)
class GroupRole:
    """A rule: whoever is in ``group`` has ``role`` ("roles/…")."""

    group: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityProvider:
    """An issuer whose word signs people in to a tenant.

    Attributes:
        id: unique in the installation.
        tenant: the one that it signs people in to.
        display_name: for people.
        issuer: its identifier, as it writes it.
        client_id: of this installation at the issuer.
        sealed_secret: the client secret, sealed for `owner_of_secret`; empty of a public client.
        scopes: to ask for.
        groups_claim: names of members, from the outside in, behind which the groups are.
        rules: the first that fits counts.
        default_role: of those whom no rule fits; empty: they are refused.
        allowed_domains: with some, an address in one of them, verified by the issuer, is needed.
        create_users: whether people without a user get one.
        link_by_email: whether a user with the same address is linked.
        listed: whether the sign-in page shows it.
        disabled: whether it signs nobody in.
        session_lifetime: of its sessions; None: that of the installation.
        sign_out_at_issuer: whether a browser that signs out here goes on to the issuer.
        created: when it was made.
        updated: when it last changed.
    """

    id: str
    tenant: str
    display_name: str
    issuer: str
    client_id: str
    sealed_secret: str = field(default="", repr=False)
    scopes: Sequence[str] = DEFAULT_OIDC_SCOPES
    groups_claim: Sequence[str] = DEFAULT_GROUPS_CLAIM
    rules: Sequence[GroupRole] = ()
    default_role: str = ""
    allowed_domains: Sequence[str] = ()
    create_users: bool = False
    link_by_email: bool = False
    listed: bool = False
    disabled: bool = False
    session_lifetime: timedelta | None = None
    sign_out_at_issuer: bool = False
    created: datetime
    updated: datetime

    @property
    def name(self) -> str:
        """Resource name."""
        return f"identityProviders/{self.id}"

    @property
    def owner_of_secret(self) -> str:
        """For whom the secret is sealed: at another issuer it does not open."""
        return f"{self.name} {self.issuer}"

    @property
    def callback_path(self) -> str:
        """Where browsers come back to. Each provider has a path of its own, so that none can pass for another (RFC 9700, 4.4.2.2)."""
        return f"/sign-in/oidc/{self.id}/callback"

    @property
    def logout_path(self) -> str:
        """Where its issuer tells who has signed out (OpenID Connect Back-Channel Logout 1.0, 2.2)."""
        return f"/sign-in/oidc/{self.id}/logout"

    @property
    def roles(self) -> frozenset[str]:
        """The roles that it may give."""
        return frozenset(each for each in (*(rule.role for rule in self.rules), self.default_role) if each)

    def role_of(self, groups: frozenset[str]) -> str:
        """The role of somebody in ``groups``.

        Raises:
            NotAdmitted: there is none.
        """
        found = next((rule.role for rule in self.rules if rule.group in groups), self.default_role)
        if not found:
            raise not_admitted(Denial.NO_ROLE)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody, as an issuer describes them.

    Attributes:
        subject: what the issuer calls them, for ever.
        email: an address that the issuer has verified; else empty.
        name: what people call them; may be empty.
        groups: what role rules compare.
        session: what the issuer calls their session there, as `issuer_session` keeps it; empty if it does not say.
    """

    subject: str
    email: str
    name: str
    groups: frozenset[str]
    session: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerWord:
    """The word of an issuer that somebody is who they say: whose it is, and ``session``, of `Person`."""

    provider: IdentityProvider
    session: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoutToken:
    """Whom an issuer has signed out (OpenID Connect Back-Channel Logout 1.0, 2.4).

    Attributes:
        subject: what it calls them; empty if it names their session alone.
        session: of `Person`; empty: every one that the subject has.
        digest: of what tells the token from every other one of its issuer.
        expires: no such token is taken again after this.
    """

    subject: str
    session: str
    digest: str
    expires: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UserIdentity:
    """What an issuer calls a user. ``used`` is when the user last signed in by it; None: never."""

    id: str
    tenant: str
    user: str
    issuer: str
    subject: str
    created: datetime
    used: datetime | None = None

    @property
    def name(self) -> str:
        """Resource name."""
        return f"users/{self.user}/identities/{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcSignIn:
    """A sign-in that is under way.

    Attributes:
        provider: its id.
        binding: digest of the secret that the browser has.
        redirect_uri: where the browser comes back to.
        return_to: path that the person wants to see then.
        created: when it began.
        expires: when it ends by itself.
    """

    provider: str
    binding: str
    redirect_uri: str
    return_to: str
    created: datetime
    expires: datetime


def not_admitted(why: Denial) -> NotAdmitted:
    """The error for ``why``."""
    return NotAdmitted(metadata={"why": why.value})


def person_of(provider: IdentityProvider, claims: Claims) -> Person:
    """Who the claims describe.

    Raises:
        IssuerAnswerRefused: the subject is no subject.
        NotAdmitted: the groups are not in the claims but elsewhere, or the address does not allow it.
    """
    subject = claims.get("sub")
    if not isinstance(subject, str) or not is_subject(subject):
        raise IssuerAnswerRefused(metadata={"why": "sub"})
    email = _verified_address(claims)
    if provider.allowed_domains:
        if not email:
            raise not_admitted(Denial.NO_ADDRESS)
        if sign_in_key(email).rpartition("@")[2] not in provider.allowed_domains:
            raise not_admitted(Denial.DOMAIN)
    return Person(
        subject=subject,
        email=email,
        name=_name_of(claims),
        groups=groups_of(claims, provider.groups_claim),
        session=issuer_session(claims.get("sid")),
    )


def is_subject(text: str) -> bool:
    """Whether it can be what an issuer calls somebody (OpenID Connect Core, 2)."""
    return 0 < len(text) <= _SUBJECT_MOST and text.isascii() and text.isprintable()


def issuer_session(sid: object) -> str:
    """What is kept of the claim ``sid``, which may be of any length (OpenID Connect Back-Channel Logout 1.0, 2.1); empty if it is none."""
    return hashlib.sha256(sid.encode("utf-8", "replace")).hexdigest() if isinstance(sid, str) and sid else ""


def made_username(provider: IdentityProvider, subject: str) -> str:
    """The username of somebody without an address: nobody else has it, and nobody chooses it."""
    return f"{provider.id[:40]}-{digest(f'{provider.issuer} {subject}')[:16]}"


def groups_of(claims: Claims, path: Sequence[str]) -> frozenset[str]:
    """The texts behind ``path``: one, or those of a list. Whatever else stands there says nothing.

    Raises:
        NotAdmitted: they are too many for a token, and elsewhere (OpenID Connect Core, 5.6.2).
    """
    elsewhere = claims.get("_claim_names")
    found: object = claims
    for member in path:
        found = cast("Mapping[str, object]", found).get(member) if isinstance(found, Mapping) else None
    if found is None and isinstance(elsewhere, Mapping) and path[0] in elsewhere:
        raise not_admitted(Denial.GROUPS_ELSEWHERE)
    several = cast("list[object]", found) if isinstance(found, list) else [found]
    return frozenset(each for each in several[:_GROUPS_MOST] if isinstance(each, str))


def has_claims(claims: Claims, provider: IdentityProvider) -> bool:
    """Whether claims hold all that ``provider`` reads of them, so that nobody has to ask for more."""
    return "email" in claims and provider.groups_claim[0] in claims


def _verified_address(claims: Claims) -> str:
    email, verified = claims.get("email"), claims.get("email_verified")
    if not isinstance(email, str) or len(email) > _SUBJECT_MOST or verified not in (True, "true"):
        return ""
    try:
        return normalize_email(email)
    except InvalidInput:
        return ""


def _name_of(claims: Claims) -> str:
    found = claims.get("name") or claims.get("preferred_username")
    return _shown(found)[:_NAME_MOST].strip() if isinstance(found, str) else ""


def _shown(text: str) -> str:
    """A name without what is no text: controls, halves of pairs, and signs that turn the direction of what follows."""
    return "".join(each for each in text[: 10 * _NAME_MOST] if unicodedata.category(each) not in ("Cc", "Cs", "Cf", "Co", "Zl", "Zp"))


def checked_domains(domains: Sequence[str]) -> tuple[str, ...]:
    """Domains as addresses are compared with them.

    Raises:
        InvalidInput: one is no domain.
    """
    return tuple(_checked_domains(domains))


def _checked_domains(domains: Sequence[str]) -> Iterator[str]:
    for number, domain in enumerate(domains):
        try:
            found = sign_in_key(normalize_email(f"a@{domain}", field=f"identityProvider.allowedDomains[{number}]")).rpartition("@")[2]
        except InvalidInput:
            found = ""
        if not found or ("." not in found):
            raise InvalidInput.at(f"identityProvider.allowedDomains[{number}]", "must be a domain such as example.com")
        yield found


def checked_return_to(text: str) -> str:
    """A path of this installation; never one that a browser takes for another host (WHATWG URL, 4.4: a backslash is a slash).

    Raises:
        InvalidInput: it is something else.
    """
    if not text:
        return "/"
    if not _RETURN_TO.fullmatch(text):
        raise InvalidInput.at("returnTo", "must be a path of this installation, such as /alarms, with other characters as %XX")
    return text
