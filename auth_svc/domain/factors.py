"""What people prove who they are with besides a password: authenticator apps, passkeys, recovery codes (pure)."""

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from tocsin.errors import AlreadyExists, FailedPrecondition, NotFound, PermissionDenied, ResourceExhausted, Unauthenticated

MOST_FACTORS: Final = 20
"""Factors that a user may have."""
RECOVERY_CODES: Final = 10
"""Recovery codes that a user gets at a time."""
CHALLENGE_LIFETIME: Final = timedelta(minutes=5)
"""How long a challenge may be answered."""
ENROLMENT_LIFETIME: Final = timedelta(minutes=15)
"""How long an authenticator app may be confirmed."""
FRESH: Final = timedelta(minutes=10)
"""How long a proof is good enough to change how one proves who one is (OWASP ASVS 5, 7.5.1)."""
ENROLMENT_SCOPES: Final = frozenset({"account:read", "account:write"})
"""What somebody may do who has to enrol a second factor before anything else."""

_RECOVERY_BYTES: Final = 10
_GROUP: Final = 4


class Proof(Enum):
    """By what somebody has shown who they are."""

    PASSWORD = "PASSWORD"  # noqa: S105  the name of a proof
    LINK = "LINK"
    ISSUER = "ISSUER"
    TOTP = "TOTP"
    PASSKEY = "PASSKEY"
    RECOVERY_CODE = "RECOVERY_CODE"

    @property
    def strong(self) -> bool:
        """Whether it is a second factor, which follows another proof, or is two in itself."""
        return self in _STRONG


_STRONG: Final = frozenset({Proof.TOTP, Proof.PASSKEY, Proof.RECOVERY_CODE})


class FactorKind(Enum):
    """What a factor is."""

    TOTP = "TOTP"
    PASSKEY = "PASSKEY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """An authenticator app (RFC 6238), or a passkey (WebAuthn, level 3).

    Attributes:
        confirmed: False of an app until its first code has come: then it is no factor yet.
        secret: of an app: what it makes codes of, sealed.
        last_step: of an app: the time step of the last code that was taken, which works no more, nor an earlier one.
        credential: of a passkey: its credential id, base64url.
        public_key: of a passkey: its key (COSE_Key, RFC 9052), base64url.
        sign_count: of a passkey: what its counter said last; 0 if it counts nothing.
        transports: of a passkey: how a browser reaches it, as in "internal".
        synced: of a passkey: whether it is kept on several devices of its owner.
    """

    id: str
    tenant: str
    user: str
    kind: FactorKind
    display_name: str
    created: datetime
    last_used: datetime | None = None
    confirmed: bool = True
    secret: str = ""
    last_step: int = 0
    credential: str = ""
    public_key: str = ""
    sign_count: int = 0
    transports: Sequence[str] = ()
    synced: bool = False

    @property
    def name(self) -> str:
        """Resource name."""
        return f"factors/{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorUse:
    """One use of a factor, which works once.

    Attributes:
        proof: what was shown.
        tenant: of the user.
        user: whose it is.
        factor: id of the factor; empty of a recovery code.
        step: of a code of an app: its time step.
        sign_count: of a passkey: what its counter says now.
        digest: of a recovery code.
    """

    proof: Proof
    tenant: str
    user: str
    factor: str = ""
    step: int = 0
    sign_count: int = 0
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PasskeyAssertion:
    """What a passkey has signed, as far as it is needed."""

    credential: str
    user_handle: str
    sign_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPasskey:
    """A passkey that a browser has made."""

    credential: str
    public_key: str
    sign_count: int
    transports: Sequence[str]
    synced: bool


class SecondFactorRequired(Unauthenticated):
    """A second factor is required: answer the challenge."""


class SecondFactorRefused(Unauthenticated):
    """The code or the passkey is wrong."""


class ChallengeVoid(Unauthenticated):
    """The challenge works no more: begin again."""


class FreshProofRequired(PermissionDenied):
    """Prove first who you are (POST /v1/account:reauthenticate): the last proof of this session is more than ten minutes old."""


class FactorNotFound(NotFound):
    """There is no such factor."""


class TooManyFactors(ResourceExhausted):
    """You have as many factors as one may have: delete one first."""


class PasskeyTaken(AlreadyExists):
    """This passkey is enrolled already."""


class LastFactor(FailedPrecondition):
    """The tenant requires a second factor, and this is your last one: add another one first."""


class PasskeysUnavailable(FailedPrecondition):
    """There are no passkeys here: the operator has to say at which address people reach Tocsin (TOCSIN_PUBLIC_URL)."""


def new_recovery_codes() -> Sequence[str]:
    """Codes of 80 random bits each, for people to keep on paper: "ABCD-EFGH-IJKL-MNOP" (base32, RFC 4648)."""
    return [_grouped(base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode()) for _ in range(RECOVERY_CODES)]


def plain_code(typed: str) -> str:
    """A code as it was typed, without what people put between its characters, in upper case."""
    return "".join(typed.split()).replace("-", "").upper()


def _grouped(text: str) -> str:
    return "-".join(text[begin : begin + _GROUP] for begin in range(0, len(text), _GROUP))
