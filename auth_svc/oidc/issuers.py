"""The issuers, over HTTP: `auth_svc.ports.Issuers`."""

import asyncio
import base64
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, TypeVar
from urllib.parse import quote_plus, urlencode

from authlib.oauth2 import rfc7636
from authlib.oauth2.rfc6749 import parameters

from auth_svc.domain import Claims, IdentityProvider, IssuerAnswerRefused, IssuerUnavailable, LogoutToken, LogoutTokenRefused, has_claims
from auth_svc.oidc.metadata import WELL_KNOWN, IssuerMetadata, MetadataRefused, checked_issuer, read_metadata
from auth_svc.oidc.tokens import Expected, IssuerKey, NoSuchKey, read_keys, verified_claims, verified_logout
from auth_svc.ports import CodeProof, IssuerReport
from tocsin.clock import Clock
from tocsin.egress.addresses import AllowedTargets
from tocsin.egress.client import HttpAnswer, HttpClient, HttpLimits, HttpRequest, NoAnswer, NotConnected, RequestRefused
from tocsin.egress.urls import UrlRefused, why_never
from tocsin.errors import CircuitOpen
from tocsin.mesh.breaker import BreakerRegistry, failing_on
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

Read = TypeVar("Read")
_Reading: TypeAlias = Callable[[Sequence[IssuerKey], Sequence[str]], Read]

_URIS: Final[Any] = parameters  # neither has types
_PKCE: Final[Any] = rfc7636
_LIMITS: Final = HttpLimits(connections=64, connect_seconds=4.0, total_seconds=5.0, answer_bytes=256 * 1024)
_AT_ONCE: Final = 4
"""Requests to one issuer at a time; so many times eight may wait, so that a slow issuer holds up nobody but its own people."""
_WAITING: Final = 8 * _AT_ONCE
_OF_TENANT: Final = 8
"""Requests to all issuers of one tenant at a time, an eighth of the connections: however many of them hang, the others' sign-ins go on."""
_TENANT_WAITING: Final = 8 * _OF_TENANT
_METADATA_SECONDS: Final = 3600.0
_KEYS_SECONDS: Final = 600.0
_AGAIN_SECONDS: Final = 10.0
"""A token that no key verifies has the keys fetched anew, but not more often than this."""
_KNOWN_MOST: Final = 1000
_CODE_MOST: Final = 4096
_ACCESS_TOKEN_MOST: Final = 16 * 1024
_REFUSED: Final = (400, 401, 403)


@dataclass(slots=True)
class _KnownIssuer:
    """What is remembered of one issuer; times are of the monotonic clock."""

    metadata: IssuerMetadata | None = None
    metadata_until: float = 0.0
    keys: list[IssuerKey] = field(default_factory=list[IssuerKey])
    keys_since: float = float("-inf")
    turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))
    waiting: int = 0
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(slots=True)
class _TenantTurns:
    """Requests to the issuers of one tenant: how many are under way, and wait to be."""

    turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_OF_TENANT))
    waiting: int = 0


