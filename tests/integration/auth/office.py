"""The use cases of accounts on a store, with a hasher that counts, a mailer that keeps letters, and time that stands."""

from collections import Counter
from datetime import timedelta
from typing import Any

from auth_svc.common_passwords import common_passwords
from auth_svc.domain import (
    AccountLetter,
    AccountMailKind,
    ClientFacts,
    Grant,
    PasswordRule,
    Scopes,
    SecurityEvent,
    TokenCaller,
    User,
    digest,
)
from auth_svc.lazy_passkeys import LazyPasskeys
from auth_svc.ports import PasswordCheck
from auth_svc.service import (
    AccountMails,
    AccountMailSender,
    Accounts,
    AddressChanges,
    Authorizer,
    FactorOffice,
    Invitations,
    NewPasswords,
    OneTimeTokens,
    OpenSessions,
    Reauthentication,
    Registering,
    RegistrationRule,
    SecondFactors,
    SessionList,
    SessionOpening,
    SessionRule,
    Sessions,
    TokenPair,
)
from auth_svc.store import AuthStore
from auth_svc.throttle import LoginThrottle, RequestBudget, ThrottleRule
from tocsin.database import Database
from tocsin.sealing import Sealer
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually
from tocsin.wake import Wake

PASSWORD = "correct horse battery staple"
HERE = ClientFacts(address="198.51.100.7", agent="curl/8")
ELSEWHERE = ClientFacts(address="203.0.113.9", agent="Mozilla/5.0")
SCOPES = frozenset({"alarms:read", "alarms:write", "users:write", "account:write", "account:read"})


_PATHS = {
    AccountMailKind.RESET_PASSWORD: "/account/reset/",
    AccountMailKind.VERIFY_ADDRESS: "/account/verify/",
    AccountMailKind.CHANGE_ADDRESS: "/account/address/",
    AccountMailKind.ADDRESS_CHANGED: "/account/address-back/",
    AccountMailKind.INVITATION: "/account/invitation/",
}


class CountingHasher:
    """Hashes quickly; counts whose turn it was."""

    def __init__(self) -> None:
        self.work: Counter[str] = Counter()

    async def hash(self, password: str, *, client: str = "") -> str:
        """One round of SHA-256."""
        self.work[client] += 1
        return digest(password)

    async def verify(self, password_hash: str | None, password: str, *, client: str = "") -> PasswordCheck:
        """Whether it is the one."""
        self.work[client] += 1
        return PasswordCheck.RIGHT if password_hash == digest(password) else PasswordCheck.WRONG


class PlainSigner:
    """Shows what it signs."""

    def __init__(self) -> None:
        self.grants: list[Grant] = []

    def sign(self, grant: Grant) -> str:
        """A number."""
        self.grants.append(grant)
        return str(len(self.grants))


class EventList:
    """Keeps security events."""

    def __init__(self) -> None:
        self.events: list[tuple[SecurityEvent, dict[str, str]]] = []

    def record(self, event: SecurityEvent, **facts: str) -> None:
        """Keeps one."""
        self.events.append((event, facts))

    def of(self, event: SecurityEvent) -> list[dict[str, str]]:
        """The facts of each event of a kind."""
        return [facts for kind, facts in self.events if kind is event]


class LetterBox:
    """A mailer that takes letters, or raises what it is told to."""

    def __init__(self) -> None:
        self.letters: list[AccountLetter] = []
        self.errors: list[Exception] = []

    async def send(self, letter: AccountLetter) -> None:
        """Takes one."""
        if self.errors:
            raise self.errors.pop(0)
        self.letters.append(letter)


