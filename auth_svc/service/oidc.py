"""Signing in by the word of an identity provider (OpenID Connect Core 1.0, 3.1; RFC 9700)."""

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ulid import ULID

from auth_svc.domain import (
    ClientFacts,
    Denial,
    IdentityProvider,
    IdentityProviderNotFound,
    IssuerAnswerRefused,
    IssuerDenied,
    IssuerUnavailable,
    IssuerWord,
    NotAdmitted,
    OidcSignIn,
    OidcSignInVoid,
    Person,
    PublicUrlMissing,
    Role,
    SecondFactorRequired,
    SecurityEvent,
    User,
    UserIdentity,
    checked_return_to,
    derived_proof,
    digest,
    made_username,
    new_binding,
    new_state,
    not_admitted,
    person_of,
)
from auth_svc.ports import Admission, AdmissionKind, CodeProof, Issuers, SecurityLog, Store
from auth_svc.service.authorizer import Authorizer
from auth_svc.service.opening import TokenPair
from auth_svc.service.sessions import Sessions
from tocsin.clock import Clock
from tocsin.errors import InvalidInput
from tocsin.sealing import Sealer

SIGN_IN_LIFETIME: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class BegunSignIn:
    """Where a browser goes. ``binding`` is the secret that it keeps."""

    url: str
    state: str
    binding: str
    expires: datetime
    redirect_uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnedBrowser:
    """What a browser brought back; ``issuer`` is None if the parameter was missing."""

    state: str
    code: str
    issuer: str | None
    error: str
    binding: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletedSignIn:
    """Somebody is signed in; the URLs are where the browser goes now, and where it signs out at the issuer."""

    pair: TokenPair
    return_to: str
    end_session_url: str