class HttpIssuers:
    """Asks issuers; a component."""

    def __init__(self, *, allowed: AllowedTargets, breakers: BreakerRegistry, clock: Clock, http: HttpClient | None = None) -> None:
        """Connects to nothing yet.

        Args:
            allowed: what may be reached besides the public internet.
            breakers: one for each provider.
            clock: source of time.
            http: sends requests; one with the bounds of this module unless given.
        """
        self._allowed = allowed
        self._breakers = breakers
        self._clock = clock
        self._http = http or HttpClient(allowed=allowed, https_only=True, limits=_LIMITS)
        self._known: OrderedDict[tuple[str, str], _KnownIssuer] = OrderedDict()
        self._tenants: dict[str, _TenantTurns] = {}
        self._failing = failing_on(IssuerUnavailable)

    async def start(self) -> None:
        """Has nothing to begin."""

    async def stop(self) -> None:
        """Closes every connection."""
        await self._http.close()

    def check_issuer(self, issuer: str) -> str:
        """Why it may never be asked."""
        try:
            url = checked_issuer(issuer)
        except UrlRefused as error:
            return str(error)
        if url.scheme == "http" and not self._allowed.has_host(url.host):
            return "must begin with https://; plain HTTP goes to hosts alone that the operator opened (TOCSIN_EGRESS_ALLOW)"
        return why_never(url, self._allowed)

    async def authorization_url(self, provider: IdentityProvider, *, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """Where the browser goes (OpenID Connect Core, 3.1.2.1; RFC 7636, 4.3)."""
        metadata = await self._metadata(provider)
        return str(
            _URIS.prepare_grant_uri(
                metadata.authorization_endpoint,
                client_id=provider.client_id,
                response_type="code",
                redirect_uri=redirect_uri,
                scope=" ".join(provider.scopes),
                state=state,
                nonce=nonce,
                code_challenge=_PKCE.create_s256_code_challenge(verifier),
                code_challenge_method="S256",
            )
        )

    async def check_issuer_parameter(self, provider: IdentityProvider, issuer: str | None) -> None:
        """Who sent the browser back (RFC 9207, 2.4)."""
        if issuer is None and not (await self._metadata(provider)).names_itself:
            return
        if issuer != provider.issuer:
            raise IssuerAnswerRefused(metadata={"why": "issuer"})

    async def redeem(self, provider: IdentityProvider, *, secret: str, code: str, proof: CodeProof) -> Claims:
        """Exchanges a code, and reads what comes."""
        if not 0 < len(code) <= _CODE_MOST:
            raise IssuerAnswerRefused(metadata={"why": "code"})
        metadata = await self._metadata(provider)
        answer = await self._send(provider, _token_request(provider, metadata, secret=secret, code=code, proof=proof))
        if answer.status in _REFUSED:
            why = answer.json().get("error")
            # An error of RFC 6749, 5.2 tells of the code (its browser's fault) or of the client (its administrator's).
            _log.warning("issuer refused a code", provider=provider.id, status=answer.status, client=why != "invalid_grant")
            raise IssuerAnswerRefused(metadata={"why": "code" if why == "invalid_grant" else "client"})
        tokens = _json_of(answer)
        token, access = tokens.get("id_token"), tokens.get("access_token", "")
        if not isinstance(token, str) or not isinstance(access, str) or len(access) > _ACCESS_TOKEN_MOST:
            raise IssuerAnswerRefused(metadata={"why": "id_token"})
        expected = Expected(
            issuer=provider.issuer,
            client_id=provider.client_id,
            nonce=proof.nonce,
            access_token=access,
            began=int(proof.began.timestamp()),
            now=int(self._clock.now().timestamp()),
        )
        claims = await self._claims(provider, metadata, token, expected)
        if has_claims(claims, provider) or not (metadata.userinfo_endpoint and access):
            return claims
        return {**await self._userinfo(provider, metadata, access, claims), **claims}

    async def _claims(self, provider: IdentityProvider, metadata: IssuerMetadata, token: str, expected: Expected) -> Claims:
        return await self._verified(
            provider, metadata, lambda keys, known: verified_claims(token, keys=keys, algorithms=known, expected=expected)
        )

    async def _verified(self, provider: IdentityProvider, metadata: IssuerMetadata, read: _Reading[Read]) -> Read:
        """What ``read`` finds with the keys of the issuer; with newer ones, if none of those that are known verifies it."""
        for newest in (False, True):
            keys = await self._keys(provider, metadata, newest=newest)
            try:
                return read(keys, metadata.algorithms)
            except NoSuchKey:
                continue
        raise IssuerAnswerRefused(metadata={"why": "signature"})

    async def logout_token(self, provider: IdentityProvider, token: str) -> LogoutToken:
        """Whom the issuer has signed out."""
        metadata, now = await self._metadata(provider), int(self._clock.now().timestamp())

        def read(keys: Sequence[IssuerKey], known: Sequence[str]) -> LogoutToken:
            return verified_logout(token, keys=keys, algorithms=known, issuer=provider.issuer, client_id=provider.client_id, now=now)

        try:
            return await self._verified(provider, metadata, read)
        except IssuerAnswerRefused as error:
            raise LogoutTokenRefused(metadata=error.metadata) from None

    async def _userinfo(self, provider: IdentityProvider, metadata: IssuerMetadata, access: str, claims: Claims) -> Claims:
        """Further claims, which must be of the same subject (OpenID Connect Core, 5.3.4)."""
        headers = {"authorization": f"Bearer {access}", "accept": "application/json"}
        try:
            answer = await self._send(provider, HttpRequest(method="GET", url=metadata.userinfo_endpoint, headers=headers))
        except RequestRefused:  # an access token that no header takes
            raise IssuerAnswerRefused(metadata={"why": "access_token"}) from None
        found = _json_of(answer)
        if found.get("sub") != claims["sub"]:
            raise IssuerAnswerRefused(metadata={"why": "userinfo"})
        return found

    async def end_session_url(self, provider: IdentityProvider, *, return_to: str) -> str:
        """Where a browser signs out (OpenID Connect RP-Initiated Logout 1.0, 2)."""
        endpoint = (await self._metadata(provider)).end_session_endpoint
        if not endpoint:
            return ""
        back = {"post_logout_redirect_uri": return_to} if return_to else {}
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode({'client_id': provider.client_id, **back})}"

    async def inspect(self, provider: IdentityProvider, *, secret: bool) -> IssuerReport:
        """Asks anew, past its circuit breaker's memory of documents."""
        self.forget(provider)
        known = self._of(provider)
        try:
            metadata = await self._fetch_metadata(provider, known)
            keys = await self._fetch_keys(provider, metadata, known)
        except IssuerUnavailable as error:
            return IssuerReport(usable=False, findings=[error.metadata.get("why", error.message)])
        method = metadata.client_authentication(secret=secret)
        findings = [*metadata.findings, *([] if keys else ["none of its keys can verify a signature"])]
        if not secret and "none" not in metadata.client_methods:
            findings.append("there is no client secret, and it does not say that it takes clients without one")
        return IssuerReport(
            usable=bool(keys),
            findings=findings,
            authorization_endpoint=metadata.authorization_endpoint,
            token_endpoint=metadata.token_endpoint,
            jwks_uri=metadata.jwks_uri,
            userinfo_endpoint=metadata.userinfo_endpoint,
            end_session_endpoint=metadata.end_session_endpoint,
            algorithms=metadata.algorithms,
            keys=len(keys),
            client_authentication=method,
            names_itself=metadata.names_itself,
        )

    def circuit(self, provider: IdentityProvider) -> str:
        """The state of its circuit breaker."""
        return self._breakers.get(id=f"oidc/{provider.id}", target="oidc").state.name

    def forget(self, provider: IdentityProvider) -> None:
        """Forgets its documents."""
        for (identity, _), known in self._known.items():
            if identity == provider.id:
                known.metadata, known.keys, known.keys_since = None, [], float("-inf")

    async def _metadata(self, provider: IdentityProvider) -> IssuerMetadata:
        known = self._of(provider)
        if known.metadata is not None and self._clock.monotonic() < known.metadata_until:
            return known.metadata
        async with known.asking:
            if known.metadata is not None and self._clock.monotonic() < known.metadata_until:
                return known.metadata
            return await self._fetch_metadata(provider, known)

    async def _fetch_metadata(self, provider: IdentityProvider, known: _KnownIssuer) -> IssuerMetadata:
        url = provider.issuer.removesuffix("/") + WELL_KNOWN
        document = _json_of(await self._send(provider, _get(url)))
        try:
            metadata = read_metadata(document, issuer=provider.issuer)
        except MetadataRefused as error:
            raise unavailable(str(error)) from None
        known.metadata, known.metadata_until = metadata, self._clock.monotonic() + _METADATA_SECONDS
        return metadata

    async def _keys(self, provider: IdentityProvider, metadata: IssuerMetadata, *, newest: bool) -> list[IssuerKey]:
        """Its keys; fetched anew if they are old, or if ``newest`` are wanted and these are not from just now."""
        known = self._of(provider)

        def good() -> bool:
            return self._clock.monotonic() - known.keys_since < (_AGAIN_SECONDS if newest else _KEYS_SECONDS)

        if good():
            return known.keys
        async with known.asking:
            return known.keys if good() else await self._fetch_keys(provider, metadata, known)

    async def _fetch_keys(self, provider: IdentityProvider, metadata: IssuerMetadata, known: _KnownIssuer) -> list[IssuerKey]:
        keys = list(read_keys(_json_of(await self._send(provider, _get(metadata.jwks_uri)))))
        known.keys, known.keys_since = keys, self._clock.monotonic()
        return keys

    def _of(self, provider: IdentityProvider) -> _KnownIssuer:
        key = (provider.id, provider.issuer)
        known = self._known.setdefault(key, _KnownIssuer())
        self._known.move_to_end(key)
        if len(self._known) > _KNOWN_MOST:
            self._known.popitem(last=False)
        return known

    async def _send(self, provider: IdentityProvider, request: HttpRequest) -> HttpAnswer:
        """The answer, as whole as it came; what says nothing of the request is raised.

        Raises:
            IssuerUnavailable: none came, or one that no issuer gives.
            RequestRefused: a header cannot be sent.
        """
        known, tenant = self._of(provider), self._tenants.setdefault(provider.tenant, _TenantTurns())
        if known.waiting >= _WAITING:
            raise unavailable("too many sign-ins wait for it")
        if tenant.waiting >= _TENANT_WAITING:
            raise unavailable("too many sign-ins wait for the identity providers of its tenant")
        breaker = self._breakers.get(id=f"oidc/{provider.id}", target="oidc")
        known.waiting += 1
        tenant.waiting += 1
        try:
            async with known.turn, tenant.turn, breaker.guard(self._failing):
                return await self._sent(request)
        except CircuitOpen:
            raise unavailable("it did not answer lately, and is not asked for a while") from None
        finally:
            known.waiting -= 1
            tenant.waiting -= 1
            if not tenant.waiting:
                del self._tenants[provider.tenant]

    async def _sent(self, request: HttpRequest) -> HttpAnswer:
        try:
            answer = await self._http.send(request)
        except RequestRefused as error:
            if "header" in str(error):
                raise
            raise unavailable(f"it may not be asked: {error}") from None
        except (NotConnected, NoAnswer, TimeoutError) as error:
            raise unavailable(f"no answer: {error or 'not in time'}") from None
        if not answer.whole:
            raise unavailable("its answer is larger than 256 KiB")
        if not answer.ok and answer.status not in _REFUSED:
            raise unavailable(f"it answered {answer.status}; redirections are not followed")
        return answer


