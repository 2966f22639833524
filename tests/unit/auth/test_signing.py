"""The key file, the published keys, and tokens that must not verify."""

import asyncio
import base64
import hashlib
import hmac
import json
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from auth_svc.domain import Grant
from auth_svc.signing import KeyFiles, SigningKeys, thumbprint
from tocsin.config import ConfigError
from tocsin.errors import Unauthenticated
from tocsin.mesh.tokens import TokenExpired, TokenVerifier
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually

ISSUER, AUDIENCE = "https://tocsin.local", "tocsin"


def _keys(folder: Path, retired: tuple[Path, ...] = (), clock: FakeClock | None = None) -> SigningKeys:
    files = KeyFiles(
        signing=folder / "keys" / "signing.pem",
        signing_setting="TOCSIN_AUTH_SIGNING_KEY_FILE",
        retired=retired,
        retired_setting="TOCSIN_AUTH_RETIRED_KEY_FILES",
    )
    return SigningKeys(files=files, issuer=ISSUER, audience=AUDIENCE, clock=clock or FakeClock())


async def _started(folder: Path, retired: tuple[Path, ...] = ()) -> SigningKeys:
    keys = _keys(folder, retired)
    await keys.start()
    return keys


def _grant(clock: FakeClock, seconds: int = 900) -> Grant:
    now = clock.now()
    return Grant(
        subject="users/U1",
        tenant="T1",
        scopes=frozenset({"alarms:read", "profile:read"}),
        time_zone="Europe/Paris",
        issued=now,
        expires=now + timedelta(seconds=seconds),
    )


def _verifier(keys: SigningKeys, clock: FakeClock, **changed: str) -> TokenVerifier:
    return TokenVerifier(keys=keys, clock=clock, issuer=changed.get("issuer", ISSUER), audience=changed.get("audience", AUDIENCE))


def _pem(key: Any, mode: int = 0o600, *, path: Path, password: bytes | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    path.chmod(mode)
    return path


async def test_first_start_makes_a_private_key(tmp_path: Path) -> None:
    """The file is the owner's alone, and nothing else is left in its folder."""
    await _started(tmp_path)
    path = tmp_path / "keys" / "signing.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert isinstance(load_pem_private_key(path.read_bytes(), None), Ed25519PrivateKey)
    assert [item.name for item in path.parent.iterdir()] == ["signing.pem"]


async def test_second_start_keeps_the_key(tmp_path: Path) -> None:
    """Restarting invalidates no token: replicas on one folder sign with one key."""
    first, second = await _started(tmp_path), await _started(tmp_path)
    assert first.published() == second.published()


async def test_token_verifies_and_says_the_grant(tmp_path: Path, clock: FakeClock) -> None:
    """What the mesh reads from a token is what was granted; the header names the thumbprint."""
    keys = await _started(tmp_path)
    token = keys.sign(_grant(clock))
    who = await _verifier(keys, clock).verify(token)
    assert (who.subject, who.tenant, who.time_zone) == ("users/U1", "T1", "Europe/Paris")
    assert who.scopes == {"alarms:read", "profile:read"}
    assert who.expires == clock.now() + timedelta(seconds=900)
    header = jwt.get_unverified_header(token)
    assert (header["alg"], header["kid"]) == ("EdDSA", keys.published()[0]["kid"])


async def test_published_key_is_a_standard_jwk(tmp_path: Path, clock: FakeClock) -> None:
    """Another implementation verifies the token with nothing but the published set."""
    keys = await _started(tmp_path)
    token = keys.sign(_grant(clock))
    key = jwt.PyJWKSet.from_dict({"keys": list(keys.published())})[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(
        token, key, algorithms=["EdDSA"], audience=AUDIENCE, issuer=ISSUER, options={"verify_exp": False, "verify_iat": False}
    )
    assert set(claims) == {"iss", "aud", "sub", "tenant", "scope", "zoneinfo", "iat", "exp", "jti"}
    assert set(keys.published()[0]) == {"kty", "crv", "x", "kid", "alg", "use"}


async def test_the_token_says_what_people_call_the_subject(tmp_path: Path, clock: FakeClock) -> None:
    """So that others can be told who it was; nothing where nobody has a name."""
    keys = await _started(tmp_path)
    verifier = _verifier(keys, clock)
    named = await verifier.verify(keys.sign(replace(_grant(clock), called="Ann Example")))
    assert (named.subject, named.called) == ("users/U1", "Ann Example")
    assert (await verifier.verify(keys.sign(_grant(clock)))).called == ""


def test_thumbprint_is_that_of_the_standard() -> None:
    """RFC 8037, appendix A.3."""
    key = Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="))
    assert thumbprint(key.public_key()) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


async def test_tokens_of_a_retired_key_verify(tmp_path: Path, clock: FakeClock) -> None:
    """After a rotation the old tokens live on, and the new key comes first."""
    old = await _started(tmp_path / "old")
    token = old.sign(_grant(clock))
    private = load_pem_private_key((tmp_path / "old" / "keys" / "signing.pem").read_bytes(), None)
    public = tmp_path / "retired.pem"
    public.write_bytes(private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    new = await _started(tmp_path / "new", (public,))
    assert (await _verifier(new, clock).verify(token)).subject == "users/U1"
    assert [key["kid"] for key in new.published()][1] == old.published()[0]["kid"]
    without = await _started(tmp_path / "new")
    with pytest.raises(Unauthenticated):
        await _verifier(without, clock).verify(token)


def _write(text: bytes, mode: int = 0o600) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        path.parent.mkdir(parents=True)
        path.write_bytes(text)
        path.chmod(mode)

    return make


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_write(b""), "no unencrypted private key"),
        (_write(b"garbage\xff"), "no unencrypted private key"),
        (_write(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), "no unencrypted private key"),
        (lambda path: _pem(Ed25519PrivateKey.generate(), path=path, password=b"pass"), "no unencrypted private key"),
        (lambda path: _pem(ec.generate_private_key(ec.SECP256R1()), path=path), "Ed25519 is required"),
        (lambda path: _pem(Ed25519PrivateKey.generate(), 0o644, path=path), "accessible to other users"),
        (lambda path: _pem(Ed25519PrivateKey.generate(), 0o660, path=path), "accessible to other users"),
        (lambda path: path.mkdir(parents=True), "Is a directory"),
    ],
)
async def test_bad_key_file_stops_the_start(tmp_path: Path, make: Callable[[Path], object], reason: str) -> None:
    """The error names the setting, the file and the reason, and the file is left as it was."""
    path = tmp_path / "keys" / "signing.pem"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(ConfigError, match=reason) as refused:
        await _started(tmp_path)
    assert "TOCSIN_AUTH_SIGNING_KEY_FILE" in refused.value.message
    assert str(path) in refused.value.message
    assert before is None or path.read_bytes() == before


