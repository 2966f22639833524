"""Who a process is: an X.509 certificate with a SPIFFE identity, and the authority that issues it.

A certificate names its service twice: as the URI ``spiffe://<trust-domain>/<service>`` (SPIFFE X509-SVID, section 2), which a server
reads from its peer, and as the DNS name ``<service>``, which a client expects of the server whatever address it dialled.
"""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import cast

import grpc
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tocsin.clock import Clock, SystemClock
from tocsin.config import ConfigError, ServiceSettings
from tocsin.errors import Unavailable
from tocsin.mesh.health import Degraded

CA_FILE = "ca.pem"
CA_KEY_FILE = "ca-key.pem"
CA_LIFETIME = timedelta(days=3650)
LIFETIME = timedelta(days=365)

# Machines of one mesh do not agree on the time to the minute.
_SKEW = timedelta(minutes=5)
# Whoever renews does so with a third of the life left.
_OVERDUE = 1 / 6


class CertificateExpired(Unavailable):
    """The certificate of this process has expired."""


class RenewalOverdue(Degraded):
    """The certificate of this process expires soon."""


class CertificateMissing(Degraded):
    """A file of this process's certificate is gone."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The files that say who this process is, as gRPC credentials."""

    service: str
    trust_domain: str
    ca_file: Path
    cert_file: Path
    key_file: Path

    @classmethod
    def of(cls, settings: ServiceSettings, *, service: str) -> "Identity":
        """The identity that ``settings`` name."""
        return cls(
            service=service,
            trust_domain=settings.trust_domain,
            ca_file=settings.tls_ca_file,
            cert_file=settings.tls_cert_file,
            key_file=settings.tls_key_file,
        )

    def read(self) -> "Material":
        """What the files hold now.

        Raises:
            OSError: a file cannot be read; its name is in the error.
            ConfigError: they are no certificates, or do not fit together.
        """
        authorities, certificate, key = self.ca_file.read_bytes(), self.cert_file.read_bytes(), self.key_file.read_bytes()
        try:
            x509.load_pem_x509_certificates(authorities)
        except ValueError:
            raise ConfigError([f"{self.ca_file} contains no certificates in PEM"]) from None
        try:
            leaf = x509.load_pem_x509_certificate(certificate)
        except ValueError:
            raise ConfigError([f"{self.cert_file} contains no certificate in PEM"]) from None
        if not _fits(key, leaf):
            raise ConfigError([f"{self.key_file} is not the private key of {self.cert_file}"])
        return Material(
            authorities=authorities,
            certificate=certificate,
            key=key,
            begins=leaf.not_valid_before_utc,
            expires=leaf.not_valid_after_utc,
        )

    def stamp(self) -> tuple[int, ...]:
        """Differs after a change of the files, links included.

        Raises:
            OSError: a file is not there.
        """
        found = [path.stat() for path in (self.ca_file, self.cert_file, self.key_file)]
        return tuple(number for stat in found for number in (stat.st_mtime_ns, stat.st_ino, stat.st_size))

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """Presents the certificate, and accepts servers of the same authority alone."""
        return self.read().channel_credentials()

    def server_credentials(self) -> grpc.ServerCredentials:
        """Requires a certificate of the same authority of every client.

        The files are read again when they change, at the next handshake: a rotated certificate needs no restart.
        """
        return Keyring(self).server_credentials()

    def service_of(self, uri: str) -> str | None:
        """The service that a peer's SPIFFE ``uri`` names; None when it is of another trust domain."""
        prefix = f"spiffe://{self.trust_domain}/"
        return uri.removeprefix(prefix) if uri.startswith(prefix) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """One reading of an identity's files: authorities to trust, certificate and private key in PEM, and the certificate's life."""

    authorities: bytes
    certificate: bytes
    key: bytes
    begins: datetime
    expires: datetime

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """What a client presents and trusts."""
        return grpc.ssl_channel_credentials(root_certificates=self.authorities, private_key=self.key, certificate_chain=self.certificate)

    def server_configuration(self) -> grpc.ServerCertificateConfiguration:
        """What a server presents and trusts."""
        return grpc.ssl_server_certificate_configuration([(self.key, self.certificate)], root_certificates=self.authorities)


class Keyring:
    """The files of an identity as they are now: read again when they change. Unless ``mutual``, servers ask their clients for none.

    While they cannot be read, or do not fit together because somebody is just replacing them, what was there before stays in force.
    """

    def __init__(self, identity: Identity, *, mutual: bool = True) -> None:
        self.identity = identity
        self._mutual = mutual
        self._seen: tuple[int, ...] = ()
        self._material: Material | None = None

    def current(self) -> Material:
        """The newest material that is whole; the same object as long as the files do not change.

        Raises:
            OSError, ConfigError: there never was any, as `Identity.read`.
        """
        if self._material is None:
            return self._load()
        with contextlib.suppress(OSError, ConfigError):
            if self.identity.stamp() != self._seen:
                return self._load()
        return self._material

    def expiry(self) -> datetime | None:
        """When the certificate expires; None while there is none to read."""
        with contextlib.suppress(OSError, ConfigError):
            return self.current().expires
        return None

    def valid(self) -> Material:
        """Like `current`, and it can be presented.

        Raises:
            CertificateExpired: it cannot.
        """
        material = self.current()
        # Peers compare certificates with the machine's clock, whatever clock this process lives by.
        if material.expires <= SystemClock().now():
            raise CertificateExpired(
                f"The certificate of {self.identity.service} expired at {material.expires:%Y-%m-%dT%H:%M:%SZ} and was not renewed."
            )
        return material

    async def check(self) -> None:
        """A health check: the certificate is valid, and is renewed in time.

        Raises:
            CertificateExpired: it is not valid any more.
            CertificateMissing: a file is gone; what was read of it stays in force.
            RenewalOverdue: little of its life is left.
        """
        material = self.valid()
        missing = [path.name for path in (self.identity.ca_file, self.identity.cert_file, self.identity.key_file) if not path.exists()]
        if missing:
            raise CertificateMissing(f"Certificate files of this process are missing, so that it could not restart: {', '.join(missing)}")
        if material.expires - SystemClock().now() < (material.expires - material.begins) * _OVERDUE:
            raise RenewalOverdue(
                f"The certificate of {self.identity.service} expires at {material.expires:%Y-%m-%dT%H:%M:%SZ} and was not renewed."
            )

    def server_credentials(self) -> grpc.ServerCredentials:
        """For a server; gRPC asks for the newest ones at each handshake.

        An answer other than None replaces what the handshakes under way use, and gRPC does that without a lock (grpc/grpc issue 36693):
        given at each handshake, it ends the process as soon as two are made at once. So it is given once for each rotation.
        """
        material = self.current()

        def reread() -> grpc.ServerCertificateConfiguration | None:
            nonlocal material
            newest = self.current()
            if newest is material:
                return None
            material = newest
            return newest.server_configuration()

        fetcher = cast("Callable[[], grpc.ServerCertificateConfiguration]", reread)  # None is "no change", which the stubs do not know
        return grpc.dynamic_ssl_server_credentials(material.server_configuration(), fetcher, require_client_authentication=self._mutual)

    def _load(self) -> Material:
        seen = self.identity.stamp()
        self._material, self._seen = self.identity.read(), seen
        return self._material


def _fits(key: bytes, certificate: x509.Certificate) -> bool:
    try:
        public = serialization.load_pem_private_key(key, password=None).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return public.public_bytes(*form) == certificate.public_key().public_bytes(*form)
