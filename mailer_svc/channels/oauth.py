"""Access tokens of OAuth 2.0 (RFC 6749), had with a secret (client credentials) or a signed statement (service accounts, RFC 7523).

A token is kept until shortly before its end, and asked for once however many wait for it.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeGuard
from urllib.parse import urlencode

import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from mailer_svc.domain import SendOutcome, SendResult
from tocsin.clock import SECOND, Clock
from tocsin.egress.client import HttpAnswer, HttpClient, HttpRequest, NoAnswer, NotConnected, RequestRefused

_ASSERTION_SECONDS: Final = 3600
_LEAST_BITS: Final = 2048  # RFC 7518, 3.3
_EARLY_SECONDS: Final = 300.0
_USUAL_SECONDS: Final = 3600.0  # what a server means that names no lifetime
_FAILED_SECONDS: Final = 5.0
_MAX_TOKEN: Final = 16384  # characters


class OAuthFailed(Exception):
    """There is no token to be had now; ``outcome`` says of a message what that means for it."""

    def __init__(self, outcome: SendOutcome) -> None:
        super().__init__(outcome.detail)
        self.outcome = outcome


class AuthorizationGrant(Protocol):
    """What a token is asked for with."""

    @property
    def token_url(self) -> str:
        """The token endpoint."""
        ...

    def form(self, now: int) -> Mapping[str, str]:
        """The parameters of the request at ``now``, in seconds since the epoch."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCredentials:
    """RFC 6749, 4.4, with the secret in the form, as Microsoft takes it."""

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str

    def form(self, now: int) -> Mapping[str, str]:
        """The parameters of the request."""
        del now
        return {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "scope": self.scope,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogleServiceAccount:
    """Google's service accounts: RFC 7523, 2.1, signed with RS256.

    Attributes:
        token_url: the token endpoint, which is also the audience.
        email: the account's name.
        key_id: of the private key.
        private_key: RSA.
        project: the account's project.
        scope: what the token is for.
        subject: the user in whose name it is to act; empty: the account itself.
    """

    token_url: str
    email: str
    key_id: str
    private_key: RSAPrivateKey = field(repr=False)
    project: str
    scope: str
    subject: str = ""

    @classmethod
    def parse(cls, text: str, *, scope: str, subject: str = "") -> "GoogleServiceAccount":
        """Reads the key file that Google's console gives (JSON).

        Raises:
            ValueError: it is not one; the words hold nothing of it.
        """
        try:
            found = msgspec.json.decode(text, type=_KeyFile)
        except msgspec.DecodeError:
            raise ValueError("must be the JSON key file of a Google service account") from None
        key: object = None
        with contextlib.suppress(ValueError, TypeError, UnsupportedAlgorithm):
            key = load_pem_private_key(found.private_key.encode(), password=None)
        if not isinstance(key, RSAPrivateKey) or key.key_size < _LEAST_BITS:
            raise ValueError(f"private_key must be an RSA key in PEM, of {_LEAST_BITS} bits at least")
        return cls(
            token_url=found.token_uri,
            email=found.client_email,
            key_id=found.private_key_id,
            private_key=key,
            project=found.project_id,
            scope=scope,
            subject=subject,
        )

    def form(self, now: int) -> Mapping[str, str]:
        """The parameters of the request, with a statement that is good for an hour."""
        claims = {"iss": self.email, "scope": self.scope, "aud": self.token_url, "iat": now, "exp": now + _ASSERTION_SECONDS}
        signed = jwt.encode(
            claims | ({"sub": self.subject} if self.subject else {}), self.private_key, algorithm="RS256", headers={"kid": self.key_id}
        )
        return {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": signed}


class _KeyFile(msgspec.Struct, tag_field="type", tag="service_account"):
    client_email: str
    private_key: str
    private_key_id: str
    project_id: str
    token_uri: str = "https://oauth2.googleapis.com/token"  # noqa: S105 - a URL


class TokenSource:
    """Gives the access token of one grant."""

    def __init__(self, *, grant: AuthorizationGrant, http: HttpClient, clock: Clock) -> None:
        """Asks for nothing yet; whoever made ``http`` closes it."""
        self._grant = grant
        self._http = http
        self._clock = clock
        self._asking = asyncio.Lock()
        self._token = ""
        self._renewal = 0.0
        self._failure: tuple[float, OAuthFailed] | None = None

    async def token(self) -> str:
        """The token. Those that ask while one is on its way wait for it.

        Raises:
            OAuthFailed: there is none now: the credentials are refused, or the server does not work. It is asked again after seconds.
        """
        async with self._asking:
            now = self._clock.monotonic()
            if self._token and now < self._renewal:
                return self._token
            if self._failure is not None and now < self._failure[0]:
                raise OAuthFailed(self._failure[1].outcome)
            try:
                self._token, lifetime = await self._ask()
            except OAuthFailed as error:
                self._failure = self._clock.monotonic() + _FAILED_SECONDS, error
                raise
            self._renewal = self._clock.monotonic() + max(lifetime - _EARLY_SECONDS, lifetime / 2)
            return self._token

    def invalidate(self, token: str) -> None:
        """Forgets a ``token`` that was refused; one that has taken its place meanwhile stays."""
        if token == self._token:
            self._token = ""

    async def _ask(self) -> tuple[str, float]:
        """A token, and the seconds for which it is good."""
        form = urlencode(self._grant.form(self._clock.micros() // SECOND)).encode()
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        try:
            answer = await self._http.send(HttpRequest(url=self._grant.token_url, headers=headers, body=form))
        except RequestRefused as error:
            raise OAuthFailed(SendOutcome(SendResult.MISCONFIGURED, 0, f"the token endpoint cannot be asked: {error}")) from error
        except (NotConnected, NoAnswer) as error:
            raise OAuthFailed(SendOutcome(SendResult.PROVIDER_DOWN, 0, f"the token endpoint gave no answer: {error}")) from error
        members = answer.json()
        if answer.status == 200:
            token, kind = members.get("access_token"), members.get("token_type", "Bearer")
            if not _is_token(token) or not isinstance(kind, str) or kind.lower() != "bearer":
                raise OAuthFailed(SendOutcome(SendResult.PROVIDER_DOWN, 200, "the token endpoint gave no bearer token"))
            lifetime = members.get("expires_in", _USUAL_SECONDS)
            good = isinstance(lifetime, (int, float)) and not isinstance(lifetime, bool) and 0 < lifetime < 1e9
            return token, float(lifetime) if good else _USUAL_SECONDS
        raise OAuthFailed(_failure(answer, members))


def _failure(answer: HttpAnswer, members: Mapping[str, Any]) -> SendOutcome:
    """What an answer that is no token says (RFC 6749, 5.2); what it describes may hold a secret, and is not told."""
    error = members.get("error")
    words = error if isinstance(error, str) and error.isascii() and error.isprintable() and len(error) <= 64 else ""
    detail = f"the token endpoint answered {answer.status}" + (f" {words}" if words else "")
    if answer.status in (408, 425, 429) or answer.status >= 500 or words in ("temporarily_unavailable", "server_error"):
        return SendOutcome(SendResult.PROVIDER_DOWN, answer.status, detail)
    return SendOutcome(SendResult.MISCONFIGURED, answer.status, detail)


def _is_token(value: object) -> TypeGuard[str]:
    """Whether it can stand in a header (RFC 6750, 2.1)."""
    return isinstance(value, str) and 0 < len(value) <= _MAX_TOKEN and value.isascii() and value.isprintable() and " " not in value
