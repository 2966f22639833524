"""Tokens that work once: what a link holds that proves that its reader may do one thing (pure)."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from tocsin.errors import FailedPrecondition


class TokenPurpose(Enum):
    """What a one-time token is for; it works for nothing else."""

    VERIFY_ADDRESS = "VERIFY_ADDRESS"
    RESET_PASSWORD = "RESET_PASSWORD"  # noqa: S105  the name of a purpose
    INVITATION = "INVITATION"
    CHANGE_ADDRESS = "CHANGE_ADDRESS"
    REVERT_ADDRESS = "REVERT_ADDRESS"
    SIGN_IN = "SIGN_IN"
    SECOND_FACTOR = "SECOND_FACTOR"
    PASSKEY_SIGN_IN = "PASSKEY_SIGN_IN"
    PASSKEY_ENROLMENT = "PASSKEY_ENROLMENT"
    REAUTHENTICATION = "REAUTHENTICATION"


class OneTimeTokenVoid(FailedPrecondition):
    """The link works no more: it is unknown, was used, was replaced by a later one, or has expired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OneTimeToken:
    """What a token stands for: ``subject`` is the resource that it is about, such as "users/…"; ``tenant`` is empty if it is of none."""

    purpose: TokenPurpose
    tenant: str
    subject: str
    created: datetime
    expires: datetime


def new_one_time_token() -> str:
    """A new token: 256 random bits, of characters that a URL takes."""
    return f"to_{secrets.token_urlsafe(32)}"
