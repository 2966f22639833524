"""The authority that issues the certificates of a mesh, for who has none: `tocsin up`, a pod, tests."""

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tocsin.clock import Clock

CA_FILE = "ca.pem"
CA_KEY_FILE = "ca-key.pem"
CA_LIFETIME = timedelta(days=3650)
LIFETIME = timedelta(days=365)

# Machines of one mesh do not agree on the time to the minute.
_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A certificate authority: its certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def issue(self, *, service: str, trust_domain: str, clock: Clock, lifetime: timedelta = LIFETIME) -> tuple[bytes, bytes]:
        """Issues a certificate for ``service`` as (certificate PEM, private key PEM); both for servers and for clients."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName(
            [
                x509.UniformResourceIdentifier(f"spiffe://{trust_domain}/{service}"),
                x509.DNSName(service),
                x509.DNSName("localhost"),
                x509.IPAddress(IPv4Address("127.0.0.1")),
                x509.IPAddress(IPv6Address("::1")),
            ]
        )
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        builder = (
            _builder(_name(service), self.certificate.subject, key.public_key(), clock.now(), lifetime)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(usage, critical=False)
            .add_extension(names, critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        return _pem(builder.sign(self.key, hashes.SHA256())), _key_pem(key)


def make_ca(*, trust_domain: str, clock: Clock, lifetime: timedelta = CA_LIFETIME) -> Authority:
    """Makes a new authority for ``trust_domain``."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"{trust_domain} mesh")
    builder = (
        _builder(name, name, key.public_key(), clock.now(), lifetime)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
    )
    return Authority(certificate=builder.sign(key, hashes.SHA256()), key=key)


def ensure_pki(*, folder: Path, services: Iterable[str], trust_domain: str, clock: Clock) -> None:
    """Makes what is missing in ``folder``: the authority, and a certificate for each service.

    A certificate that is not from this authority or trust domain, or has less than a third of its life left, is replaced; so is an
    authority that has expired.

    Args:
        folder: made with mode 0700; holds ca.pem, ca-key.pem, <service>.pem and <service>-key.pem, files with mode 0600.
        services: service names.
        trust_domain: the SPIFFE trust domain.
        clock: the real time; peers compare certificates with their own clocks.

    Raises:
        OSError: the folder cannot be read or written.
        ValueError: a file there is not what its name says.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority = _load_ca(folder, clock) or _new_ca(folder, trust_domain, clock)
    for service in services:
        issue_certificate(folder=folder, authority=authority, service=service, trust_domain=trust_domain, clock=clock)


def issue_certificate(
    *, folder: Path, authority: Authority, service: str, trust_domain: str, clock: Clock, lifetime: timedelta = LIFETIME
) -> None:
    """Writes <service>.pem and <service>-key.pem into ``folder``, unless good ones are there."""
    certificate, key = folder / f"{service}.pem", folder / f"{service}-key.pem"
    if certificate.exists() and key.exists() and _is_good(certificate.read_bytes(), authority, service, trust_domain, clock):
        return
    cert_pem, key_pem = authority.issue(service=service, trust_domain=trust_domain, clock=clock, lifetime=lifetime)
    _write_private(key, key_pem)
    _write_private(certificate, cert_pem)


def _load_ca(folder: Path, clock: Clock) -> Authority | None:
    certificate, key = folder / CA_FILE, folder / CA_KEY_FILE
    if not (certificate.exists() and key.exists()):
        return None
    loaded = serialization.load_pem_private_key(key.read_bytes(), password=None)
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{key}: not an elliptic curve key")
    # A bundle, while authorities change, in whatever order: the one that issues is the one whose key is here.
    bundle = x509.load_pem_x509_certificates(certificate.read_bytes())
    own = next((each for each in bundle if each.public_key() == loaded.public_key()), None)
    if own is None:
        raise ValueError(f"{key}: not the key of an authority in {certificate}")
    return Authority(certificate=own, key=loaded) if own.not_valid_after_utc > clock.now() else None


def _new_ca(folder: Path, trust_domain: str, clock: Clock) -> Authority:
    authority = make_ca(trust_domain=trust_domain, clock=clock)
    _write_private(folder / CA_KEY_FILE, _key_pem(authority.key))
    _write_private(folder / CA_FILE, _pem(authority.certificate))
    return authority


def _is_good(pem: bytes, authority: Authority, service: str, trust_domain: str, clock: Clock) -> bool:
    certificate = x509.load_pem_x509_certificate(pem)
    try:
        certificate.verify_directly_issued_by(authority.certificate)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except Exception:  # noqa: BLE001 - whatever is wrong with it, a new one heals it
        return False
    left = certificate.not_valid_after_utc - clock.now()
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    same = f"spiffe://{trust_domain}/{service}" in names.get_values_for_type(x509.UniformResourceIdentifier)
    return same and left > life / 3


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, lifetime: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _write_private(path: Path, content: bytes) -> None:
    """Replaces ``path`` whole, readable by its owner alone; a reader sees the old content or the new one."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    Path(name).replace(path)
