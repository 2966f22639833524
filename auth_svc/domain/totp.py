"""Codes of authenticator apps: six digits of HMAC-SHA-1, a new one every 30 seconds (RFC 6238), which is what every app can do (pure)."""

import base64
import secrets
from datetime import datetime
from hmac import compare_digest
from typing import Final
from urllib.parse import quote, urlencode

import segno
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

STEP_SECONDS: Final = 30
DIGITS: Final = 6
WINDOW: Final = 1
"""Time steps by which the clock of an app may be wrong, either way (RFC 6238, 5.2 and 6)."""

_LONGEST_ACCOUNT: Final = 64
"""Characters of an account's name that an app is told: it shows fewer, and a code of all that a name may have is none that cameras read."""
_SECRET_BYTES: Final = 20  # as many as the hash has (RFC 4226, 4, R6)


def new_totp_secret() -> str:
    """A new secret in base32 (RFC 4648), as apps take it."""
    return base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def totp_uri(secret: str, *, issuer: str, account: str) -> str:
    """The otpauth:// URI of a secret, which apps read as a QR code (Key URI Format)."""
    # Not that of the library: it writes spaces as +, which apps show as they are.
    label = f"{quote(issuer.replace(':', ' '), safe='')}:{quote(account[:_LONGEST_ACCOUNT].replace(':', ' '), safe='')}"
    query = urlencode({"secret": secret, "issuer": issuer.replace(":", " "), "digits": DIGITS, "period": STEP_SECONDS}, quote_via=quote)
    return f"otpauth://totp/{label}?{query}"


def qr_code(text: str) -> str:
    """A QR code of a text (ISO/IEC 18004) as a `data:` URI of an SVG: black on white on every ground, for cameras expect it so."""
    return segno.make_qr(text).svg_data_uri(light="#fff", omitsize=True)


def totp_code(secret: str, step: int) -> str:
    """The code of a time step."""
    return _totp(secret).generate(step * STEP_SECONDS).decode()


def matching_step(secret: str, code: str, *, now: datetime, after: int) -> int | None:
    """The time step whose code this is, of those that may be taken now and are later than ``after``; None if it is none of them."""
    current = int(now.timestamp()) // STEP_SECONDS
    steps = range(current - WINDOW, current + WINDOW + 1)
    found = [step for step in steps if compare_digest(totp_code(secret, step).encode(), code.encode("utf-8", "replace"))]
    return next((step for step in found if step > after), None)


def _totp(secret: str) -> TOTP:
    return TOTP(base64.b32decode(secret), DIGITS, SHA1(), STEP_SECONDS)  # noqa: S303  what apps know; HMAC asks no more of it (RFC 6194, 3.3)
