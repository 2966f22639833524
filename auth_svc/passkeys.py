"""Passkeys: the relying party of WebAuthn, level 3 (https://www.w3.org/TR/webauthn-3/), by py_webauthn."""

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from typing import Any, Final, cast

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import decode_credential_public_key, decoded_public_key_to_cryptography, parse_cbor
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from auth_svc.domain import CHALLENGE_LIFETIME, Factor, NewPasskey, PasskeyAssertion, PasskeysUnavailable, User
from auth_svc.domain.cbor import NotPlain, end_of_item
from tocsin.errors import InvalidInput
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_ALGORITHMS: Final = [
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]
# Algorithm, key type, curve (RFC 9053): what a key may be. Of RSA the sizes are bounded below.
_KEYS: Final = ((-7, 2, 1), (-8, 1, 6))
_RSA: Final = (-257, 3)
_MODULUS: Final = range(256, 513)
_LONGEST_EXPONENT: Final = 4
_FORMATS: Final = ("none", "packed")
_LONGEST_CREDENTIAL: Final = 1023  # WebAuthn, 4
_RP_NAME: Final = "Tocsin"
_KEY_AT: Final = 55  # hash 32, flags 1, counter 4, AAGUID 16, length 2: what stands before the credential id (WebAuthn, 6.1)
_PLAIN_AT: Final = 37
_HAS_KEY, _HAS_EXTENSIONS = 0x40, 0x80
_TIMEOUT_MS: Final = int(CHALLENGE_LIFETIME.total_seconds() * 1000)
# What py_webauthn raises for what it cannot read; the values that are not its own come from what it calls.
_REFUSALS: Final = (
    WebAuthnException,
    InvalidSignature,
    UnsupportedAlgorithm,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    RecursionError,
)


class _Unfit(Exception):
    """The answer is none; the text says why, without anything of it."""


class WebAuthnPasskeys:
    """Implements `auth_svc.ports.Passkeys`. The challenge is a hash of the token, so that neither is stored."""

    def __init__(self, *, rp_id: str, origins: Sequence[str]) -> None:
        """Makes it.

        Args:
            rp_id: the domain that passkeys are of; empty: there are none here.
            origins: of the pages that may use them.
        """
        self._rp_id = rp_id
        self._origins = list(origins)

    def creation_options(self, user: User, *, token: str, known: Sequence[Factor]) -> str:
        """What a browser makes a passkey by."""
        options = generate_registration_options(
            rp_id=self._required(),
            rp_name=_RP_NAME,
            user_id=user.id.encode(),
            user_name=user.email or user.username,
            user_display_name=user.display_name or user.email or user.username,
            challenge=_challenge(token),
            timeout=_TIMEOUT_MS,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.PREFERRED, user_verification=UserVerificationRequirement.PREFERRED
            ),
            exclude_credentials=_descriptors(known),
            supported_pub_key_algs=_ALGORITHMS,
        )
        return options_to_json(options)

    def request_options(self, *, token: str, known: Sequence[Factor]) -> str:
        """What a browser asks a passkey by."""
        wanted = UserVerificationRequirement.PREFERRED if known else UserVerificationRequirement.REQUIRED
        options = generate_authentication_options(
            rp_id=self._required(),
            challenge=_challenge(token),
            timeout=_TIMEOUT_MS,
            allow_credentials=_descriptors(known),
            user_verification=wanted,
        )
        return options_to_json(options)

    def created(self, response: str, *, token: str, field: str) -> NewPasskey:
        """The passkey that a browser has made."""
        rp_id = self._required()
        try:
            credential = _credential(response)
            self._check_client_data(credential, kind="webauthn.create", token=token)
            _check_attestation(_bytes(credential, "attestationObject"))
            made = verify_registration_response(
                credential=credential,
                expected_challenge=_challenge(token),
                expected_rp_id=rp_id,
                expected_origin=self._origins,
                supported_pub_key_algs=_ALGORITHMS,
            )
            decoded_public_key_to_cryptography(decode_credential_public_key(made.credential_public_key))
        except _Unfit as refused:
            raise InvalidInput.at(field, str(refused)) from None
        except _REFUSALS:
            raise InvalidInput.at(field, "is no answer of a passkey to this challenge") from None
        said: object = credential["response"].get("transports")
        transports = cast("list[object]", said) if isinstance(said, list) else []
        return NewPasskey(
            credential=_base64url(made.credential_id),
            public_key=_base64url(made.credential_public_key),
            sign_count=made.sign_count,
            transports=[each.value for each in AuthenticatorTransport if each.value in transports],
            synced=made.credential_backed_up,
        )

    def named(self, response: str, *, field: str) -> PasskeyAssertion:
        """Which passkey an answer says to be of."""
        try:
            credential = _credential(response)
            handle = credential["response"].get("userHandle") or ""
            user = _decoded(handle).decode("ascii") if isinstance(handle, str) else ""
            return PasskeyAssertion(credential=_base64url(_decoded(credential["id"])), user_handle=user, sign_count=0)
        except _Unfit as refused:
            raise InvalidInput.at(field, str(refused)) from None
        except ValueError:
            raise InvalidInput.at(field, "is no answer of a passkey") from None

    def verified(self, response: str, passkey: Factor, *, token: str, verify_user: bool) -> PasskeyAssertion | None:
        """What a passkey has signed; its counter is for the store to judge, which all replicas share."""
        rp_id = self._required()
        try:
            credential = _credential(response)
            self._check_client_data(credential, kind="webauthn.get", token=token)
            _check_authenticator_data(_bytes(credential, "authenticatorData"))
            given = verify_authentication_response(
                credential=credential,
                expected_challenge=_challenge(token),
                expected_rp_id=rp_id,
                expected_origin=self._origins,
                credential_public_key=_decoded(passkey.public_key),
                credential_current_sign_count=0,
                require_user_verification=verify_user,
            )
        except _Unfit as refused:
            _log.info("passkey refused", reason=str(refused))
            return None
        except _REFUSALS as error:
            _log.info("passkey refused", reason=type(error).__name__)
            return None
        found = _base64url(given.credential_id)
        return PasskeyAssertion(credential=found, user_handle="", sign_count=given.new_sign_count) if found == passkey.credential else None

    def _required(self) -> str:
        if not self._rp_id:
            raise PasskeysUnavailable
        return self._rp_id

    def _check_client_data(self, credential: dict[str, Any], *, kind: str, token: str) -> None:
        """What the browser says of the ceremony (WebAuthn, 7.1, steps 6 to 12); py_webauthn looks at the same, but not at frames."""
        said = _object(_bytes(credential, "clientDataJSON"))
        if said.get("type") != kind:
            raise _Unfit("is of another ceremony")
        if said.get("challenge") != _base64url(_challenge(token)):
            raise _Unfit("answers another challenge")
        if said.get("origin") not in self._origins:
            raise _Unfit("comes from a page of another origin; the operator names those that may (TOCSIN_AUTH_PASSKEY_ORIGINS)")
        if said.get("crossOrigin"):
            raise _Unfit("comes from a frame within a page of another origin")


