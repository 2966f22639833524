"""Second factors at work: challenges, and what answers them."""

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from ulid import ULID

from auth_svc.domain import (
    CHALLENGE_LIFETIME,
    Account,
    AccountMail,
    AccountMailKind,
    ChallengeVoid,
    Factor,
    FactorKind,
    FactorUse,
    IssuerWord,
    OneTimeToken,
    OneTimeTokenVoid,
    Proof,
    SecondFactorRefused,
    SecondFactorRequired,
    SecurityEvent,
    TokenPurpose,
    plain_code,
)
from auth_svc.domain.totp import DIGITS, matching_step
from auth_svc.ports import Passkeys, SecurityLog, Store
from auth_svc.service.account_mails import AccountMails
from auth_svc.service.one_time import OneTimeTokens, held_digest
from auth_svc.throttle import Guesser, LoginThrottle
from tocsin.clock import Clock
from tocsin.errors import InvalidInput
from tocsin.sealing import SealBroken, Sealer
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_FIELD: Final = "passkeyResponse"


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorAnswer:
    """What answers a challenge: a code of an app or a recovery code, or what a passkey has signed (JSON)."""

    code: str = ""
    passkey: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """A one-time token that is used up by a right answer; ``holder`` is whom it works for."""

    purpose: TokenPurpose
    token: str
    holder: str = ""

    @property
    def key(self) -> tuple[TokenPurpose, str]:
        """How the store knows it."""
        return self.purpose, held_digest(self.token, self.holder)


def vouching(subject: str) -> tuple[str, str]:
    """The id of the identity provider after whose word a challenge was made, and the session there; empty: none."""
    provider, session, *_ = (*subject.split("/")[4:], "", "")
    return provider, session


