"""Mails about accounts: what waits to be sent, and what is sent with a link made at that moment."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from ulid import ULID

from auth_svc.domain import (
    MOST_ALERT_READERS,
    OWNERS_READ,
    SEVERITY,
    AccountLetter,
    AccountMail,
    AccountMailKind,
    AlertReaderUnreached,
    TokenPurpose,
    digest,
    is_mailer_reader,
    sign_in_key,
    unreached_note,
)
from auth_svc.ports import AccountMailStore, AccountStore, AlertPolicyStore, Postman
from auth_svc.service.one_time import OneTimeTokens
from tocsin.alerts import Severity
from tocsin.background import Background, report_progress
from tocsin.clock import Clock
from tocsin.errors import InvalidInput, TocsinError
from tocsin.telemetry import get_logger
from tocsin.wake import Wake

_log = get_logger(__name__)

INVITATION_PATH: Final = "/account/invitation/"
"""Where the page is that accepts an invitation; its token follows."""

_ROUND_SECONDS: Final = 5.0
_BATCH: Final = 20
_CLAIM: Final = timedelta(minutes=1)
_LONGEST_PAUSE_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class _Form:
    """How a kind of mail is made: its template, how long it is worth sending, and the token and page of its link, if it has one."""

    template: str
    worth: timedelta
    purpose: TokenPurpose | None = None
    path: str = ""


_FORMS: Final = {
    AccountMailKind.VERIFY_ADDRESS: _Form(
        "tocsin.address-confirmation", timedelta(hours=24), TokenPurpose.VERIFY_ADDRESS, "/account/verify/"
    ),
    AccountMailKind.RESET_PASSWORD: _Form("tocsin.password-reset", timedelta(minutes=30), TokenPurpose.RESET_PASSWORD, "/account/reset/"),
    AccountMailKind.PASSWORD_CHANGED: _Form("tocsin.password-changed", timedelta(days=2)),
    AccountMailKind.INVITATION: _Form("tocsin.invitation", timedelta(days=7), TokenPurpose.INVITATION, INVITATION_PATH),
    AccountMailKind.CHANGE_ADDRESS: _Form("tocsin.address-change", timedelta(hours=24), TokenPurpose.CHANGE_ADDRESS, "/account/address/"),
    AccountMailKind.ADDRESS_CHANGED: _Form(
        "tocsin.address-changed", timedelta(days=3), TokenPurpose.REVERT_ADDRESS, "/account/address-back/"
    ),
    AccountMailKind.NEW_SIGN_IN: _Form("tocsin.new-sign-in", timedelta(days=2)),
    AccountMailKind.FACTOR_ADDED: _Form("tocsin.factor-added", timedelta(days=2)),
    AccountMailKind.FACTOR_REMOVED: _Form("tocsin.factor-removed", timedelta(days=2)),
    AccountMailKind.RECOVERY_CODE_USED: _Form("tocsin.recovery-code-used", timedelta(days=2)),
    AccountMailKind.KEY_EXPIRY: _Form("tocsin.key-expiry", timedelta(days=1)),
    AccountMailKind.SECURITY_ALERT: _Form("tocsin.security-alert", timedelta(days=1)),
    AccountMailKind.SECURITY_DIGEST: _Form("tocsin.security-digest", timedelta(days=1)),
}
_TAKEN: Final = {AccountMailKind.VERIFY_ADDRESS: "tocsin.already-registered", AccountMailKind.CHANGE_ADDRESS: "tocsin.address-in-use"}
"""What an address gets that has an account, where the link would give it to somebody: whoever asked cannot tell the two apart."""


def lifetime_of(kind: AccountMailKind) -> timedelta:
    """How long the link of such a mail works."""
    return _FORMS[kind].worth


class AccountMails:
    """Takes mails about accounts; `AccountMailSender` sends them soon."""

    def __init__(self, *, store: AccountMailStore, clock: Clock, written: Wake) -> None:
        """Makes it; ``written`` wakes the sender."""
        self._store = store
        self._clock = clock
        self._written = written

    def draft(
        self,
        kind: AccountMailKind,
        *,
        address: str,
        tenant: str = "",
        subject: str = "",
        locale: str = "",
        variables: Mapping[str, str] | None = None,
    ) -> AccountMail:
        """A mail as it is stored, for those who store it with something else in one transaction and call `wake` then."""
        now = self._clock.now()
        return AccountMail(
            id=str(ULID.from_datetime(now)),
            kind=kind,
            address=address,
            subject=subject,
            tenant=tenant,
            locale=locale,
            variables=variables or {},
            created=now,
            expires=now + _FORMS[kind].worth,
        )

    async def add(self, mail: AccountMail) -> None:
        """Stores a mail. What an address gets too often of one kind is dropped, and whoever asked is not told: it may be a stranger."""
        if await self._store.add_account_mail(mail):
            self.wake()
        else:
            _log.info("account mail dropped", kind=mail.kind.value, mail=mail.id, reason="too many to one address")

    def wake(self) -> None:
        """A mail was stored."""
        self._written.set()


class AccountMailSender:
    """Hands mails to the mailer, with links that are made at that moment; a component."""

    def __init__(
        self,
        *,
        store: AccountMailStore,
        accounts: AccountStore,
        owners: AlertPolicyStore,
        tokens: OneTimeTokens,
        postman: Postman,
        link: Callable[[str], str],
        clock: Clock,
        written: Wake,
    ) -> None:
        """Makes it.

        Args:
            store: keeps mails.
            accounts: knows whose address it is.
            owners: knows who is told in the place of somebody who cannot be reached.
            tokens: makes the tokens of links.
            postman: sends.
            link: the URL of a path of the gateway; empty if nobody knows it.
            clock: source of time.
            written: somebody has stored a mail.
        """
        self._store = store
        self._accounts = accounts
        self._owners = owners
        self._tokens = tokens
        self._postman = postman
        self._link = link
        self._clock = clock
        self._written = written
        self._background = Background(clock)

    async def start(self) -> None:
        """Begins, with what an earlier process left."""
        if not self._background.running:
            self._background.periodic("account-mails", _ROUND_SECONDS, self._round, wake=self._written, vital=False)

    async def stop(self) -> None:
        """Ends."""
        await self._background.stop()

    async def _round(self) -> None:
        while True:
            now = self._clock.now()
            mails = await self._store.take_account_mails(now=now, until=now + _CLAIM, limit=_BATCH)
            for mail, attempts in mails:
                try:
                    await self._send(mail, attempts)
                except TocsinError:
                    raise
                except Exception as error:  # noqa: BLE001  it costs this mail alone, which is tried again when its claim ends
                    _log.error("account mail not sent", kind=mail.kind.value, mail=mail.id, exc_info=error)
            report_progress()
            if len(mails) < _BATCH:
                return

    async def _send(self, mail: AccountMail, attempts: int) -> None:
        now = self._clock.now()
        if mail.expires <= now:
            _log.warning("account mail not sent", kind=mail.kind.value, mail=mail.id, reason="it could not be sent in time")
            await self._store.finish_account_mail(mail.id, now=now)
            return
        letter = await self._letter(mail)
        if letter is not None:
            try:
                await self._hand_over(mail, letter)
            except InvalidInput as error:  # it will never be taken
                _log.error("account mail refused", kind=mail.kind.value, mail=mail.id, error=error.error_reason)
            except TocsinError as error:
                pause = min(_LONGEST_PAUSE_SECONDS, 2.0 ** min(attempts, 16))
                _log.warning("account mail delayed", kind=mail.kind.value, mail=mail.id, error=error.error_reason, seconds=pause)
                await self._store.postpone_account_mail(mail.id, until=now + timedelta(seconds=pause))
                return
        await self._store.finish_account_mail(mail.id, now=now)

    async def _hand_over(self, mail: AccountMail, letter: AccountLetter) -> None:
        try:
            await self._postman.send(letter)
        except (AlertReaderUnreached, InvalidInput) as error:
            if not is_mailer_reader(mail.address):
                raise
            _log.warning("security alert leads to nobody", tenant=mail.tenant, reader=mail.address, error=error.error_reason)
            await self._tell_owners(mail)

    async def _tell_owners(self, mail: AccountMail) -> None:
        """Sends a mail that leads to nobody to the owners of its tenant, who read why."""
        readers = await self._owners.alert_readers(mail.tenant, (OWNERS_READ,), limit=MOST_ALERT_READERS)
        if not readers:
            _log.error("security alert told to nobody", tenant=mail.tenant, reader=mail.address)
        known = {name: value for name, value in mail.variables.items() if name != SEVERITY}
        for reader in readers:
            lines = unreached_note(mail.address, known.get("lines", ""), locale=reader.locale)
            letter = AccountLetter(
                id=f"{mail.id}-{digest(sign_in_key(reader.address))[:12]}",  # the same one again, after a crash
                template=_FORMS[mail.kind].template,
                address=reader.address,
                locale=reader.locale,
                variables={**known, "lines": lines},
            )
            await self._postman.send(letter)

    async def _letter(self, mail: AccountMail) -> AccountLetter | None:
        """The mail with its link; None if there is nothing to say."""
        form, owned = _FORMS[mail.kind], await self._owned(mail)
        if owned is None:
            return None
        variables = dict(owned.variables)
        template = form.template
        claimed = owned.kind is AccountMailKind.CHANGE_ADDRESS or owned.subject.startswith("registrations/")
        if claimed and await self._accounts.find_account(sign_in_key(mail.address)) is not None:
            template = _TAKEN[owned.kind]
        elif form.purpose is not None:
            secret = await self._tokens.make(form.purpose, subject=owned.subject, tenant=owned.tenant, lifetime=form.worth)
            variables |= {"url": self._link(form.path + secret), "token": secret}
        severity = variables.pop(SEVERITY, "")
        return AccountLetter(
            id=mail.id,
            template=template,
            address=mail.address,
            locale=owned.locale,
            variables=variables,
            tenant=owned.tenant,
            urgent=owned.kind is AccountMailKind.SECURITY_ALERT and severity == Severity.HIGH.value,
        )

    async def _owned(self, mail: AccountMail) -> AccountMail | None:
        """The mail with whose account it is about; None if it is about nobody's."""
        if mail.kind is not AccountMailKind.RESET_PASSWORD or mail.subject:
            return mail
        account = await self._accounts.find_account(sign_in_key(mail.address))
        if account is None or not account.user.active:
            return None
        user = account.user
        return replace(
            mail,
            subject=user.name,
            tenant=user.tenant,
            locale=mail.locale or user.locale,
            variables={**mail.variables, "name": user.display_name},
        )
