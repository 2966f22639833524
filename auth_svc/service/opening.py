"""Opening sessions, once it is clear who somebody is; and what a session gives."""

from dataclasses import dataclass, replace
from datetime import timedelta

from ulid import ULID

from auth_svc.domain import (
    PROFILE,
    Account,
    AccountMail,
    AccountMailKind,
    Grant,
    IssuerWord,
    Proof,
    Scopes,
    SecurityEvent,
    Session,
    Tenant,
    User,
    digest,
    new_device_token,
    new_refresh_token,
)
from auth_svc.ports import SecurityLog, Store, TokenSigner
from auth_svc.service.account_mails import AccountMails
from auth_svc.service.clients import Visit
from auth_svc.service.second_factor import SecondFactors
from tocsin.clock import Clock
from tocsin.zones import zone


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPair:
    """What signing in gives.

    Attributes:
        expires_in: seconds until the access token ends.
        device_token: empty unless the client has got a new one.
        enrolment_required: the tenant requires a second factor, and the session may do nothing else until one was shown.
    """

    access_token: str
    refresh_token: str
    expires_in: int
    scopes: frozenset[str]
    device_token: str = ""
    enrolment_required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRule:
    """How long things live, and what is told.

    Attributes:
        access: life of an access token.
        idle: life of a refresh token, which each use begins anew.
        longest: life of a session, however often it is continued.
        tell_new_clients: whether a sign-in by a client that was never seen is told by mail, and is a security alert.
    """

    access: timedelta
    idle: timedelta
    longest: timedelta
    tell_new_clients: bool


class SessionOpening:
    """Opens sessions of people who have proven who they are, or asks them for a second factor."""

    def __init__(
        self,
        *,
        store: Store,
        signer: TokenSigner,
        second: SecondFactors,
        mails: AccountMails,
        scopes: Scopes,
        log: SecurityLog,
        clock: Clock,
        rule: SessionRule,
    ) -> None:
        self._store = store
        self._signer = signer
        self._second = second
        self._mails = mails
        self._scopes = scopes
        self._log = log
        self._clock = clock
        self._rule = rule

    async def open_for(
        self,
        account: Account,
        visit: Visit,
        proof: Proof,
        *,
        asked: frozenset[str] = frozenset(),
        word: IssuerWord | None = None,
    ) -> TokenPair:
        """Opens a session with the scopes ``asked`` for; none: all that the user has. By the ``word`` of a provider, it ends with that.

        Where the tenant requires a second factor and the user has none, the session can do nothing but enrol one.

        Raises:
            SecondFactorRequired: ``proof`` is not enough; the error holds the challenge.
            InvalidCredentials: the user was removed meanwhile, or the provider.
        """
        await self._second.require_none(account, proof, holder=visit.holder, word=word)
        user, tenant = account.user, account.tenant
        session = self._session(user, visit, proof, asked=asked, word=word)
        refresh, device = new_refresh_token(), "" if visit.guesser.device else new_device_token()
        await self._store.open_session(
            session,
            token=digest(refresh),
            expires=min(session.created + self._rule.idle, session.end(self._rule.longest)),
            clients=visit.seen(digest(device) if device else ""),
            mail=self._notice(user, tenant, visit),
        )
        self._mails.wake()
        why = {"why": "new client"} if self._rule.tell_new_clients and visit.is_new else {}
        self._log.record(SecurityEvent.LOGIN_SUCCEEDED, tenant=tenant.id, subject=user.name, session=session.id, proof=proof.value, **why)
        return replace(self.pair(session, user, tenant, refresh), device_token=device)

    def _session(self, user: User, visit: Visit, proof: Proof, *, asked: frozenset[str], word: IssuerWord | None) -> Session:
        now = self._clock.now()
        longest = min(self._rule.longest, (word and word.provider.session_lifetime) or self._rule.longest)
        return Session(
            id=str(ULID.from_datetime(now)),
            tenant=user.tenant,
            user=user.id,
            scopes=asked,
            created=now,
            ends=now + longest,
            client=visit.client,
            proof=proof,
            proven=now,
            provider=word.provider.id if word else "",
            issuer=word.provider.issuer if word else "",
            issuer_session=word.session if word else "",
        )

    def _notice(self, user: User, tenant: Tenant, visit: Visit) -> AccountMail | None:
        """The mail that tells of a client that was never seen; none of the first sign-in of all."""
        if not (self._rule.tell_new_clients and user.email and visit.is_new):
            return None
        local = self._clock.now().astimezone(zone(tenant.time_zone))
        facts = {"time": f"{local:%Y-%m-%d %H:%M} {tenant.time_zone}", "address": visit.client.address, "agent": visit.client.agent}
        kind = AccountMailKind.NEW_SIGN_IN
        return self._mails.draft(kind, address=user.email, tenant=user.tenant, subject=user.name, locale=user.locale, variables=facts)

    def pair(self, session: Session, user: User, tenant: Tenant, refresh: str, asked: frozenset[str] = frozenset()) -> TokenPair:
        """What the user has now, as far as the session and this request asked for it: a role that lost a scope loses it here."""
        held = self._scopes.of_session(user.role, tenant, session.proof)
        limited = tenant.require_second_factor and not session.proof.strong
        scopes = (session.scopes & held) | {PROFILE} if session.scopes and not limited else held
        scopes = (scopes & asked) | {PROFILE} if asked else scopes
        now = self._clock.now()
        grant = Grant.until(
            subject=user.name,
            tenant=tenant,
            scopes=scopes,
            now=now,
            lifetime=self._rule.access,
            end=session.end(self._rule.longest),
            session=session.id,
            called=user.display_name or user.username,
        )
        return TokenPair(
            access_token=self._signer.sign(grant),
            refresh_token=refresh,
            expires_in=int((grant.expires - grant.issued).total_seconds()),
            scopes=scopes,
            enrolment_required=limited,
        )
