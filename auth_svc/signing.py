"""The signing key: made at the first start, kept in a file, published as JWKS; and the tokens that it signs.

The files are read again when they change, so that keys rotate without a restart.
"""

import asyncio
import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from jwt import PyJWK
from ulid import ULID

from auth_svc.domain import Grant
from tocsin.audit_log.verification import HEAD_TYPE
from tocsin.background import Background
from tocsin.clock import Clock
from tocsin.config import ConfigError
from tocsin.mesh.tokens import TokenRefused
from tocsin.private_files import create_private
from tocsin.telemetry import get_logger

ALGORITHM: Final = "EdDSA"
# The group may read: Kubernetes gives a mounted secret to the pod's group. Nobody else, and nobody may write but the owner.
_FORBIDDEN_MODE: Final = 0o037
_LOOK_SECONDS: Final = 1.0

_log = get_logger(__name__)

_Stamp: TypeAlias = tuple[tuple[str, int, int], ...]
"""Path, time of change and inode of each file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFiles:
    """Where the keys are, and the names of the settings that say so, for errors. A retired path may be a folder of PEM files."""

    signing: Path
    signing_setting: str
    retired: Sequence[Path]
    retired_setting: str


@dataclass(frozen=True, slots=True)
class _Loaded:
    private: Ed25519PrivateKey
    kid: str
    published: tuple[dict[str, str], ...]
    keys: dict[str, PyJWK]


class SigningKeys:
    """Signs tokens (JWT, EdDSA) and verifies them; a component.

    Implements `auth_svc.ports.TokenSigner` and `tocsin.mesh.tokens.KeySource`. Tokens signed by a key that was replaced verify as long as
    its public half is among the retired ones.
    """

    def __init__(self, *, files: KeyFiles, issuer: str, audience: str, clock: Clock) -> None:
        self._files = files
        self._clock = clock
        self._issuer = issuer
        self._audience = audience
        self._loaded: _Loaded | None = None
        self._stamp: _Stamp = ()
        self._watch = Background(clock)

    async def start(self) -> None:
        """Reads the keys, and again whenever they change; makes the signing key if its file does not exist.

        Raises:
            ConfigError: a file cannot be read, holds something else, or may be read by everybody.
        """
        if self._loaded is None:
            await asyncio.to_thread(_make_missing, self._files)
            self._stamp, self._loaded = await asyncio.to_thread(_load, self._files)
        if not self._watch.running:
            self._watch.periodic("signing-keys", _LOOK_SECONDS, self._refresh, at_once=False)

    async def stop(self) -> None:
        """Looks at the files no more; tokens verify until the process ends."""
        await self._watch.stop()

    async def _refresh(self) -> None:
        """Reads the files if they have changed; what is not valid leaves the keys that were there in force."""
        if _stamp(self._files) == self._stamp:
            return
        try:
            self._stamp, self._loaded = await asyncio.to_thread(_load, self._files)
        except ConfigError as error:
            _log.error("signing keys not changed", problems=list(error.problems))
        else:
            _log.info("signing keys changed", kid=self._loaded.kid, published=len(self._loaded.published))

    def sign(self, grant: Grant, *, others: Mapping[str, object] | None = None) -> str:
        """The token that says ``grant``; its claims are those that `tocsin.mesh.tokens` reads; ``others`` go beside or before them."""
        loaded = self._ready()
        claims: dict[str, object] = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": grant.subject,
            "tenant": grant.tenant,
            "scope": " ".join(sorted(grant.scopes)),
            "zoneinfo": grant.time_zone,
            "iat": int(grant.issued.timestamp()),
            "exp": int(grant.expires.timestamp()),
            "jti": str(ULID.from_datetime(grant.issued)),
        }
        if grant.session:
            claims["sid"] = grant.session  # OpenID Connect Front-Channel Logout 1.0, 3
        if grant.called:
            claims["name"] = grant.called  # OpenID Connect Core 1.0, 5.1
        return jwt.encode(claims | dict(others or {}), loaded.private, algorithm=ALGORITHM, headers={"kid": loaded.kid})

    def sign_head(self, *, tenant: str, number: int, entry_hash: str, time: int) -> str:
        """A place in a chain of the audit log, signed; its type keeps it from being a token."""
        loaded = self._ready()
        claims: dict[str, object] = {"tenant": tenant, "number": number, "hash": entry_hash, "time": time}
        return jwt.encode(claims, loaded.private, algorithm=ALGORITHM, headers={"kid": loaded.kid, "typ": HEAD_TYPE})

    def published(self) -> Sequence[dict[str, str]]:
        """The public keys as JSON Web Keys (RFC 7517, RFC 8037), the current one first."""
        return self._ready().published

    async def key(self, kid: str) -> PyJWK:
        """The public key ``kid``.

        Raises:
            TokenRefused: there is no such key.
        """
        found = self._ready().keys.get(kid)
        if found is None:
            # Another replica may have seen the new key before this one did.
            await self._refresh()
            found = self._ready().keys.get(kid)
        if found is None:
            raise TokenRefused("The token is signed with an unknown key.")
        return found

    def _ready(self) -> _Loaded:
        if self._loaded is None:
            msg = "the signing key is used before start"
            raise RuntimeError(msg)
        return self._loaded


def thumbprint(public: Ed25519PublicKey) -> str:
    """The key's id: its thumbprint (RFC 7638, 3), the same wherever it is computed."""
    members = {"crv": "Ed25519", "kty": "OKP", "x": _encoded(public)}
    canonical = json.dumps(members, separators=(",", ":"), sort_keys=True)
    return _base64url(hashlib.sha256(canonical.encode()).digest())


