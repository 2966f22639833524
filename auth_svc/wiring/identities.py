"""What signs people in by the word of others, and how it fits together."""

from collections.abc import Sequence

from auth_svc.config import AuthSettings
from auth_svc.handlers import IdentityProviderHandlers, OidcHandlers
from auth_svc.oidc import HttpIssuers
from auth_svc.service import IdentityProviders, IssuerLogouts, OidcSignIns, SignInHousekeeper
from auth_svc.wiring.shared import Shared, own_account
from auth_svc.wiring.signing_in import SigningIn
from tocsin.api.auth.v1 import identity_provider_service_pb2_grpc
from tocsin.installation_key import InstallationKey
from tocsin.lifecycle import Component
from tocsin.mesh.breaker import BreakerRegistry
from tocsin.mesh.server import Handler
from tocsin.sealing import Sealer


class Identities:
    """The parts, and the `handlers` that serve them."""

    def __init__(self, shared: Shared, *, settings: AuthSettings, breakers: BreakerRegistry, signing_in: SigningIn) -> None:
        key = InstallationKey.of(settings)
        sealer = Sealer(lambda: key.derive("secrets of identity providers"))
        issuers = HttpIssuers(allowed=settings.allowed_targets, breakers=breakers, clock=shared["clock"])
        providers = IdentityProviders(**shared, issuers=issuers, sealer=sealer)
        sign_ins = OidcSignIns(**shared, issuers=issuers, sessions=signing_in.sessions, sealer=sealer, link=settings.public_link)
        logouts = IssuerLogouts(**own_account(shared), issuers=issuers, sessions=signing_in.open_sessions, link=settings.public_link)
        self.handlers: Sequence[Handler] = (
            (
                identity_provider_service_pb2_grpc.add_IdentityProviderServiceServicer_to_server,
                IdentityProviderHandlers(providers=providers, link=settings.public_link),
            ),
            (identity_provider_service_pb2_grpc.add_OidcServiceServicer_to_server, OidcHandlers(sign_ins=sign_ins, logouts=logouts)),
        )
        self._parts = (key, issuers, SignInHousekeeper(store=shared["store"], clock=shared["clock"]))

    @property
    def parts(self) -> Sequence[Component]:
        """What runs, in the order of its start."""
        return self._parts