class SecondFactors:
    """Asks for second factors, and judges what answers. Guesses are counted as those of passwords are, by account and client."""

    def __init__(
        self,
        *,
        store: Store,
        passkeys: Passkeys,
        tokens: OneTimeTokens,
        mails: AccountMails,
        throttle: LoginThrottle,
        sealer: Sealer,
        code_key: Callable[[], bytes],
        log: SecurityLog,
        clock: Clock,
    ) -> None:
        """Makes it.

        Args:
            store: keeps factors.
            passkeys: speaks WebAuthn.
            tokens: makes challenges.
            mails: tells of recovery codes that were used.
            throttle: bounds guesses.
            sealer: opens the secrets of apps.
            code_key: gives the key of the digests of recovery codes.
            log: of security.
            clock: source of time.
        """
        self._store = store
        self._passkeys = passkeys
        self._tokens = tokens
        self._mails = mails
        self._throttle = throttle
        self._sealer = sealer
        self._code_key = code_key
        self._log = log
        self._clock = clock

    async def require_none(self, account: Account, proof: Proof, *, holder: str, word: IssuerWord | None = None) -> None:
        """Returns if ``proof`` is enough for the account: it is strong, or there is no second factor, or none is asked for after it.

        After a password a second factor is always asked for; after the word of an issuer or of a link, where the tenant requires it.

        Raises:
            SecondFactorRequired: with the challenge.
        """
        user = account.user
        if proof.strong or (proof is not Proof.PASSWORD and not account.tenant.require_second_factor):
            return
        factors = await self._store.list_factors(user.tenant, user.id)
        if not factors:
            return
        subject = f"{user.name}/signIns/{ULID.from_datetime(self._clock.now())}"  # of its own: others that are open stay so
        subject += "".join(f"/{part}" for part in (word.provider.id, word.session) if part) if word else ""
        token = await self._make(TokenPurpose.SECOND_FACTOR, subject=subject, tenant=user.tenant, holder=holder)
        self._log.record(SecurityEvent.CHALLENGED, tenant=user.tenant, subject=user.name, proof=proof.value)
        methods = await self.methods(user.tenant, user.id, factors)
        raise SecondFactorRequired(metadata={"challenge": token, "methods": ",".join(methods)})

    async def methods(self, tenant: str, user: str, factors: Sequence[Factor]) -> Sequence[str]:
        """What a user can answer with: "totp", "passkey", "recovery_code"."""
        kinds = {each.kind for each in factors}
        found = [kind.value.lower() for kind in (FactorKind.TOTP, FactorKind.PASSKEY) if kind in kinds]
        return [*found, "recovery_code"] if kinds and await self._store.count_recovery_codes(tenant, user) else found

    async def open_passkey(self, *, holder: str) -> str:
        """A challenge for a sign-in by passkey alone, whoever it will be."""
        subject = f"signIns/{ULID.from_datetime(self._clock.now())}"
        return await self._make(TokenPurpose.PASSKEY_SIGN_IN, subject=subject, tenant="", holder=holder)

    async def open_proof(self, account: Account) -> str:
        """A challenge for somebody who is signed in."""
        return await self._make(TokenPurpose.REAUTHENTICATION, subject=account.user.name, tenant=account.user.tenant)

    async def read(self, challenge: Challenge) -> OneTimeToken:
        """What a challenge is for.

        Raises:
            ChallengeVoid: it may not be answered.
        """
        try:
            return await self._tokens.read(challenge.purpose, challenge.token, holder=challenge.holder)
        except OneTimeTokenVoid:
            raise ChallengeVoid from None

    def request_options(self, token: str, factors: Sequence[Factor]) -> str:
        """What a browser asks a passkey by: one of ``factors``, or any that it has."""
        return self._passkeys.request_options(token=token, known=[each for each in factors if each.kind is FactorKind.PASSKEY])

    async def passkey_named(self, response: str) -> Factor | None:
        """The passkey that an answer says to be of, if it is its user who says so."""
        said = self._passkeys.named(response, field=_FIELD)
        found = await self._store.find_passkey(said.credential)
        return found if found is not None and found.user == said.user_handle else None

    async def prove(
        self, account: Account, answer: FactorAnswer, *, guesser: Guesser, challenge: Challenge | None, verify_user: bool = False
    ) -> Proof:
        """What the answer proves; it is used up by that, and the challenge with it.

        Raises:
            InvalidInput: there is no answer, or a passkey without its challenge.
            SecondFactorRefused: it is wrong, or was used before.
            ChallengeVoid: the challenge works no more.
            TooManyAttempts: too many wrong ones came.
        """
        if bool(answer.code) == bool(answer.passkey):
            raise InvalidInput.at("code", f"give it, or {_FIELD}")
        user, key = account.user, f"codes of {account.user.name}"

        def delayed(bound: str) -> None:
            self._log.record(SecurityEvent.LOGIN_DELAYED, tenant=user.tenant, subject=user.name, why=bound)

        with self._throttle.guess(key, guesser, delayed=delayed) as guess:
            use = await self._use(account, answer, challenge, verify_user=verify_user)
            guess.right = use is not None and await self._take(account, use, challenge)
        if use is None or not guess.right:
            raise self._refused(account, use, answer)
        event = SecurityEvent.RECOVERY_CODE_USED if use.proof is Proof.RECOVERY_CODE else SecurityEvent.FACTOR_USED
        self._log.record(event, tenant=user.tenant, subject=user.name, factor=use.factor, proof=use.proof.value)
        return use.proof

    def code_digest(self, user: str, code: str) -> str:
        """What is stored of a recovery code of a user: keyed, for 80 bits may be tried out by whoever has a copy of the database."""
        return hmac.new(self._code_key(), f"{user} {code}".encode("utf-8", "replace"), sha256).hexdigest()

    async def _make(self, purpose: TokenPurpose, *, subject: str, tenant: str, holder: str = "") -> str:
        return await self._tokens.make(purpose, subject=subject, tenant=tenant, lifetime=CHALLENGE_LIFETIME, holder=holder)

    async def _use(self, account: Account, answer: FactorAnswer, challenge: Challenge | None, *, verify_user: bool) -> FactorUse | None:
        """The use that this answer is, if it is right as far as can be said without the store."""
        user = account.user
        factors = await self._store.list_factors(user.tenant, user.id)
        if answer.passkey:
            if challenge is None:
                raise InvalidInput.at("challenge", "is required with a passkey")
            return self._signed(factors, answer.passkey, challenge.token, verify_user=verify_user)
        code = plain_code(answer.code)
        if len(code) != DIGITS or not code.isdecimal():
            used = self.code_digest(user.id, code)
            return FactorUse(proof=Proof.RECOVERY_CODE, tenant=user.tenant, user=user.id, digest=used)
        for factor in factors:
            if factor.kind is FactorKind.TOTP and (step := self._step(factor, code)) is not None:
                return FactorUse(proof=Proof.TOTP, tenant=user.tenant, user=user.id, factor=factor.id, step=step)
        return None

    def _step(self, factor: Factor, code: str) -> int | None:
        try:
            secret = self._sealer.open(factor.secret, owner=factor.name)
        except SealBroken:  # it costs this factor alone
            _log.error("secret of a factor unreadable", factor=factor.id, hint="the secret of the installation is another one")
            return None
        return matching_step(secret, code, now=self._clock.now(), after=factor.last_step)

    def _signed(self, factors: Sequence[Factor], response: str, token: str, *, verify_user: bool) -> FactorUse | None:
        named = self._passkeys.named(response, field=_FIELD).credential
        passkey = next((each for each in factors if each.kind is FactorKind.PASSKEY and each.credential == named), None)
        if passkey is None:
            return None
        signed = self._passkeys.verified(response, passkey, token=token, verify_user=verify_user)
        if signed is None:
            return None
        return FactorUse(proof=Proof.PASSKEY, tenant=passkey.tenant, user=passkey.user, factor=passkey.id, sign_count=signed.sign_count)

    async def _take(self, account: Account, use: FactorUse, challenge: Challenge | None) -> bool:
        mail = self._notice(account) if use.proof is Proof.RECOVERY_CODE else None
        taken = await self._store.use_factor(use, challenge=None if challenge is None else challenge.key, mail=mail, now=self._clock.now())
        if taken and mail is not None:
            self._mails.wake()
        return taken

    def _notice(self, account: Account) -> AccountMail | None:
        user = account.user
        if not user.email:
            return None
        kind = AccountMailKind.RECOVERY_CODE_USED
        return self._mails.draft(kind, address=user.email, tenant=user.tenant, subject=user.name, locale=user.locale)

    def _refused(self, account: Account, use: FactorUse | None, answer: FactorAnswer) -> SecondFactorRefused:
        """Tells the log that an answer is wrong; the error."""
        user = account.user
        # Signed rightly, and refused by the store: its counter has not gone on, so that there may be two of this passkey (WebAuthn, 6.1.1).
        cloned = use is not None and use.proof is Proof.PASSKEY
        event = SecurityEvent.PASSKEY_CLONED if cloned else SecurityEvent.FACTOR_REFUSED
        shown = "passkey" if answer.passkey else "code"
        self._log.record(
            event, tenant=user.tenant, subject=user.name, shown=shown, **({"factor": use.factor} if use and use.factor else {})
        )
        return SecondFactorRefused()
