"""What certificates say. The one place outside of `tocsin.mesh.authority` that needs cryptography, for who speaks TLS."""

from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization


def require_certificates(pem: bytes) -> None:
    """Returns if there are certificates in ``pem``.

    Raises:
        ValueError: there are none.
    """
    x509.load_pem_x509_certificates(pem)


def life_of(pem: bytes) -> tuple[datetime, datetime]:
    """When the first certificate in ``pem`` begins to be valid, and when it expires.

    Raises:
        ValueError: there is none.
    """
    leaf = x509.load_pem_x509_certificate(pem)
    return leaf.not_valid_before_utc, leaf.not_valid_after_utc


def is_key_of(key: bytes, pem: bytes) -> bool:
    """Whether ``key``, in PEM, is the private key of the first certificate in ``pem``."""
    try:
        public = serialization.load_pem_private_key(key, password=None).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return public.public_bytes(*form) == x509.load_pem_x509_certificate(pem).public_key().public_bytes(*form)
