"""Mails about accounts: they belong to the installation, and are written by what ships with it alone."""

from collections.abc import Mapping
from contextlib import aclosing
from typing import Final

from mailer_svc.domain import Ack, Priority, Submission, TemplateUse, normal_locale
from mailer_svc.domain.locales import LocaleInvalid
from mailer_svc.service.accepting import Accepting
from tocsin.errors import FailedPrecondition, InvalidInput, Unavailable

INSTALLATION: Final = "installation"
"""Stands where others have a tenant: no tenant has this id, so that nobody's templates, suppressions and lists apply."""

TEMPLATES: Final = frozenset(
    f"tocsin.{name}"
    for name in (
        "address-change",
        "address-changed",
        "address-confirmation",
        "address-in-use",
        "already-registered",
        "factor-added",
        "factor-removed",
        "invitation",
        "key-expiry",
        "new-sign-in",
        "password-changed",
        "password-reset",
        "recovery-code-used",
        "security-alert",
        "security-digest",
    )
)
_CHANNEL: Final = "email"
"""Never the inbox, which a whole tenant reads: whoever reads such a mail has the account."""


class InstallationMails:
    """Turns them into deliveries, as any other message becomes one."""

    def __init__(self, *, accepting: Accepting) -> None:
        self._accepting = accepting

    async def send(self, *, id: str, template: str, address: str, locale: str, variables: Mapping[str, str]) -> None:  # noqa: A002 - as in the contract
        """Returns once the mail is stored.

        Raises:
            InvalidInput: there is no such template, or the address is none.
            FailedPrecondition: it was refused, such as without a mail server.
            Unavailable: it could not be stored.
        """
        if template not in TEMPLATES:
            raise InvalidInput.at("template", f"there is no {template} that is about accounts")
        message = Submission(
            key=1,
            tenant=INSTALLATION,
            firing="",
            alarm="",
            to=address,
            channel=_CHANNEL,
            priority=Priority.NORMAL,
            content=TemplateUse(template, variables, recipient={"locale": _known(locale)}),
            occasion=f"account-{id}",
        )
        async with aclosing(self._accepting.accept([message])) as answers:
            async for acks in answers:
                for ack in acks:
                    _check(ack)


def _known(locale: str) -> str:
    """The tag in its normal form; of one that is none, nothing: whoever reads the mail did not choose it."""
    try:
        return normal_locale(locale)
    except LocaleInvalid:
        return ""


def _check(ack: Ack) -> None:
    """Raises what an acknowledgement says."""
    if ack.retryable:
        raise Unavailable(ack.message, reason=ack.reason)
    if not ack.delivery:
        raise FailedPrecondition(f"The mail could not be sent: {ack.message}", reason=ack.reason)
