"""What signs people in, registers them, and changes their accounts; and the mails about that."""

from collections.abc import Sequence
from datetime import timedelta

from auth_svc.clients import MailerPostman
from auth_svc.common_passwords import common_passwords
from auth_svc.config import AuthSettings
from auth_svc.domain import PasswordRule
from auth_svc.handlers import (
    AccountHandlers,
    AuthHandlers,
    BrowserSessionHandlers,
    FactorHandlers,
    SessionHandlers,
)
from auth_svc.journal import SecurityJournal
from auth_svc.passkeys import WebAuthnPasskeys
from auth_svc.passwords import Argon2Passwords
from auth_svc.service import (
    AccountHousekeeper,
    AccountMails,
    AccountMailSender,
    Accounts,
    Authorizer,
    FactorOffice,
    NewPasswords,
    OneTimeTokens,
    Reauthentication,
    Registering,
    RegistrationRule,
    SecondFactors,
    SessionList,
    SessionOpening,
    SessionRule,
    Sessions,
)
from auth_svc.signing import SigningKeys
from auth_svc.store import AuthStore
from auth_svc.throttle import LoginThrottle, RequestBudget, ThrottleRule
from tocsin.api.auth.v1 import (
    account_service_pb2_grpc,
    auth_service_pb2_grpc,
    browser_session_service_pb2_grpc,
    factor_service_pb2_grpc,
    session_service_pb2_grpc,
)
from tocsin.background import Wake
from tocsin.clock import Clock
from tocsin.installation_key import InstallationKey
from tocsin.lifecycle import Component
from tocsin.mesh.client import Mesh
from tocsin.mesh.server import Handler
from tocsin.mesh.tokens import TokenVerifier
from tocsin.sealing import Sealer


class Mailing:
    """What sends mails about accounts."""

    def __init__(self, settings: AuthSettings, clock: Clock, store: AuthStore, mesh: Mesh) -> None:
        written = Wake(clock)
        self.tokens = OneTimeTokens(store=store, clock=clock)
        self.mails = AccountMails(store=store, clock=clock, written=written)
        self._sender = AccountMailSender(
            store=store,
            accounts=store,
            tokens=self.tokens,
            postman=MailerPostman(mesh=mesh),
            link=settings.public_link,
            clock=clock,
            written=written,
        )
        self._housekeeper = AccountHousekeeper(tokens=store, mails=store, credentials=store, invitations=store, clock=clock)

    @property
    def parts(self) -> Sequence[Component]:
        """What runs, in the order of its start."""
        return (self._sender, self._housekeeper)


class SigningIn:
    """What registers, signs in, and changes passwords; `handlers` serve it."""

    def __init__(
        self,
        settings: AuthSettings,
        clock: Clock,
        *,
        store: AuthStore,
        hasher: Argon2Passwords,
        signer: SigningKeys,
        mailing: Mailing,
        authorizer: Authorizer,
        log: SecurityJournal,
    ) -> None:
        rule = PasswordRule(shortest=settings.password_min_length, common=common_passwords())
        self.passwords = NewPasswords(rule=rule, hasher=hasher)
        throttle = _throttle(settings, clock)
        budget = RequestBudget(clock=clock, most=settings.requests_per_hour, window=3600.0, capacity=settings.login_accounts)
        key = InstallationKey.of(settings)
        passkeys = WebAuthnPasskeys(rp_id=settings.relying_party, origins=settings.relying_origins)
        sealer = Sealer(lambda: key.derive("secrets of authenticator apps"))
        second = SecondFactors(
            store=store,
            passkeys=passkeys,
            tokens=mailing.tokens,
            mails=mailing.mails,
            throttle=throttle,
            sealer=sealer,
            code_key=lambda: key.derive("recovery codes"),
            log=log,
            clock=clock,
        )
        session_rule = _session_rule(settings)
        opening = SessionOpening(
            store=store,
            signer=signer,
            second=second,
            mails=mailing.mails,
            scopes=authorizer.scopes,
            log=log,
            clock=clock,
            rule=session_rule,
        )
        sessions = self.sessions = Sessions(
            store=store,
            hasher=hasher,
            opening=opening,
            second=second,
            throttle=throttle,
            tokens=mailing.tokens,
            authorizer=authorizer,
            log=log,
            clock=clock,
            rule=session_rule,
        )
        registering = Registering(
            store=store,
            passwords=self.passwords,
            mails=mailing.mails,
            budget=budget,
            log=log,
            clock=clock,
            rule=RegistrationRule(settings.registration),
        )
        proofs = Reauthentication(store=store, hasher=hasher, second=second, throttle=throttle, log=log, clock=clock)
        factors = FactorOffice(
            store=store,
            passkeys=passkeys,
            tokens=mailing.tokens,
            second=second,
            fresh=proofs,
            mails=mailing.mails,
            sealer=sealer,
            authorizer=authorizer,
            log=log,
            clock=clock,
        )
        accounts = Accounts(
            store=store,
            proofs=proofs,
            passwords=self.passwords,
            tokens=mailing.tokens,
            mails=mailing.mails,
            budget=budget,
            log=log,
            clock=clock,
        )
        self.accounts = accounts
        session_list = SessionList(store=store, log=log, clock=clock, longest=timedelta(seconds=settings.session_seconds))
        self.handlers: Sequence[Handler] = (
            (
                auth_service_pb2_grpc.add_AuthServiceServicer_to_server,
                AuthHandlers(sessions=sessions, registering=registering, keys=signer),
            ),
            (
                account_service_pb2_grpc.add_AccountServiceServicer_to_server,
                AccountHandlers(accounts=accounts, proofs=proofs, sessions=sessions),
            ),
            (factor_service_pb2_grpc.add_FactorServiceServicer_to_server, FactorHandlers(office=factors)),
            (session_service_pb2_grpc.add_SessionServiceServicer_to_server, SessionHandlers(sessions=session_list)),
            (
                browser_session_service_pb2_grpc.add_BrowserSessionServiceServicer_to_server,
                BrowserSessionHandlers(sessions=sessions, verifier=token_verifier(settings, clock, signer), clock=clock),
            ),
        )


def token_verifier(settings: AuthSettings, clock: Clock, keys: SigningKeys) -> TokenVerifier:
    """What verifies the tokens that this service has signed."""
    return TokenVerifier(keys=keys, issuer=settings.token_issuer, audience=settings.token_audience, clock=clock)


def _session_rule(settings: AuthSettings) -> SessionRule:
    return SessionRule(
        access=timedelta(seconds=settings.access_token_seconds),
        idle=timedelta(seconds=settings.refresh_token_seconds),
        longest=timedelta(seconds=settings.session_seconds),
        tell_new_clients=settings.tell_new_clients,
    )


def _throttle(settings: AuthSettings, clock: Clock) -> LoginThrottle:
    def rule(free: int) -> ThrottleRule:
        return ThrottleRule(
            free=free,
            longest=settings.login_longest_wait_seconds,
            window=settings.login_window_seconds,
            capacity=settings.login_accounts,
        )

    return LoginThrottle(
        clock=clock,
        pair=rule(settings.login_free_failures),
        client=rule(settings.login_client_failures),
        account=rule(settings.login_account_failures),
    )
