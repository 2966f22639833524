"""An OpenID Connect issuer on 127.0.0.1: discovery, authorization, token, keys and userinfo; and what a hostile one does instead."""

import asyncio
import base64
import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Self
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from joserfc import jws
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from tocsin.clock import Clock, SystemClock
from tocsin.testing.http import Behaviour, HttpSink, Reply, SeenRequest

CLIENT = "tocsin"
SECRET = "s3cr3t/with+signs"
LOGOUT = "http://schemas.openid.net/event/backchannel-logout"


class LocalIssuer:
    """Signs in whoever comes, as ``claims`` say. Its answers are changed by `tamper`, and replaced by `instead`.

    Attributes:
        claims: of whoever signs in next; "sub" among them.
        header: what is added to the header of an ID token, or takes the place of what is there.
        metadata: the same for its metadata.
        userinfo: what its userinfo endpoint says; None: the claims.
        instead: by path, what answers in the place of the issuer.
        codes: that can be redeemed, with what they are for.
    """

    def __init__(self, *, clock: Clock | None = None, secret: str = SECRET) -> None:
        self.sink = HttpSink()
        self.clock = clock or SystemClock()
        self.secret = secret
        self.key: Key = rsa_key()
        self.algorithm = "RS256"
        self.keys: list[dict[str, Any]] = [public(self.key)]
        self.claims: dict[str, Any] = {}
        self.header: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.userinfo: dict[str, Any] | None = None
        self.tamper: Callable[[dict[str, Any]], Any] = dict
        self.instead: dict[str, Reply | Behaviour] = {}
        self.codes: dict[str, Mapping[str, str]] = {}
        self.signed_in("ann-1", email="ann@example.com", email_verified=True, name="Ann", groups=["staff"])

    @property
    def url(self) -> str:
        """Its issuer identifier."""
        return self.sink.url

    def signed_in(self, subject: str, **claims: Any) -> None:
        """Who comes next."""
        self.claims = {"sub": subject, **claims}

    def rotate(self, *, keep: bool = False) -> None:
        """Signs with a new key from now on; ``keep`` publishes the old one, too."""
        self.key = ECKey.generate_key("P-256", {"kid": secrets.token_hex(4)})
        self.algorithm = "ES256"
        self.keys = [public(self.key), *(self.keys if keep else [])]

    async def __aenter__(self) -> Self:
        await self.sink.start()
        self.sink.script(self._answer)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.sink.stop()

    def paths(self) -> list[str]:
        """What it was asked for, in order."""
        return [urlsplit(request.target).path for request in self.sink.requests]

    def authorize(self, url: str, **back: str | None) -> dict[str, str]:
        """What a browser brings back that was sent to ``url``; ``back`` changes it, or leaves out what is None."""
        location = self._authorize(urlsplit(url).query)
        found = {**dict(parse_qsl(urlsplit(location).query)), **back}
        return {name: value for name, value in found.items() if value is not None}

    def _authorize(self, query: str) -> str:
        asked = dict(parse_qsl(query))
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        answer = {"code": code, "state": asked["state"], "iss": self.url}
        return f"{asked['redirect_uri']}?{urlencode(answer)}"

    def described(self) -> dict[str, Any]:
        """Its metadata."""
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "end_session_endpoint": f"{self.url}/logout",
            "response_types_supported": ["code"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256", "EdDSA", "HS256", "none"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            **self.metadata,
        }

    async def _answer(self, request: SeenRequest, writer: asyncio.StreamWriter) -> None:
        parts = urlsplit(request.target)
        other = self.instead.get(parts.path)
        if other is not None and not isinstance(other, Reply):
            await other(request, writer)
            return
        reply = other or self._reply(request, parts.path, parts.query)
        writer.write(reply.encoded())
        await writer.drain()

    def _reply(self, request: SeenRequest, path: str, query: str) -> Reply:
        match path:
            case "/.well-known/openid-configuration":
                return Reply.of_json(self.described())
            case "/keys":
                return Reply.of_json({"keys": self.keys})
            case "/authorize":
                return Reply(status=302, headers={"location": self._authorize(query)})
            case "/token":
                return self._token(request)
            case "/userinfo":
                return Reply.of_json(self.claims if self.userinfo is None else self.userinfo)
            case _:
                return Reply(status=404)

    def _token(self, request: SeenRequest) -> Reply:
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        asked = self.codes.pop(form.get("code", ""), None)
        if self.secret and not self._knows_secret(request, form):
            return Reply.of_json({"error": "invalid_client"}, status=401)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=").decode()
        if asked is None or asked["redirect_uri"] != form["redirect_uri"] or asked["code_challenge"] != challenge:
            return Reply.of_json({"error": "invalid_grant"}, status=400)
        access = secrets.token_urlsafe(16)
        now = int(self.clock.now().timestamp())
        claims = {"iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"], **self.claims}
        return Reply.of_json({"token_type": "Bearer", "access_token": access, "expires_in": 300, "id_token": self.mint(claims)})

    def _knows_secret(self, request: SeenRequest, form: Mapping[str, str]) -> bool:
        kind, _, pair = request.headers.get("authorization", "").partition(" ")
        if kind == "Basic":
            found = dict(parse_qsl(f"pair={base64.b64decode(pair).decode()}"))["pair"]
            return found == f"{CLIENT}:{self.secret}"
        return form.get("client_id") == CLIENT and form.get("client_secret") == self.secret

    def logout_token(self, **changes: Any) -> str:
        """What it posts when it has signed somebody out; ``changes`` change its claims, or leave out what is None."""
        now = int(self.clock.now().timestamp())
        claims = {"iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 120, "jti": secrets.token_urlsafe(16), "events": {LOGOUT: {}}}
        return self.mint({name: value for name, value in (claims | changes).items() if value is not None})

    def mint(self, claims: dict[str, Any]) -> str:
        """An ID token, as `tamper` makes it."""
        found = self.tamper(dict(claims))
        if isinstance(found, str):
            return found
        header = {"alg": self.algorithm, "kid": self.key.kid, **self.header}
        return jws.serialize_compact(header, json.dumps(found), self.key, algorithms=[self.algorithm])


@cache
def rsa_key() -> Key:
    """The first key of every issuer: making one takes long."""
    return RSAKey.generate_key(2048, {"kid": "first"})


def public(key: Key) -> dict[str, Any]:
    """The public part of a key, as an issuer publishes it."""
    return {**key.as_dict(private=False), "use": "sig"}


def unsigned(claims: Mapping[str, Any], *, algorithm: str = "none", signature: bytes = b"") -> str:
    """A token with a signature that somebody made up."""

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    head = f"{part({'alg': algorithm, 'kid': 'first'})}.{part(dict(claims))}"
    return f"{head}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def stranger() -> Key:
    """A key that nobody published, under an id that somebody did."""
    return OKPKey.generate_key("Ed25519", {"kid": "first"})