class Office:
    """All of it."""

    def __init__(self, database: Database, clock: FakeClock, *, registration: RegistrationRule, requests: int = 100) -> None:
        self.store = AuthStore(database=database)
        self.database = database
        self.clock = clock
        self.box, self.log, self.hasher, self.signer = LetterBox(), EventList(), CountingHasher(), PlainSigner()
        written = Wake(clock)
        self.tokens = OneTimeTokens(store=self.store, clock=clock)
        self.mails = AccountMails(store=self.store, clock=clock, written=written)
        self.sender = AccountMailSender(
            store=self.store,
            accounts=self.store,
            owners=self.store,
            tokens=self.tokens,
            postman=self.box,
            link=lambda path: f"https://tocsin.example{path}",
            clock=clock,
            written=written,
        )
        passwords = NewPasswords(rule=PasswordRule(shortest=8, common=common_passwords()), hasher=self.hasher)
        throttle = LoginThrottle(clock=clock, pair=ThrottleRule(), client=ThrottleRule(free=30), account=ThrottleRule(free=50))
        shared: dict[str, Any] = {"store": self.store, "log": self.log, "clock": clock}
        writing: dict[str, Any] = {**shared, "tokens": self.tokens, "mails": self.mails}
        passkeys, sealer = LazyPasskeys(rp_id="tocsin.example", origins=["https://tocsin.example"]), Sealer(lambda: b"s" * 32)
        self.authorizer = Authorizer(store=self.store, scopes=Scopes(every=SCOPES), clock=clock)
        budget = RequestBudget(clock=clock, most=requests, window=3600.0)
        rule = SessionRule(access=timedelta(minutes=15), idle=timedelta(days=30), longest=timedelta(days=90), tell_new_clients=True)
        self.second = SecondFactors(**writing, passkeys=passkeys, throttle=throttle, sealer=sealer, code_key=lambda: b"c" * 32)
        scopes = self.authorizer.scopes
        opening = SessionOpening(**shared, signer=self.signer, second=self.second, mails=self.mails, scopes=scopes, rule=rule)
        signing_in: dict[str, Any] = {**shared, "hasher": self.hasher, "tokens": self.tokens, "throttle": throttle}
        self.open_sessions = OpenSessions(**shared, opening=opening, rule=rule)
        self.sessions = Sessions(
            **signing_in, authorizer=self.authorizer, opening=opening, continuing=self.open_sessions, second=self.second
        )
        self.registering = Registering(**shared, passwords=passwords, mails=self.mails, budget=budget, rule=registration)
        self.invitations = Invitations(**shared, authorizer=self.authorizer, passwords=passwords, tokens=self.tokens, mails=self.mails)
        self.proofs = Reauthentication(**shared, hasher=self.hasher, second=self.second, throttle=throttle)
        self.accounts = Accounts(**writing, proofs=self.proofs, passwords=passwords, budget=budget)
        self.addresses = AddressChanges(**writing, proofs=self.proofs, budget=budget)
        self.factors = FactorOffice(
            **writing, passkeys=passkeys, second=self.second, fresh=self.proofs, sealer=sealer, authorizer=self.authorizer
        )
        self.list = SessionList(**shared, longest=timedelta(days=90))

    async def register(self, email: str = "ann@example.com", client: ClientFacts = HERE, **more: str) -> User | None:
        """Registers."""
        given = {"username": "", "password": PASSWORD, "display_name": "", "tenant_display_name": "", "locale": "", **more}
        return await self.registering.register(email=email, client=client, **given)

    async def user(self, email: str = "ann@example.com") -> User:
        """A user of a fresh tenant, at an office where strangers are let in."""
        made = await self.register(email)
        assert made is not None
        return made

    async def sign_in(
        self, name: str = "ann@example.com", password: str = PASSWORD, client: ClientFacts = HERE, device: str = ""
    ) -> TokenPair:
        """Signs in."""
        return await self.sessions.sign_in(username=name, password=password, scope="", client=client, device_token=device)

    def caller(self, user: User, session: str = "") -> TokenCaller:
        """The user, as a token says."""
        return TokenCaller(tenant=user.tenant, subject=user.name, scopes=SCOPES | {"profile:read", "owners:write"}, session=session)

    async def letters(self, count: int) -> list[AccountLetter]:
        """What was mailed, once there are so many letters."""
        await self.sender.start()
        await eventually(lambda: len(self.box.letters) >= count, what=f"{count} letters")
        return self.box.letters

    async def link(self, kind: AccountMailKind, count: int = 1) -> str:
        """The token of the link in the last of ``count`` letters."""
        path = _PATHS[kind]
        letter = (await self.letters(count))[-1]
        token = letter.variables["token"]
        assert letter.variables["url"] == f"https://tocsin.example{path}{token}"
        return token
