"""IdentityProviderService and OidcService."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import grpc
from google.protobuf import duration_pb2, empty_pb2

from auth_svc.domain import GroupRole, IdentityProvider, UserIdentity
from auth_svc.handlers.auth import token_response
from auth_svc.handlers.convert import caller, client_facts, timestamp
from auth_svc.service import CHANGEABLE, IdentityProviders, IssuerLogouts, OidcSignIns, ProviderDraft, ReturnedBrowser
from tocsin.api.auth.v1 import identity_provider_service_pb2 as pb
from tocsin.api.auth.v1 import identity_provider_service_pb2_grpc as rpc
from tocsin.errors import InvalidInput
from tocsin.masks import fields_to_change, paths_of
from tocsin.pages import Listing, list_page
from tocsin.resource_names import check_unnamed
from tocsin.stored import int32

_UNSAID: Final = datetime.fromtimestamp(0, UTC)
_Context = grpc.aio.ServicerContext[Any, Any]


class IdentityProviderHandlers(rpc.IdentityProviderServiceServicer):
    """IdentityProviderService."""

    def __init__(self, *, providers: IdentityProviders, link: Callable[[str], str]) -> None:
        self._providers = providers
        self._link = link

    async def CreateIdentityProvider(self, request: pb.CreateIdentityProviderRequest, context: _Context) -> pb.IdentityProvider:
        """Adds a provider."""
        draft = _draft(request.identity_provider, _chosen_id(request))
        return self._shown(await self._providers.create(caller(), draft))

    async def GetIdentityProvider(self, request: pb.GetIdentityProviderRequest, context: _Context) -> pb.IdentityProvider:
        """Reads a provider."""
        return self._shown(await self._providers.provider(caller(), _id(request.name)))

    async def ListIdentityProviders(self, request: pb.ListIdentityProvidersRequest, context: _Context) -> pb.ListIdentityProvidersResponse:
        """Lists providers."""
        who = caller()

        async def read(behind: tuple[str] | None, most: int) -> tuple[Sequence[IdentityProvider], None]:
            return await self._providers.providers(who, after=behind[0] if behind else "", limit=most), None

        listing = Listing(f"identityProviders of {who.tenant}", (str,))
        found, token = await list_page(request, listing, read=read, show=self._shown, place=lambda each: (each.id,))
        return pb.ListIdentityProvidersResponse(identity_providers=found, next_page_token=token)

    async def UpdateIdentityProvider(self, request: pb.UpdateIdentityProviderRequest, context: _Context) -> pb.IdentityProvider:
        """Changes a provider."""
        given = request.identity_provider
        if not given.name:
            raise InvalidInput.at("identityProvider.name", "is required")
        fields = fields_to_change(request.update_mask, given, CHANGEABLE)
        if not given.client_secret and "client_secret" not in paths_of(request.update_mask):
            fields = [name for name in fields if name != "client_secret"]  # nobody can read it: what was read is written back without it
        return self._shown(await self._providers.change(caller(), _draft(given, _id(given.name)), fields))

    async def DeleteIdentityProvider(self, request: pb.DeleteIdentityProviderRequest, context: _Context) -> empty_pb2.Empty:
        """Removes a provider."""
        await self._providers.remove(caller(), _id(request.name))
        return empty_pb2.Empty()

    async def TestIdentityProvider(self, request: pb.TestIdentityProviderRequest, context: _Context) -> pb.TestIdentityProviderResponse:
        """Asks the issuer what it says of itself."""
        report = await self._providers.test(caller(), _id(request.name))
        return pb.TestIdentityProviderResponse(
            usable=report.usable,
            findings=report.findings,
            authorization_endpoint=report.authorization_endpoint,
            token_endpoint=report.token_endpoint,
            jwks_uri=report.jwks_uri,
            userinfo_endpoint=report.userinfo_endpoint,
            end_session_endpoint=report.end_session_endpoint,
            algorithms=report.algorithms,
            keys=int32(report.keys),
            client_authentication=report.client_authentication,
            names_itself=report.names_itself,
        )

    async def ListIdentities(self, request: pb.ListIdentitiesRequest, context: _Context) -> pb.ListIdentitiesResponse:
        """Lists by what a user signs in."""
        found = await self._providers.identities(caller(), request.parent.removeprefix("users/"))
        return pb.ListIdentitiesResponse(identities=[_identity(each) for each in found])

    async def CreateIdentity(self, request: pb.CreateIdentityRequest, context: _Context) -> pb.Identity:
        """Links a user."""
        user, given = request.parent.removeprefix("users/"), request.identity
        check_unnamed(given.name, field="identity.name")
        return _identity(await self._providers.link(caller(), user, issuer=given.issuer, subject=given.subject))

    async def DeleteIdentity(self, request: pb.DeleteIdentityRequest, context: _Context) -> empty_pb2.Empty:
        """Ends a link."""
        _, user, _, identity = request.name.split("/")
        await self._providers.unlink(caller(), user, identity)
        return empty_pb2.Empty()

    def _shown(self, provider: IdentityProvider) -> pb.IdentityProvider:
        return pb.IdentityProvider(
            name=provider.name,
            display_name=provider.display_name,
            issuer=provider.issuer,
            client_id=provider.client_id,
            has_client_secret=bool(provider.sealed_secret),
            scopes=provider.scopes,
            groups_claim=provider.groups_claim,
            role_rules=[pb.RoleRule(group=rule.group, role=rule.role) for rule in provider.rules],
            default_role=provider.default_role,
            allowed_domains=provider.allowed_domains,
            create_users=provider.create_users,
            link_by_email=provider.link_by_email,
            listed=provider.listed,
            disabled=provider.disabled,
            session_lifetime=None if provider.session_lifetime is None else _duration(provider.session_lifetime),
            redirect_uri=self._link(provider.callback_path),
            back_channel_logout_uri=self._link(provider.logout_path),
            sign_out_at_issuer=provider.sign_out_at_issuer,
            circuit=self._providers.circuit(provider),
            create_time=timestamp(provider.created),
            update_time=timestamp(provider.updated),
        )


class OidcHandlers(rpc.OidcServiceServicer):
    """OidcService."""

    def __init__(self, *, sign_ins: OidcSignIns, logouts: IssuerLogouts) -> None:
        self._sign_ins = sign_ins
        self._logouts = logouts

    async def ListSignInProviders(self, request: pb.ListSignInProvidersRequest, context: _Context) -> pb.ListSignInProvidersResponse:
        """Lists what the sign-in page shows."""
        found = await self._sign_ins.listed()
        return pb.ListSignInProvidersResponse(
            providers=[pb.SignInProvider(provider=each.id, display_name=each.display_name) for each in found]
        )

    async def BeginOidcSignIn(self, request: pb.BeginOidcSignInRequest, context: _Context) -> pb.BeginOidcSignInResponse:
        """Begins a sign-in."""
        begun = await self._sign_ins.begin(
            _id(request.provider), return_to=request.return_to, loopback=request.loopback_origin, binding=request.binding
        )
        return pb.BeginOidcSignInResponse(
            authorization_url=begun.url,
            state=begun.state,
            binding=begun.binding,
            expire_time=timestamp(begun.expires),
            redirect_uri=begun.redirect_uri,
        )

    async def CompleteOidcSignIn(self, request: pb.CompleteOidcSignInRequest, context: _Context) -> pb.CompleteOidcSignInResponse:
        """Ends a sign-in."""
        back = ReturnedBrowser(
            state=request.state,
            code=request.code,
            issuer=request.issuer if request.HasField("issuer") else None,
            error=request.error,
            binding=request.binding,
        )
        done = await self._sign_ins.complete(back, client=client_facts(), device_token=request.device_token)
        return pb.CompleteOidcSignInResponse(
            tokens=token_response(done.pair), return_to=done.return_to, end_session_url=done.end_session_url
        )

    async def EndOidcSessions(self, request: pb.EndOidcSessionsRequest, context: _Context) -> pb.EndOidcSessionsResponse:
        """Ends what a logout token names."""
        ended = await self._logouts.end(request.provider, request.logout_token)
        return pb.EndOidcSessionsResponse(sessions=[f"sessions/{each}" for each in ended])

    async def CloseOidcSession(self, request: pb.CloseOidcSessionRequest, context: _Context) -> pb.CloseOidcSessionResponse:
        """Ends the session of a browser."""
        return pb.CloseOidcSessionResponse(end_session_url=await self._logouts.close(request.secret))


def _id(name: str) -> str:
    return name.removeprefix("identityProviders/")


def _chosen_id(request: pb.CreateIdentityProviderRequest) -> str:
    """The id of a provider to be made, beside it or by its name; empty where none is given.

    Raises:
        InvalidInput: the two differ.
    """
    named = _id(request.identity_provider.name)
    if named and request.identity_provider_id not in ("", named):
        raise InvalidInput.at("identityProvider.name", f"must be identityProviders/{request.identity_provider_id}, or left out")
    return named or request.identity_provider_id


def _draft(given: pb.IdentityProvider, identity: str) -> ProviderDraft:
    """A provider as it was written; its times and its tenant are not the writer's to say."""
    provider = IdentityProvider(
        id=identity,
        tenant="",
        display_name=given.display_name,
        issuer=given.issuer,
        client_id=given.client_id,
        scopes=tuple(given.scopes),
        groups_claim=tuple(given.groups_claim),
        rules=tuple(GroupRole(rule.group, rule.role) for rule in given.role_rules),
        default_role=given.default_role,
        allowed_domains=tuple(given.allowed_domains),
        create_users=given.create_users,
        link_by_email=given.link_by_email,
        listed=given.listed,
        disabled=given.disabled,
        sign_out_at_issuer=given.sign_out_at_issuer,
        session_lifetime=timedelta(seconds=given.session_lifetime.seconds) if given.HasField("session_lifetime") else None,
        created=_UNSAID,
        updated=_UNSAID,
    )
    return ProviderDraft(provider=provider, secret=given.client_secret)


def _duration(length: timedelta) -> duration_pb2.Duration:
    found = duration_pb2.Duration()
    found.FromTimedelta(length)
    return found


def _identity(identity: UserIdentity) -> pb.Identity:
    return pb.Identity(
        name=identity.name,
        issuer=identity.issuer,
        subject=identity.subject,
        create_time=timestamp(identity.created),
        last_sign_in_time=None if identity.used is None else timestamp(identity.used),
    )