def _stamp(files: KeyFiles) -> _Stamp:
    """Differs after a change of the files."""
    found: list[tuple[str, int, int]] = []
    for path in (files.signing, *_retired_files(files)):
        try:
            stat = path.stat()
        except OSError:
            found.append((str(path), 0, 0))
        else:
            found.append((str(path), stat.st_mtime_ns, stat.st_ino))
    return tuple(found)


def _retired_files(files: KeyFiles) -> list[Path]:
    return [file for path in files.retired for file in (sorted(path.glob("*.pem")) if path.is_dir() else (path,))]


def _load(files: KeyFiles) -> tuple[_Stamp, _Loaded]:
    stamp = _stamp(files)
    private = _signing_key(files.signing, files.signing_setting)
    public = private.public_key()
    retired = [_retired_key(path, files.retired_setting) for path in _retired_files(files)]
    published = {thumbprint(key): _as_jwk(key) for key in (public, *retired)}
    keys = {kid: PyJWK.from_dict(item) for kid, item in published.items()}
    return stamp, _Loaded(private, thumbprint(public), tuple(published.values()), keys)


def _make_missing(files: KeyFiles) -> None:
    """Makes a signing key if there is none; another replica may be first."""
    try:
        if not files.signing.exists():
            key = Ed25519PrivateKey.generate()
            create_private(files.signing, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    except OSError as error:
        raise ConfigError([f"{files.signing_setting}: cannot use {files.signing}: {error.strerror}"]) from None


def _signing_key(path: Path, setting: str) -> Ed25519PrivateKey:
    try:
        mode = path.stat().st_mode
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError([f"{setting}: cannot use {path}: {error.strerror}"]) from None
    if mode & _FORBIDDEN_MODE:
        raise ConfigError([f"{setting}: {path} is accessible to other users (mode {mode & 0o777:04o}); run chmod 600 on it"])
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigError([f"{setting}: {path} contains no unencrypted private key in PEM"]) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError([f"{setting}: {path} contains a key of another type; Ed25519 is required"])
    return key


def _retired_key(path: Path, setting: str) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise ConfigError([f"{setting}: cannot use {path}: {error.strerror}"]) from None
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigError([f"{setting}: {path} contains no public key in PEM"]) from None
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError([f"{setting}: {path} contains a key of another type; Ed25519 is required"])
    return key


def _as_jwk(public: Ed25519PublicKey) -> dict[str, str]:
    return {"kty": "OKP", "crv": "Ed25519", "x": _encoded(public), "kid": thumbprint(public), "alg": ALGORITHM, "use": "sig"}


def _encoded(public: Ed25519PublicKey) -> str:
    return _base64url(public.public_bytes(Encoding.Raw, PublicFormat.Raw))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
