"""The certificate that both doors show to the outside: read again when its files change, at the next handshake."""

import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509

from tocsin.clock import SystemClock
from tocsin.config import ConfigError
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_SOON: Final = timedelta(days=7)
"""Certificates that live for three months are renewed a month before their end, by the usual clients of ACME (RFC 8555)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _CertificateReading:
    """What the files held, for both kinds of server: as PEM, and as a context of TLS."""

    stamp: tuple[int, ...]
    certificate: bytes
    key: bytes
    context: ssl.SSLContext
    expires: datetime


class DoorCertificate:
    """A certificate chain and its private key, in PEM.

    While the files cannot be read, or do not fit together because somebody is just replacing them, what was there before stays in force.
    """

    def __init__(self, *, cert_file: Path, key_file: Path) -> None:
        """Reads the files.

        Args:
            cert_file: the certificate, then those between it and the authority.
            key_file: its private key.

        Raises:
            ConfigError: they cannot be read, are not PEM, or do not fit together.
        """
        self._files = cert_file, key_file
        self._reading = self._read()
        self._failed: tuple[int, ...] = ()

    def server_context(self) -> ssl.SSLContext:
        """TLS for the HTTP server, version 1.2 or newer; each handshake gets the newest certificate."""
        outer = _context(*self._files)

        def newest(connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
            del name, context
            connection.context = self._newest().context

        outer.sni_callback = newest
        return outer

    def pem(self) -> tuple[bytes, bytes]:
        """The newest private key and certificate chain."""
        newest = self._newest()
        return newest.key, newest.certificate

    def problems(self) -> dict[str, str]:
        """Why the certificate needs somebody's attention, by its name in `/health`; empty if it does not."""
        left = (
            self._newest().expires - SystemClock().now()
        )  # clients compare it with their own clocks, whatever clock this process lives by
        if left <= timedelta():
            return {"public-certificate": "it has expired"}
        return {"public-certificate": f"it expires in {left.days} days and was not renewed"} if left < _SOON else {}

    def _newest(self) -> _CertificateReading:
        """The newest reading that is whole: the same object as long as there is no other. A change that cannot be used is told once."""
        stamp = self._stamp()
        if stamp not in (self._reading.stamp, self._failed):
            try:
                self._reading = self._read()
            except ConfigError as error:
                self._failed = stamp
                _log.warning("public certificate not read", error=error.message)
        return self._reading

    def _stamp(self) -> tuple[int, ...]:
        """Differs after a change of the files, links included."""
        found: list[int] = []
        for file in self._files:
            try:
                stat = file.stat()
            except OSError:
                return ()
            found += (stat.st_mtime_ns, stat.st_ino, stat.st_size)
        return tuple(found)

    def _read(self) -> _CertificateReading:
        cert_file, key_file = self._files
        stamp = self._stamp()
        context = _context(cert_file, key_file)
        try:
            certificate, key = cert_file.read_bytes(), key_file.read_bytes()
            expires = x509.load_pem_x509_certificate(certificate).not_valid_after_utc
        except (OSError, ValueError) as error:
            raise ConfigError([f"{cert_file}: {error}"]) from error
        return _CertificateReading(stamp=stamp, certificate=certificate, key=key, context=context, expires=expires)


def _context(cert_file: Path, key_file: Path) -> ssl.SSLContext:
    """A context with this certificate.

    Raises:
        ConfigError: there is none to be had.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        # A key with a passphrase would be asked for at the terminal, of which there is none.
        context.load_cert_chain(cert_file, key_file, password=lambda: b"")
    except OSError as error:  # ssl.SSLError is one
        reason = error.strerror or error.reason if isinstance(error, ssl.SSLError) else error.strerror
        raise ConfigError([f"public_tls_cert_file and public_tls_key_file: cannot use {cert_file} and {key_file}: {reason}"]) from error
    return context
