"""The key as a client writes it (draft-ietf-httpapi-idempotency-key-header-07, section 2.1), and what is derived from it."""

import hashlib
import re
import uuid
from typing import Final

from gateway.transcoding.problems import HeadersInvalid
from tocsin.mesh.tokens import Principal

HEADER: Final = "idempotency-key"
_LONGEST: Final = 255
_QUOTED: Final = re.compile(rb'"((?:[ !#-\[\]-~]|\\["\\]){0,255})"')
"""A String of RFC 9651, section 3.3.3."""
_BARE: Final = re.compile(rb"[!#-~][ -~]{0,254}")
_ESCAPED: Final = re.compile(rb'\\(["\\])')
_NAMESPACE: Final = uuid.UUID("6f0a7f0e-4c8e-5d0f-9d53-0a5a5d8f3c11")


def parse_key(raw: bytes) -> str:
    """The key, of a quoted string or of bare text.

    Raises:
        HeadersInvalid: it is empty, too long, or has other characters than printable ASCII.
    """
    if (quoted := _QUOTED.fullmatch(raw)) is not None and quoted[1]:
        return _ESCAPED.sub(rb"\1", quoted[1]).decode("ascii")
    if _BARE.fullmatch(raw) is None:
        raise HeadersInvalid.at(HEADER, f"must be 1 to {_LONGEST} printable ASCII characters, quoted or not")
    return raw.decode("ascii")


def refuse_key(raw: bytes | None) -> None:
    """Returns if a stream has no key: whoever sends one relies on it.

    Raises:
        HeadersInvalid: it has.
    """
    if raw is not None:
        raise HeadersInvalid.at(HEADER, "is for methods with one request and one answer, not for streams")


def key_id(key: str, *, principal: Principal, path: str) -> bytes:
    """What a key is in the store: the same key of another tenant, caller or method is another one."""
    parts = (principal.tenant, principal.subject, path, key)
    return hashlib.sha256(b"".join(len(part).to_bytes(4) + part for part in map(str.encode, parts))).digest()


def request_id_of(identity: bytes) -> str:
    """The identity that a request gets by its key, so that the service knows it again, whichever gateway sends it."""
    return str(uuid.uuid5(_NAMESPACE, identity.hex()))


def fingerprint_of(*parts: bytes) -> bytes:
    """What tells one payload from another."""
    return hashlib.sha256(b"".join(len(part).to_bytes(8) + part for part in parts)).digest()