async def test_group_may_read_the_key(tmp_path: Path) -> None:
    """Kubernetes mounts secrets as 0640 when a pod has a group of its own."""
    _pem(Ed25519PrivateKey.generate(), 0o640, path=tmp_path / "keys" / "signing.pem")
    await _started(tmp_path)


@pytest.mark.parametrize("content", [None, b"garbage"])
async def test_bad_retired_key_stops_the_start(tmp_path: Path, content: bytes | None) -> None:
    """A missing or garbled retired key is told by its own setting."""
    path = tmp_path / "retired.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match="TOCSIN_AUTH_RETIRED_KEY_FILES"):
        await _started(tmp_path, (path,))


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _parts(token: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    header, payload, signature = token.split(".")
    pad = "=="
    return json.loads(base64.urlsafe_b64decode(header + pad)), json.loads(base64.urlsafe_b64decode(payload + pad)), signature


def _joined(header: dict[str, Any], payload: dict[str, Any], signature: str) -> str:
    return f"{_b64(json.dumps(header).encode())}.{_b64(json.dumps(payload).encode())}.{signature}"


def _alg_none(token: str, _key: dict[str, str]) -> str:
    header, payload, _ = _parts(token)
    return _joined({**header, "alg": "none"}, payload, "")


def _hs256_with_public_key(token: str, key: dict[str, str]) -> str:
    header, payload, _ = _parts(token)
    text = _joined({**header, "alg": "HS256"}, payload, "")[:-1]
    secret = base64.urlsafe_b64decode(key["x"] + "=")
    return f"{text}.{_b64(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"


def _tampered(token: str, _key: dict[str, str]) -> str:
    header, payload, signature = _parts(token)
    return _joined(header, {**payload, "tenant": "T2"}, signature)


def _foreign_kid(token: str, _key: dict[str, str]) -> str:
    header, payload, signature = _parts(token)
    return _joined({**header, "kid": "foreign"}, payload, signature)


def _no_kid(token: str, _key: dict[str, str]) -> str:
    header, payload, signature = _parts(token)
    return _joined({name: value for name, value in header.items() if name != "kid"}, payload, signature)


def _other_key_same_kid(token: str, _key: dict[str, str]) -> str:
    header, payload, _ = _parts(token)
    return jwt.encode(payload, Ed25519PrivateKey.generate(), algorithm="EdDSA", headers=header)


def _own_jwk(token: str, _key: dict[str, str]) -> str:
    """RFC 7515 lets a header carry a key (``jwk``): whoever trusts it lets anybody sign."""
    header, payload, _ = _parts(token)
    key = Ed25519PrivateKey.generate()
    x = _b64(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    return jwt.encode(payload, key, algorithm="EdDSA", headers={**header, "jwk": {"kty": "OKP", "crv": "Ed25519", "x": x}})


@pytest.mark.parametrize(
    "forge",
    [
        _alg_none,
        _hs256_with_public_key,
        _tampered,
        _foreign_kid,
        _no_kid,
        _other_key_same_kid,
        _own_jwk,
        lambda token, _: token[:-2],
        lambda token, _: token.rsplit(".", 1)[0],
        lambda token, _: "",
        lambda token, _: "a.b.c",
        lambda token, _: "é" * 20,
        lambda token, _: "x" * 100_000,
    ],
)
async def test_forged_token_is_refused(tmp_path: Path, clock: FakeClock, forge: Callable[[str, dict[str, str]], str]) -> None:
    """Unsigned, signed by others, changed or mangled: none gets in."""
    keys = await _started(tmp_path)
    forged = forge(keys.sign(_grant(clock)), dict(keys.published()[0]))
    with pytest.raises(Unauthenticated):
        await _verifier(keys, clock).verify(forged)


@pytest.mark.parametrize("changed", [{"issuer": "https://other"}, {"audience": "other"}])
async def test_token_for_another_system_is_refused(tmp_path: Path, clock: FakeClock, changed: dict[str, str]) -> None:
    """Issuer and audience both count."""
    keys = await _started(tmp_path)
    with pytest.raises(Unauthenticated):
        await _verifier(keys, clock, **changed).verify(keys.sign(_grant(clock)))


async def test_expired_token_is_refused(tmp_path: Path, clock: FakeClock) -> None:
    """Time ends a token, and the error says so; the same token was good before."""
    keys = await _started(tmp_path)
    verifier, token = _verifier(keys, clock), keys.sign(_grant(clock, 60))
    await verifier.verify(token)
    await clock.advance(66)
    with pytest.raises(TokenExpired):
        await verifier.verify(token)


def _public(private: Path, path: Path) -> Path:
    """Writes the public half of a private key."""
    key = load_pem_private_key(private.read_bytes(), None)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return path


async def test_keys_rotate_without_a_restart(tmp_path: Path, clock: FakeClock) -> None:
    """The next key is published before it signs, the old one verifies until its file is gone, and then no more."""
    retired, signing = tmp_path / "retired", tmp_path / "keys" / "signing.pem"
    retired.mkdir()
    keys = _keys(tmp_path, (retired,), clock)
    await keys.start()
    verifier, old = _verifier(keys, clock), keys.sign(_grant(clock))
    following = _pem(Ed25519PrivateKey.generate(), path=tmp_path / "next.pem")
    published = _public(following, retired / "next.pem")
    await _seen(keys, clock, 2)
    _public(signing, retired / "old.pem")
    published.unlink()
    following.replace(signing)
    await _changed(keys, old, clock)
    await verifier.verify(old)
    await verifier.verify(keys.sign(_grant(clock)))
    (retired / "old.pem").unlink()
    await _seen(keys, clock, 1)
    await clock.advance(60)
    with pytest.raises(Unauthenticated):
        await verifier.verify(old)
    await keys.stop()


async def _seen(keys: SigningKeys, clock: FakeClock, count: int) -> None:
    """Waits until so many keys are published."""

    async def so_many() -> bool:
        await clock.advance(2)
        return len(keys.published()) == count

    await eventually(so_many)


async def _changed(keys: SigningKeys, token: str, clock: FakeClock) -> None:
    """Waits until another key signs than that of ``token``."""

    async def another() -> bool:
        await clock.advance(2)
        return jwt.get_unverified_header(keys.sign(_grant(clock)))["kid"] != jwt.get_unverified_header(token)["kid"]

    await eventually(another)


@pytest.mark.parametrize("damage", ["gone", "accessible to other users", "garbage"])
async def test_damaged_files_leave_the_keys_in_force(tmp_path: Path, clock: FakeClock, damage: str) -> None:
    """Whoever rotates by hand may be half done; a key that is missing is not made anew under way."""
    keys = _keys(tmp_path, clock=clock)
    await keys.start()
    signing = tmp_path / "keys" / "signing.pem"
    before = keys.published()
    if damage == "gone":
        signing.unlink()
    elif damage == "accessible to other users":
        signing.chmod(0o644)
        signing.touch()
    else:
        signing.write_text("garbage")
    for _ in range(3):
        await clock.advance(2)
        await asyncio.sleep(0.01)
    assert keys.published() == before
    assert signing.exists() is (damage != "gone")
    await keys.stop()


async def test_a_key_that_another_replica_has_seen_first_is_known_at_once(tmp_path: Path, clock: FakeClock) -> None:
    """Its token comes before the own look at the files."""
    keys = _keys(tmp_path, clock=clock)
    await keys.start()
    _pem(Ed25519PrivateKey.generate(), path=tmp_path / "keys" / "signing.pem")
    other = await _started(tmp_path)
    await _verifier(keys, clock).verify(other.sign(_grant(clock)))
    await keys.stop()
    await other.stop()
