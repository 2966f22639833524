"""Secrets that are made here, and what is stored in their place (pure)."""

import base64
import hashlib
import hmac
import secrets
import string
import zlib

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SECRET_LENGTH = 43  # 62 ** 43 > 2 ** 256
_CHECKSUM_LENGTH = 6  # 62 ** 6 > 2 ** 32
_KEY_PREFIX = "tk_"
_SHOWN_LENGTH = 8


def new_api_key_secret() -> str:
    """A new secret: "tk_", 256 random bits and a checksum, so that scanners find it in code and typing errors cost no look-up."""
    body = "".join(secrets.choice(_BASE62) for _ in range(_SECRET_LENGTH))
    return f"{_KEY_PREFIX}{body}{_checksum(body)}"


def is_api_key_secret(text: str) -> bool:
    """Whether ``text`` could be the secret of a key: its form and its checksum."""
    body, check = text[len(_KEY_PREFIX) : -_CHECKSUM_LENGTH], text[-_CHECKSUM_LENGTH:]
    return text.startswith(_KEY_PREFIX) and len(body) == _SECRET_LENGTH and body.isascii() and check == _checksum(body)


def shown_prefix(secret: str) -> str:
    """The beginning of a secret, which tells keys apart and helps nobody to guess the rest."""
    return secret[:_SHOWN_LENGTH]


def _checksum(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return digits


def new_refresh_token() -> str:
    """A new refresh token: 256 random bits, opaque to everybody."""
    return f"tr_{secrets.token_urlsafe(32)}"


def new_device_token() -> str:
    """A new token by which a client is known again: 256 random bits. It opens nothing."""
    return f"td_{secrets.token_urlsafe(32)}"


def new_state() -> str:
    """A new ``state`` of a sign-in at an identity provider: 256 random bits."""
    return f"ts_{secrets.token_urlsafe(32)}"


def new_binding() -> str:
    """A new secret of a browser that signs in at an identity provider: 256 random bits."""
    return f"tx_{secrets.token_urlsafe(32)}"


def derived_proof(binding: str, state: str) -> tuple[str, str]:
    """The ``nonce`` and the PKCE verifier (RFC 7636, 4.1) of one sign-in: whoever lacks the browser's secret can compute neither."""
    nonce, verifier = (_derived(binding, f"{purpose} {state}") for purpose in ("nonce", "code_verifier"))
    return nonce, verifier


def _derived(binding: str, text: str) -> str:
    return base64.urlsafe_b64encode(hmac.digest(binding.encode(), text.encode(), "sha256")).rstrip(b"=").decode()


def new_browser_secret() -> str:
    """A new secret for the cookie of a browser's session: 256 random bits, opaque to everybody."""
    return f"tb_{secrets.token_urlsafe(32)}"


def digest(secret: str) -> str:
    """What is stored in place of a random secret. One round of SHA-256 is enough: 256 random bits cannot be tried out."""
    return hashlib.sha256(secret.encode()).hexdigest()
