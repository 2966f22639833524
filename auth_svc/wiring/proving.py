"""What judges proofs of who somebody is, second factors among them, and slows down whoever guesses."""

from collections.abc import Sequence

from auth_svc.config import AuthSettings
from auth_svc.handlers import FactorHandlers
from auth_svc.lazy_passkeys import LazyPasskeys
from auth_svc.passwords import Argon2Passwords
from auth_svc.service import FactorOffice, Reauthentication, SecondFactors
from auth_svc.throttle import LoginThrottle, ThrottleRule
from auth_svc.wiring.mailing import Mailing
from auth_svc.wiring.shared import Shared, own_account
from tocsin.api.auth.v1 import factor_service_pb2_grpc
from tocsin.clock import Clock
from tocsin.installation_key import InstallationKey
from tocsin.mesh.server import Handler
from tocsin.sealing import Sealer


class Proving:
    """The parts; `handlers` serve second factors.

    Attributes:
        throttle: slows down guesses, of passwords and of codes.
        second: judges second factors.
        proofs: judges whoever is signed in and proves anew who they are.
    """

    def __init__(self, settings: AuthSettings, shared: Shared, *, hasher: Argon2Passwords, mailing: Mailing) -> None:
        key = InstallationKey.of(settings)
        passkeys = LazyPasskeys(rp_id=settings.relying_party, origins=settings.relying_origins)
        sealer = Sealer(lambda: key.derive("secrets of authenticator apps"))
        self.throttle = _throttle(settings, shared["clock"])
        self.second = SecondFactors(
            **own_account(shared),
            passkeys=passkeys,
            tokens=mailing.tokens,
            mails=mailing.mails,
            throttle=self.throttle,
            sealer=sealer,
            code_key=lambda: key.derive("recovery codes"),
        )
        self.proofs = Reauthentication(**own_account(shared), hasher=hasher, second=self.second, throttle=self.throttle)
        office = FactorOffice(
            **shared,
            passkeys=passkeys,
            tokens=mailing.tokens,
            second=self.second,
            fresh=self.proofs,
            mails=mailing.mails,
            sealer=sealer,
        )
        self.handlers: Sequence[Handler] = ((factor_service_pb2_grpc.add_FactorServiceServicer_to_server, FactorHandlers(office=office)),)


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
