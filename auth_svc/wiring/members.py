"""Who and what is in a tenant: users, roles, invitations, service accounts, API keys."""

from collections.abc import Sequence
from datetime import timedelta

from auth_svc.config import AuthSettings
from auth_svc.handlers import (
    AccountPageHandlers,
    ApiKeyHandlers,
    InvitationHandlers,
    ProfileHandlers,
    RoleHandlers,
    ServiceAccountHandlers,
    UserHandlers,
)
from auth_svc.service import (
    AccountMails,
    ApiKeys,
    Invitations,
    KeyUses,
    KeyWarnings,
    Profiles,
    Roles,
    ServiceAccounts,
    Users,
)
from auth_svc.service.key_warnings import ReportAlerts
from auth_svc.signing import SigningKeys
from auth_svc.wiring.mailing import Mailing
from auth_svc.wiring.shared import Shared
from auth_svc.wiring.signing_in import SigningIn
from tocsin.api.auth.v1 import (
    account_service_pb2_grpc,
    api_key_service_pb2_grpc,
    invitation_service_pb2_grpc,
    profile_service_pb2_grpc,
    role_service_pb2_grpc,
    service_account_service_pb2_grpc,
    user_service_pb2_grpc,
)
from tocsin.lifecycle import Component
from tocsin.mesh.server import Handler


class MemberParts:
    """People, and what they may do; `handlers` serve it."""

    def __init__(self, shared: Shared, *, signing_in: SigningIn, mailing: Mailing) -> None:
        self.users = Users(**shared, passwords=signing_in.passwords)
        self.invitations = Invitations(**shared, passwords=signing_in.passwords, tokens=mailing.tokens, mails=mailing.mails)
        pages = AccountPageHandlers(accounts=signing_in.accounts, invitations=self.invitations, addresses=signing_in.addresses)
        self.handlers: Sequence[Handler] = (
            (user_service_pb2_grpc.add_UserServiceServicer_to_server, UserHandlers(users=self.users)),
            (role_service_pb2_grpc.add_RoleServiceServicer_to_server, RoleHandlers(roles=Roles(**shared))),
            (
                invitation_service_pb2_grpc.add_InvitationServiceServicer_to_server,
                InvitationHandlers(invitations=self.invitations),
            ),
            (
                profile_service_pb2_grpc.add_ProfileServiceServicer_to_server,
                ProfileHandlers(profiles=Profiles(store=shared["store"], log=shared["log"])),
            ),
            (account_service_pb2_grpc.add_AccountPageServiceServicer_to_server, pages),
        )


class ProgramParts:
    """Service accounts and API keys; `handlers` serve them."""

    def __init__(self, shared: Shared, *, settings: AuthSettings, signer: SigningKeys, mails: AccountMails, report: ReportAlerts) -> None:
        store, clock = shared["store"], shared["clock"]
        uses = KeyUses(store=store, clock=clock)
        warnings = KeyWarnings(store=store, mails=mails, report=report, log=shared["log"], clock=clock)
        self.parts: Sequence[Component] = (uses, warnings)
        keys = ApiKeys(**shared, signer=signer, uses=uses, access_lifetime=timedelta(seconds=settings.access_token_seconds))
        self.handlers: Sequence[Handler] = (
            (
                service_account_service_pb2_grpc.add_ServiceAccountServiceServicer_to_server,
                ServiceAccountHandlers(accounts=ServiceAccounts(**shared)),
            ),
            (api_key_service_pb2_grpc.add_ApiKeyServiceServicer_to_server, ApiKeyHandlers(keys=keys)),
        )
