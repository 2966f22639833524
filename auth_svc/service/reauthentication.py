"""Showing again who one is, before one changes how one shows it."""

from collections.abc import Sequence

from auth_svc.domain import (
    Account,
    CallerGone,
    ClientFacts,
    FactorKind,
    FreshProofRequired,
    Proof,
    SecurityEvent,
    SessionNotFound,
    TokenCaller,
    TokenPurpose,
    UserNotFound,
    WrongPassword,
    typed_password,
)
from auth_svc.ports import PasswordCheck, PasswordHasher, SecurityLog, Store
from auth_svc.service.second_factor import Challenge, FactorAnswer, SecondFactors
from auth_svc.throttle import Guesser, LoginThrottle
from tocsin.client_network import client_network
from tocsin.clock import Clock
from tocsin.errors import InvalidInput


class Reauthentication:
    """Judges proofs of people who are signed in, and says whether there was one not long ago."""

    def __init__(
        self, *, store: Store, hasher: PasswordHasher, second: SecondFactors, throttle: LoginThrottle, log: SecurityLog, clock: Clock
    ) -> None:
        """Makes it.

        Args:
            store: keeps sessions.
            hasher: compares passwords.
            second: judges second factors.
            throttle: bounds guesses, which a stolen access token would allow.
            log: of security.
            clock: source of time.
        """
        self._store = store
        self._hasher = hasher
        self._second = second
        self._throttle = throttle
        self._log = log
        self._clock = clock

    async def require_fresh(self, caller: TokenCaller) -> None:
        """Returns if the caller's session has shown not long ago who its user is; so does an API key, which can show nothing else.

        Raises:
            FreshProofRequired: it has not.
            CallerGone: the session has ended.
        """
        if not caller.subject.startswith("users/"):
            return
        try:
            session = await self._store.get_session(caller.tenant, caller.user, caller.session)
        except SessionNotFound:
            raise CallerGone from None
        if not session.fresh(self._clock.now()):
            raise FreshProofRequired

    async def require_fresh_factor(self, caller: TokenCaller) -> None:
        """The same of who has a second factor; others show their password with what they ask for.

        Raises:
            FreshProofRequired: the session has shown none of late.
            CallerGone: the session has ended.
        """
        if await self._store.list_factors(caller.tenant, caller.user):
            await self.require_fresh(caller)

    async def begin(self, caller: TokenCaller) -> tuple[Sequence[str], str, str]:
        """What the caller can prove it by, and for a passkey a challenge and what a browser asks it by; both empty without one.

        Raises:
            UsersOnly: it is an API key.
            CallerGone: the user was removed.
        """
        account = await self._account(caller)
        factors = await self._store.list_factors(caller.tenant, caller.user)
        methods = await self._second.methods(caller.tenant, caller.user, factors)
        if not any(each.kind is FactorKind.PASSKEY for each in factors):
            return methods or ("password",), "", ""
        token = await self._second.open_proof(account)
        return methods, token, self._second.request_options(token, factors)

    async def prove(self, caller: TokenCaller, *, password: str, answer: FactorAnswer, challenge: str, client: ClientFacts) -> None:
        """Judges a proof: a second factor of who has one, otherwise the password.

        Raises:
            UsersOnly: it is an API key.
            CallerGone: the user was removed.
            InvalidInput: it is another proof than is asked for, or none.
            WrongPassword: the password is wrong.
            SecondFactorRefused: the code or the passkey is.
            ChallengeVoid: the challenge works no more.
            TooManyAttempts: too many wrong ones came.
        """
        account = await self._account(caller)
        if await self._store.list_factors(caller.tenant, caller.user):
            if password:
                raise InvalidInput.at("password", "is not enough: you have a second factor")
            asked = Challenge(purpose=TokenPurpose.REAUTHENTICATION, token=challenge) if challenge else None
            if asked is not None and (await self._second.read(asked)).subject != account.user.name:
                raise InvalidInput.at("challenge", "is not yours")
            proof = await self._second.prove(account, answer, guesser=_guesser(client), challenge=asked)
        elif password:
            await self.require_password(account, password, client, field="password")
            proof = Proof.PASSWORD
        else:
            raise InvalidInput.at("password", "is required: you have no second factor")
        await self._store.prove_session(caller.session, proof, now=self._clock.now())
        facts = {"tenant": caller.tenant, "subject": caller.subject, "session": caller.session}
        self._log.record(SecurityEvent.REAUTHENTICATED, proof=proof.value, **facts)

    async def require_password(self, account: Account, password: str, client: ClientFacts, *, field: str) -> None:
        """Returns if this is the password of the account.

        Raises:
            WrongPassword: at ``field``: it is not.
            TooManyAttempts: too many wrong ones came.
        """
        key, guesser = account.user.name, _guesser(client)
        facts = {"tenant": account.tenant.id, "subject": account.user.name}

        def delayed(bound: str) -> None:
            self._log.record(SecurityEvent.LOGIN_DELAYED, **facts, why=bound)

        with self._throttle.guess(key, guesser, delayed=delayed) as guess:
            verdict = await self._hasher.verify(account.password_hash, typed_password(password, field=field), client=guesser.place)
            guess.right = verdict is not PasswordCheck.WRONG
        if not guess.right:
            self._log.record(SecurityEvent.LOGIN_FAILED, **facts)
            raise WrongPassword.at(field, "is wrong")

    async def _account(self, caller: TokenCaller) -> Account:
        try:
            return await self._store.get_account(caller.tenant, caller.user)
        except UserNotFound:
            raise CallerGone from None


def _guesser(client: ClientFacts) -> Guesser:
    return Guesser(place=client_network(client.address), known=True)
