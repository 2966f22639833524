"""A browser's subscription (PushSubscription of the Push API), read strictly: it comes from whoever wants to be told."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, cast

from cryptography.hazmat.primitives.asymmetric import ec

from tocsin.addresses import AddressInvalid
from tocsin.egress.urls import HttpUrl, UrlRefused, parse_url

PREFIX: Final = "webpush:"
_MAX_ENDPOINT: Final = 1600  # characters; those of push services have some 200 to 800
_MEMBERS: Final = {"endpoint", "keys", "expirationTime"}
_KEYS: Final = {"p256dh", "auth"}
_EXAMPLE: Final = '"webpush:" and what PushSubscription.toJSON() gives: {"endpoint": "https://…", "keys": {"p256dh": "…", "auth": "…"}}'


@dataclass(frozen=True, slots=True, kw_only=True)
class PushSubscription:
    """Where a browser is reached.

    Attributes:
        endpoint: URL of the push resource (RFC 8030, 2); its scheme is https.
        public_key: the browser's point on P-256, uncompressed, 65 octets (RFC 8291, 3.1).
        auth: the authentication secret, 16 octets (RFC 8291, 3.2).
    """

    endpoint: HttpUrl
    public_key: bytes
    auth: bytes

    @property
    def origin(self) -> str:
        """Scheme, host and port of the push service, the audience of VAPID tokens (RFC 8292, 2)."""
        return f"https://{self.endpoint.authority}"

    def address(self) -> str:
        """The normal form: one text for the same subscription, however it was written."""
        keys = {"auth": encode(self.auth), "p256dh": encode(self.public_key)}
        return PREFIX + json.dumps({"endpoint": str(self.endpoint), "keys": keys}, separators=(",", ":"))


@lru_cache(maxsize=4096)
def parse(address: str) -> PushSubscription:
    """Reads ``webpush:{…}``.

    Raises:
        AddressInvalid: it is not a subscription that a message could be encrypted for.
    """
    try:
        found: object = json.loads(address.removeprefix(PREFIX), object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise AddressInvalid.at("to", f"must be {_EXAMPLE}") from None
    members = _object(found, _MEMBERS, "the subscription")
    keys = _object(members.get("keys"), _KEYS, "keys")
    public_key = _octets(keys.get("p256dh"), 65, "keys.p256dh")
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public_key)
    except ValueError:
        raise AddressInvalid.at("to", "keys.p256dh is not a point of the curve P-256") from None
    endpoint = _endpoint(members.get("endpoint"))
    return PushSubscription(endpoint=endpoint, public_key=public_key, auth=_octets(keys.get("auth"), 16, "keys.auth"))


def encode(data: bytes) -> str:
    """base64url without padding (RFC 7515, 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """The octets of base64url or base64, with its padding or without.

    Raises:
        ValueError: it is neither.
    """
    plain = text.rstrip("=").replace("+", "-").replace("/", "_")
    data = base64.b64decode(plain + "=" * (-len(plain) % 4), altchars=b"-_", validate=True)
    if encode(data) != plain:
        raise binascii.Error("bits are left over")
    return data


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object whose names are unique: of two values for one name, readers take different ones."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name twice")
    return found


def _object(value: object, names: set[str], what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise AddressInvalid.at("to", f"{what} must be a JSON object; the address is {_EXAMPLE}")
    found = cast("dict[str, Any]", value)
    odd = sorted(found.keys() - names)
    if odd:
        raise AddressInvalid.at("to", f"{what} holds {odd[0][:64]!r}, which no subscription has; it has {', '.join(sorted(names))}")
    return found


def _octets(value: object, size: int, what: str) -> bytes:
    data = b""
    if isinstance(value, str) and len(value) <= 2 * size:
        try:
            data = decode(value)
        except ValueError:
            data = b""
    if len(data) != size:
        raise AddressInvalid.at("to", f"{what} must be {size} octets in base64url")
    return data


def _endpoint(value: object) -> HttpUrl:
    if not isinstance(value, str) or len(value) > _MAX_ENDPOINT or "#" in value:
        raise AddressInvalid.at("to", f"endpoint must be an https URL of at most {_MAX_ENDPOINT} characters without a fragment")
    try:
        url = parse_url(value)
    except UrlRefused as error:
        raise AddressInvalid.at("to", f"endpoint {error}") from None
    if url.scheme != "https":
        raise AddressInvalid.at("to", "endpoint must begin with https://")
    return url
