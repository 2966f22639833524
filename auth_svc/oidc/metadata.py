"""What an issuer says of itself (OpenID Connect Discovery 1.0, 3; RFC 8414; RFC 9207, 3), read strictly (pure)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from tocsin.egress.urls import HttpUrl, UrlRefused, parse_url

WELL_KNOWN: Final = "/.well-known/openid-configuration"
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Asymmetric signatures alone: with HS256 a public key would do for a secret, and "none" is no signature (RFC 8725, 2.1)."""

_BASIC: Final = "client_secret_basic"
_POST: Final = "client_secret_post"
_NONE: Final = "none"


class MetadataRefused(ValueError):
    """The document cannot be used; the words say why, for whoever manages the provider."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerMetadata:
    """What is used of the document of an issuer; an endpoint that it does not have is empty."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str
    end_session_endpoint: str
    algorithms: Sequence[str]
    client_methods: Sequence[str]
    names_itself: bool
    challenges: Sequence[str]

    def client_authentication(self, *, secret: bool) -> str:
        """How the client shows its secret (OpenID Connect Core, 9): in the header, unless the issuer takes it in the form alone."""
        if not secret:
            return _NONE
        return _POST if _POST in self.client_methods and _BASIC not in self.client_methods else _BASIC

    @property
    def findings(self) -> Sequence[str]:
        """What is worth a look, though people can sign in."""
        found: list[str] = []
        if not self.names_itself:
            found.append("it does not say who it is when it sends browsers back (RFC 9207); its own redirect URI stands in for that")
        if "S256" not in self.challenges:
            found.append("it does not say that it takes PKCE with S256; it is used all the same")
        if not self.userinfo_endpoint:
            found.append("it has no userinfo endpoint: address and groups must be in the ID token")
        return found


def read_metadata(document: Mapping[str, Any], *, issuer: str) -> IssuerMetadata:
    """The metadata of ``issuer`` in its document.

    Raises:
        MetadataRefused: it is another's, or lacks what signing in needs.
    """
    if document.get("issuer") != issuer:
        # OpenID Connect Discovery, 4.3: else one issuer could speak for another.
        raise MetadataRefused("it calls itself by another issuer identifier; both must be equal, to the last slash")
    offered = _texts(document.get("id_token_signing_alg_values_supported", ["RS256"]))
    algorithms = tuple(each for each in ALGORITHMS if each in offered)
    if not algorithms:
        raise MetadataRefused("it signs ID tokens with none of the algorithms that are taken: " + ", ".join(ALGORITHMS))
    if "code" not in _texts(document.get("response_types_supported", ["code"])):
        raise MetadataRefused("it has no authorization code flow")
    secure = issuer.startswith("https:")

    def endpoint(name: str, *, required: bool = True) -> str:
        return _endpoint(document.get(name), name=name, required=required, secure=secure)

    return IssuerMetadata(
        authorization_endpoint=endpoint("authorization_endpoint"),
        token_endpoint=endpoint("token_endpoint"),
        jwks_uri=endpoint("jwks_uri"),
        userinfo_endpoint=endpoint("userinfo_endpoint", required=False),
        end_session_endpoint=endpoint("end_session_endpoint", required=False),
        algorithms=algorithms,
        client_methods=_texts(document.get("token_endpoint_auth_methods_supported", [_BASIC])),
        names_itself=document.get("authorization_response_iss_parameter_supported") is True,
        challenges=_texts(document.get("code_challenge_methods_supported", [])),
    )


def checked_issuer(text: str) -> HttpUrl:
    """The URL of an issuer identifier.

    Raises:
        UrlRefused: it is none: without TLS, with a query or a fragment, or not a URL (OpenID Connect Discovery, 2).
    """
    url = parse_url(text)
    if "?" in text or "#" in text:
        raise UrlRefused("must have neither a query nor a fragment")
    if "{" in text:
        raise UrlRefused("is a template; give the issuer of one directory")
    return url


def _endpoint(value: object, *, name: str, required: bool, secure: bool) -> str:
    if value is None and not required:
        return ""
    if not isinstance(value, str):
        raise MetadataRefused(f"its {name} is missing")
    try:
        url = parse_url(value)
    except UrlRefused as error:
        raise MetadataRefused(f"its {name} {error}") from None
    if "#" in value or (secure and url.scheme != "https"):
        raise MetadataRefused(f"its {name} must be an https URL without a fragment")
    return value


def _texts(value: object) -> tuple[str, ...]:
    several: Iterable[object] = cast("list[object]", value)[:100] if isinstance(value, list) else ()
    return tuple(each for each in several if isinstance(each, str))