def unavailable(why: str) -> IssuerUnavailable:
    """The error for an issuer that does not answer as it should; ``why`` is for whoever manages the provider."""
    return IssuerUnavailable(metadata={"why": why}, retry_after=5.0)


def _get(url: str) -> HttpRequest:
    return HttpRequest(method="GET", url=url, headers={"accept": "application/json"})


def _token_request(provider: IdentityProvider, metadata: IssuerMetadata, *, secret: str, code: str, proof: CodeProof) -> HttpRequest:
    """RFC 6749, 4.1.3, with the client's secret by one way alone (2.3)."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": proof.redirect_uri,
        "code_verifier": proof.verifier,
    }
    headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
    if metadata.client_authentication(secret=bool(secret)) == "client_secret_basic":
        pair = f"{quote_plus(provider.client_id)}:{quote_plus(secret)}"
        headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    else:
        form |= {"client_id": provider.client_id, **({"client_secret": secret} if secret else {})}
    return HttpRequest(method="POST", url=metadata.token_endpoint, headers=headers, body=urlencode(form).encode())


def _json_of(answer: HttpAnswer) -> Mapping[str, Any]:
    """The JSON object of a good answer.

    Raises:
        IssuerUnavailable: it is something else.
    """
    found: Mapping[str, Any] = answer.json() if answer.ok else {}
    if not found:
        raise unavailable("it did not answer with a JSON object" if answer.ok else f"it answered {answer.status}")
    return found