class OidcSignIns:
    """Begins and ends sign-ins.

    What binds one to its browser is a secret that the browser alone has: nonce and PKCE verifier are derived from it, and the database
    keeps its digest. So neither a copy of the database nor a stolen code is of use, and several tabs may sign in at a time.
    """

    def __init__(
        self,
        *,
        store: Store,
        issuers: Issuers,
        authorizer: Authorizer,
        sessions: Sessions,
        sealer: Sealer,
        log: SecurityLog,
        clock: Clock,
        link: Callable[[str], str],
    ) -> None:
        """Takes what it needs.

        Args:
            store: keeps it.
            issuers: asked.
            authorizer: knows roles.
            sessions: opens sessions.
            sealer: opens client secrets.
            log: told.
            clock: says when.
            link: the URL of a path of this installation; empty if nobody knows it.
        """
        self._store = store
        self._issuers = issuers
        self._authorizer = authorizer
        self._sessions = sessions
        self._sealer = sealer
        self._log = log
        self._clock = clock
        self._link = link

    async def listed(self) -> Sequence[IdentityProvider]:
        """What the sign-in page shows."""
        return await self._store.listed_identity_providers()

    def redirect_uri(self, provider: IdentityProvider) -> str:
        """Where browsers come back to; empty if nobody knows."""
        return self._link(provider.callback_path)

    async def begin(self, provider: str, *, return_to: str, loopback: str, binding: str) -> BegunSignIn:
        """Begins a sign-in.

        Args:
            provider: its id.
            return_to: path that the person wants to see then.
            loopback: origin of a program on the person's own machine that the browser comes back to; empty: this installation.
            binding: secret that the browser has already; empty: none.

        Raises:
            IdentityProviderNotFound: there is none that signs in.
            InvalidInput: ``return_to`` is no path of this installation.
            PublicUrlMissing: nobody knows where the browser could come back to.
            IssuerUnavailable: the issuer does not say where the browser has to go.
        """
        path = checked_return_to(return_to)
        found = await self._usable(provider)
        redirect = f"{loopback}{found.callback_path}" if loopback else self.redirect_uri(found)
        if not redirect:
            raise PublicUrlMissing
        state, secret, now = new_state(), binding or new_binding(), self._clock.now()
        nonce, verifier = derived_proof(secret, state)
        try:
            url = await self._issuers.authorization_url(found, redirect_uri=redirect, state=state, nonce=nonce, verifier=verifier)
        except IssuerUnavailable as error:
            raise told_unavailable(self._log, found, error) from None
        expires = now + SIGN_IN_LIFETIME
        begun = OidcSignIn(provider=found.id, binding=digest(secret), redirect_uri=redirect, return_to=path, created=now, expires=expires)
        await self._store.begin_oidc(begun, state=digest(state))
        return BegunSignIn(url=url, state=state, binding=secret, expires=expires, redirect_uri=redirect)

    async def complete(self, back: ReturnedBrowser, *, client: ClientFacts, device_token: str = "") -> CompletedSignIn:
        """Ends a sign-in: whatever comes of it, its state is used up.

        Raises:
            OidcSignInVoid: there is no such sign-in, or it is another browser's.
            IssuerDenied: the issuer says that it did not sign the person in.
            IssuerAnswerRefused: its answer cannot be trusted.
            IssuerUnavailable: it gave none.
            NotAdmitted: it knows the person, but nobody here does.
            SecondFactorRequired: the tenant requires a second factor; the error holds the challenge, and where to return to.
        """
        begun = await self._store.take_oidc(digest(back.state), now=self._clock.now())
        if begun is None or not hmac.compare_digest(begun.binding, digest(back.binding)):
            self._log.record(SecurityEvent.OIDC_REFUSED, why="state")
            raise OidcSignInVoid
        try:
            provider = await self._usable(begun.provider)
        except IdentityProviderNotFound:
            raise OidcSignInVoid from None
        person = await self._person(provider, begun, back)
        admission = await self._admit(provider, person)
        user, word = admission.account.user, IssuerWord(provider=provider, session=person.session)
        self._record(provider, user, admission)
        try:
            pair = await self._sessions.open_by_provider(admission.account, word, client=client, device_token=device_token)
        except SecondFactorRequired as error:
            error.metadata["returnTo"] = begun.return_to
            raise
        return CompletedSignIn(pair=pair, return_to=begun.return_to, end_session_url=await self._end_session_url(provider))

    async def _usable(self, provider: str) -> IdentityProvider:
        found = await self._store.find_identity_provider(provider)
        if found is None or found.disabled:
            raise IdentityProviderNotFound
        return found

    async def _person(self, provider: IdentityProvider, begun: OidcSignIn, back: ReturnedBrowser) -> Person:
        """Whom the issuer vouches for."""
        nonce, verifier = derived_proof(back.binding, back.state)
        proof = CodeProof(verifier=verifier, nonce=nonce, redirect_uri=begun.redirect_uri, began=begun.created)
        try:
            await self._issuers.check_issuer_parameter(provider, back.issuer)
            if back.error or not back.code:
                self._log.record(SecurityEvent.OIDC_REFUSED, tenant=provider.tenant, subject=provider.name, why="denied")
                raise IssuerDenied
            secret = self._sealer.open(provider.sealed_secret, owner=provider.owner_of_secret) if provider.sealed_secret else ""
            return person_of(provider, await self._issuers.redeem(provider, secret=secret, code=back.code, proof=proof))
        except IssuerUnavailable as error:
            raise told_unavailable(self._log, provider, error) from None
        except (IssuerAnswerRefused, NotAdmitted) as error:
            why = error.metadata.get("why", "")
            self._log.record(SecurityEvent.OIDC_REFUSED, tenant=provider.tenant, subject=provider.name, why=why)
            raise

    async def _admit(self, provider: IdentityProvider, person: Person) -> Admission:
        """The user of a person, with the role that the groups give; whoever has lost it loses the sessions, too."""
        now = self._clock.now()
        identity = UserIdentity(
            id=str(ULID.from_datetime(now)), tenant=provider.tenant, user="", issuer=provider.issuer, subject=person.subject, created=now
        )
        try:
            role = await self._role(provider, person)
            new = self._new_user(provider, person, role, now) if provider.create_users else None
            return await self._store.admit(provider, person, role=role, identity=identity, new=new, now=now)
        except NotAdmitted as error:
            ended = await self._store.end_identity_sessions(provider.tenant, provider.issuer, person.subject)
            self._log.record(
                SecurityEvent.OIDC_REFUSED,
                tenant=provider.tenant,
                subject=provider.name,
                why=error.metadata["why"],
                sessions=str(len(ended)),
            )
            raise

    async def _role(self, provider: IdentityProvider, person: Person) -> Role:
        try:
            return await self._authorizer.role(provider.tenant, provider.role_of(person.groups), field="role")
        except InvalidInput:  # it was removed since
            raise not_admitted(Denial.NO_ROLE) from None

    def _new_user(self, provider: IdentityProvider, person: Person, role: Role, now: datetime) -> User:
        return User(
            id=str(ULID.from_datetime(now)),
            tenant=provider.tenant,
            email=person.email,
            username="" if person.email else made_username(provider, person.subject),
            display_name=person.name,
            role=role,
            created=now,
            verified=now if person.email else None,
        )

    def _record(self, provider: IdentityProvider, user: User, admission: Admission) -> None:
        facts = {"tenant": user.tenant, "subject": user.name, "by": provider.name}
        if admission.kind is AdmissionKind.CREATED:
            self._log.record(SecurityEvent.USER_CREATED, **facts, role=user.role.name)
        elif admission.kind is AdmissionKind.LINKED:
            self._log.record(SecurityEvent.IDENTITY_LINKED, **facts)
        if admission.before.id != user.role.id:
            self._log.record(SecurityEvent.USER_CHANGED, **facts, role=user.role.name)

    async def _end_session_url(self, provider: IdentityProvider) -> str:
        return await end_session_url(self._issuers, provider, self._link)


async def end_session_url(issuers: Issuers, provider: IdentityProvider, link: Callable[[str], str]) -> str:
    """Where a browser signs out at the issuer and comes back from to the sign-in page; empty if nobody knows."""
    try:
        return await issuers.end_session_url(provider, return_to=link("/sign-in"))
    except IssuerUnavailable:
        return ""


def told_unavailable(log: SecurityLog, provider: IdentityProvider, error: IssuerUnavailable) -> IssuerUnavailable:
    """What is told of an issuer that does not answer: why goes to the log, not to strangers."""
    why = error.metadata.get("why", error.message)
    log.record(SecurityEvent.OIDC_FAILED, tenant=provider.tenant, subject=provider.name, why=why)
    return IssuerUnavailable(retry_after=error.retry_after)
