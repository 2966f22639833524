"""Who a process is: an X.509 certificate with a SPIFFE identity. `tocsin.mesh.authority` issues such.

A certificate names its service twice: as the URI ``spiffe://<trust-domain>/<service>`` (SPIFFE X509-SVID, section 2), which a server
reads from its peer, and as the DNS name ``<service>``, which a client expects of the server whatever address it dialled.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import cast

import grpc

from tocsin.clock import SystemClock
from tocsin.errors import ConfigError, Unavailable
from tocsin.mesh.health import Degraded
from tocsin.mesh.options import IdentityOptions

# Whoever renews does so with a third of the life left.
_OVERDUE = 1 / 6


class CertificateExpired(Unavailable):
    """The certificate of this process has expired."""


class RenewalOverdue(Degraded):
    """The certificate of this process expires soon."""


class CertificateMissing(Degraded):
    """A file of this process's certificate is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The files that say who this process is, as gRPC credentials."""

    service: str
    trust_domain: str
    ca_file: Path
    cert_file: Path
    key_file: Path

    @classmethod
    def of(cls, settings: IdentityOptions, *, service: str) -> "Identity":
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
        from tocsin.mesh import pem  # who speaks no TLS does without cryptography

        authorities, certificate, key = self.ca_file.read_bytes(), self.cert_file.read_bytes(), self.key_file.read_bytes()
        try:
            pem.require_certificates(authorities)
        except ValueError:
            raise ConfigError([f"{self.ca_file} contains no certificates in PEM"]) from None
        try:
            begins, expires = pem.life_of(certificate)
        except ValueError:
            raise ConfigError([f"{self.cert_file} contains no certificate in PEM"]) from None
        if not pem.is_key_of(key, certificate):
            raise ConfigError([f"{self.key_file} is not the private key of {self.cert_file}"])
        return Material(
            authorities=authorities,
            certificate=certificate,
            key=key,
            begins=begins,
            expires=expires,
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