def _challenge(token: str) -> bytes:
    return hashlib.sha256(f"webauthn {token}".encode()).digest()


def _descriptors(known: Sequence[Factor]) -> list[PublicKeyCredentialDescriptor]:
    named = {each.value: each for each in AuthenticatorTransport}
    return [
        PublicKeyCredentialDescriptor(
            id=_decoded(each.credential), transports=[named[name] for name in each.transports if name in named] or None
        )
        for each in known
    ]


def _credential(response: str) -> dict[str, Any]:
    """The answer as the library takes it: an object with an id and a response."""
    found = _object(response.encode("utf-8", "replace"))
    identity = found.get("id")
    if not isinstance(identity, str) or not isinstance(found.get("response"), dict):
        raise _Unfit("is no PublicKeyCredential in JSON")
    if not 0 < len(_decoded(identity)) <= _LONGEST_CREDENTIAL:
        raise _Unfit("has a credential id of no or too many bytes")
    return found


def _object(text: bytes) -> dict[str, Any]:
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        raise _Unfit("is not JSON") from None
    if not isinstance(found, dict):
        raise _Unfit("is no JSON object")
    return cast("dict[str, Any]", found)


def _bytes(credential: dict[str, Any], name: str) -> bytes:
    text = credential["response"].get(name)
    if not isinstance(text, str):
        raise _Unfit(f"has no {name}")
    return _decoded(text)


def _check_attestation(data: bytes) -> None:
    """Lets through what is asked for: no attestation, or that of the passkey itself (WebAuthn, 8.2 and 8.7). No certificates are read."""
    try:
        whole = end_of_item(data) == len(data)
        found = parse_cbor(data) if whole else None
    except (NotPlain, WebAuthnException):
        found = None
    if not isinstance(found, dict):
        raise _Unfit("has an attestationObject that is none")
    said = cast("dict[object, object]", found)
    statement, signed = said.get("attStmt"), said.get("authData")
    if said.get("fmt") not in _FORMATS or not isinstance(statement, dict) or "x5c" in statement:
        raise _Unfit("has an attestation that was not asked for")
    if not isinstance(signed, bytes):
        raise _Unfit("has an attestationObject that is none")
    key = _check_authenticator_data(signed)
    if not _is_usable(key):
        raise _Unfit("has a key that cannot be used: ES256, EdDSA and RS256 can")


def _check_authenticator_data(data: bytes) -> object:
    """Looks at what an authenticator has signed before it is parsed (WebAuthn, 6.1); the key in it, if there is one."""
    key: object = None
    try:
        if len(data) < _PLAIN_AT:
            raise NotPlain
        flags, position = data[_PLAIN_AT - 5], _PLAIN_AT
        if flags & _HAS_KEY:
            begin = _KEY_AT + int.from_bytes(data[_KEY_AT - 2 : _KEY_AT], "big")
            position = end_of_item(data, begin)
            key = parse_cbor(data[begin:position])
        if flags & _HAS_EXTENSIONS:
            position = end_of_item(data, position)
        if position != len(data):
            raise NotPlain
    except (NotPlain, WebAuthnException):
        raise _Unfit("has authenticator data that is none") from None
    return key


def _is_usable(key: object) -> bool:
    """Whether a key (COSE_Key, RFC 9052, 7) is of an algorithm that was asked for, and of a size that costs little."""
    if not isinstance(key, dict):
        return False
    said = cast("dict[object, object]", key)
    kind, algorithm = said.get(1), said.get(3)
    if (algorithm, kind) == _RSA:
        modulus, exponent = said.get(-1), said.get(-2)
        return (
            isinstance(modulus, bytes) and len(modulus) in _MODULUS and isinstance(exponent, bytes) and len(exponent) <= _LONGEST_EXPONENT
        )
    return (algorithm, kind, said.get(-1)) in _KEYS


def _decoded(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise _Unfit("is not base64url") from None


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
