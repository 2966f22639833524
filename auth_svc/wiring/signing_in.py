"""What signs people in, registers them, and changes their accounts."""

from collections.abc import Sequence
from datetime import timedelta

from auth_svc.common_passwords import common_passwords
from auth_svc.config import AuthSettings
from auth_svc.domain import PasswordRule
from auth_svc.handlers import AccountHandlers, AuthHandlers, BrowserSessionHandlers, SessionHandlers
from auth_svc.passwords import Argon2Passwords
from auth_svc.service import (
    Accounts,
    AddressChanges,
    EndedCredentials,
    NewPasswords,
    OpenSessions,
    Registering,
    RegistrationRule,
    SessionList,
    SessionOpening,
    SessionRule,
    Sessions,
)
from auth_svc.signing import SigningKeys
from auth_svc.throttle import RequestBudget
from auth_svc.wiring.mailing import Mailing
from auth_svc.wiring.proving import Proving
from auth_svc.wiring.shared import Shared, own_account
from tocsin.api.auth.v1 import (
    account_service_pb2_grpc,
    auth_service_pb2_grpc,
    browser_session_service_pb2_grpc,
    session_service_pb2_grpc,
)
from tocsin.clock import Clock
from tocsin.mesh.server import Handler
from tocsin.mesh.tokens import LEEWAY, TokenVerifier


class SigningIn:
    """The parts; `handlers` serve them.

    Attributes:
        passwords: judges and hashes new ones.
        open_sessions: continues sessions, and ends them.
        sessions: opens sessions.
        accounts: changes what one signs in with.
        addresses: changes where mails go.
        ended: tells of sessions that have ended.
    """

    def __init__(
        self,
        settings: AuthSettings,
        shared: Shared,
        *,
        hasher: Argon2Passwords,
        signer: SigningKeys,
        mailing: Mailing,
        proving: Proving,
    ) -> None:
        clock = shared["clock"]
        rule = PasswordRule(shortest=settings.password_min_length, common=common_passwords())
        self.passwords = NewPasswords(rule=rule, hasher=hasher)
        session_rule = _session_rule(settings)
        opening = _opening(shared, signer=signer, mailing=mailing, proving=proving, rule=session_rule)
        self.open_sessions = OpenSessions(**own_account(shared), opening=opening, rule=session_rule)
        self.sessions = Sessions(
            **shared,
            hasher=hasher,
            opening=opening,
            continuing=self.open_sessions,
            second=proving.second,
            throttle=proving.throttle,
            tokens=mailing.tokens,
        )
        budget = RequestBudget(clock=clock, most=settings.requests_per_hour, window=3600.0, capacity=settings.login_accounts)
        registering = Registering(
            **own_account(shared),
            passwords=self.passwords,
            mails=mailing.mails,
            budget=budget,
            rule=RegistrationRule(settings.registration),
        )
        self.accounts = Accounts(
            **own_account(shared),
            proofs=proving.proofs,
            passwords=self.passwords,
            tokens=mailing.tokens,
            mails=mailing.mails,
            budget=budget,
        )
        self.addresses = AddressChanges(
            **own_account(shared), proofs=proving.proofs, tokens=mailing.tokens, mails=mailing.mails, budget=budget
        )
        self.ended = EndedCredentials(
            store=shared["store"], scopes=shared["authorizer"].scopes, clock=clock, access=session_rule.access + LEEWAY
        )
        session_list = SessionList(**own_account(shared), longest=timedelta(seconds=settings.session_seconds))
        browsers = BrowserSessionHandlers(sessions=self.open_sessions, verifier=token_verifier(settings, clock, signer), clock=clock)
        accounts = AccountHandlers(accounts=self.accounts, addresses=self.addresses, proofs=proving.proofs, sessions=self.sessions)
        entrance = AuthHandlers(sessions=self.sessions, open_sessions=self.open_sessions, registering=registering, keys=signer)
        self.handlers: Sequence[Handler] = (
            (auth_service_pb2_grpc.add_AuthServiceServicer_to_server, entrance),
            (account_service_pb2_grpc.add_AccountServiceServicer_to_server, accounts),
            (session_service_pb2_grpc.add_SessionServiceServicer_to_server, SessionHandlers(sessions=session_list, ended=self.ended)),
            (browser_session_service_pb2_grpc.add_BrowserSessionServiceServicer_to_server, browsers),
        )


def token_verifier(settings: AuthSettings, clock: Clock, keys: SigningKeys) -> TokenVerifier:
    """What verifies the tokens that this service has signed."""
    return TokenVerifier(keys=keys, issuer=settings.token_issuer, audience=settings.token_audience, clock=clock)


def _opening(shared: Shared, *, signer: SigningKeys, mailing: Mailing, proving: Proving, rule: SessionRule) -> SessionOpening:
    return SessionOpening(
        **own_account(shared),
        signer=signer,
        second=proving.second,
        mails=mailing.mails,
        scopes=shared["authorizer"].scopes,
        rule=rule,
    )


def _session_rule(settings: AuthSettings) -> SessionRule:
    return SessionRule(
        access=timedelta(seconds=settings.access_token_seconds),
        idle=timedelta(seconds=settings.refresh_token_seconds),
        longest=timedelta(seconds=settings.session_seconds),
        tell_new_clients=settings.tell_new_clients,
    )
