"""Mails about accounts, as they wait to be sent (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

MOST_AN_HOUR = 5
"""Mails of one kind that one address gets in an hour; more are dropped, so that nobody fills a stranger's mailbox through us."""


class AccountMailKind(Enum):
    """What a mail is about."""

    VERIFY_ADDRESS = "VERIFY_ADDRESS"
    RESET_PASSWORD = "RESET_PASSWORD"  # noqa: S105  the name of a kind
    PASSWORD_CHANGED = "PASSWORD_CHANGED"  # noqa: S105  likewise
    INVITATION = "INVITATION"
    CHANGE_ADDRESS = "CHANGE_ADDRESS"
    ADDRESS_CHANGED = "ADDRESS_CHANGED"
    NEW_SIGN_IN = "NEW_SIGN_IN"
    FACTOR_ADDED = "FACTOR_ADDED"
    FACTOR_REMOVED = "FACTOR_REMOVED"
    RECOVERY_CODE_USED = "RECOVERY_CODE_USED"
    KEY_EXPIRY = "KEY_EXPIRY"
    SECURITY_ALERT = "SECURITY_ALERT"
    SECURITY_DIGEST = "SECURITY_DIGEST"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountMail:
    """A mail that waits. It holds no link: the token of a link is made when the mail is sent, so that none lies in the database.

    Attributes:
        id: what makes it the same mail, however often it is handed over.
        kind: what it is about.
        address: where it goes.
        subject: resource that it is about, such as "users/…"; empty of RESET_PASSWORD, which finds the account when it is sent.
        tenant: of the subject; empty if it has none yet.
        locale: of its reader; empty: that of the subject, or English.
        variables: of its template, besides those of the link.
        created: when it was asked for.
        expires: when it is not worth sending any more.
    """

    id: str
    kind: AccountMailKind
    address: str
    subject: str
    tenant: str
    created: datetime
    expires: datetime
    locale: str = ""
    variables: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountLetter:
    """A mail as the mailer takes it: a template that ships with it, and what it is filled in with.

    Of a security alert ``address`` may be "recipients/…", "groups/…" or "rotations/…" of ``tenant``; what is ``urgent`` passes quiet hours.
    """

    id: str
    template: str
    address: str
    locale: str
    variables: Mapping[str, str]
    tenant: str = ""
    urgent: bool = False
