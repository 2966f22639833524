"""The authority and the certificates that it issues."""

import stat
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tocsin.clock import SystemClock
from tocsin.mesh.authority import ensure_pki, make_ca
from tocsin.mesh.identity import Identity
from tocsin.testing.clock import FakeClock

SERVICES = ["gateway", "auth_svc"]
FILES = {"ca.pem", "ca-key.pem", "gateway.pem", "gateway-key.pem", "auth_svc.pem", "auth_svc-key.pem"}


def ensure(folder: Path, clock: FakeClock | SystemClock, domain: str = "tocsin.local") -> dict[str, bytes]:
    """Makes what is missing and returns every file."""
    ensure_pki(folder=folder, services=SERVICES, trust_domain=domain, clock=clock)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_keys_are_for_their_owner_alone(tmp_path: Path, clock: FakeClock) -> None:
    """Every file has mode 0600, the folder 0700."""
    folder = tmp_path / "pki"
    assert set(ensure(folder, clock)) == FILES
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_certificate_names_its_service(tmp_path: Path, clock: FakeClock) -> None:
    """One SPIFFE URI, and the service as a DNS name; not an authority; P-256."""
    certificate = x509.load_pem_x509_certificate(ensure(tmp_path, clock)["auth_svc.pem"])
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["spiffe://tocsin.local/auth_svc"]
    assert names.get_values_for_type(x509.DNSName) == ["auth_svc", "localhost"]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert getattr(certificate.public_key(), "curve").name == "secp256r1"  # noqa: B009 - the type of the key is the claim
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes()))


def test_good_files_stay_and_missing_ones_are_made(tmp_path: Path, clock: FakeClock) -> None:
    """A second run changes nothing; a lost certificate comes back from the same authority."""
    before = ensure(tmp_path, clock)
    assert ensure(tmp_path, clock) == before
    (tmp_path / "gateway.pem").unlink()
    after = ensure(tmp_path, clock)
    assert {name for name in FILES if after[name] != before[name]} == {"gateway.pem", "gateway-key.pem"}


@pytest.mark.parametrize(
    ("days", "changed"),
    [(200, set[str]()), (250, {"gateway", "auth_svc"}), (4000, {"ca", "gateway", "auth_svc"})],
)
def test_what_ends_soon_is_replaced(tmp_path: Path, clock: FakeClock, days: int, changed: set[str]) -> None:
    """Certificates in the last third of their life, and an authority that has expired with all that it issued."""
    before = ensure(tmp_path, clock)
    clock.set(clock.now() + timedelta(days=days))
    after = ensure(tmp_path, clock)
    assert {name.removesuffix(".pem") for name in FILES if after[name] != before[name] and "key" not in name} == changed


def test_certificates_of_another_authority_or_domain_are_replaced(tmp_path: Path, clock: FakeClock) -> None:
    """They would be refused by every peer."""
    ensure(tmp_path, clock)
    foreign, _ = make_ca(trust_domain="tocsin.local", clock=clock).issue(service="gateway", trust_domain="tocsin.local", clock=clock)
    (tmp_path / "gateway.pem").write_bytes(foreign)
    assert ensure(tmp_path, clock)["gateway.pem"] != foreign
    before = ensure(tmp_path, clock)
    assert ensure(tmp_path, clock, "other.example")["gateway.pem"] != before["gateway.pem"]


def test_a_bundle_of_authorities_stays_and_its_issuer_is_found(tmp_path: Path, clock: FakeClock) -> None:
    """While authorities change, the one whose key is there issues, wherever it stands in the bundle."""
    before = ensure(tmp_path, clock)
    other = make_ca(trust_domain="tocsin.local", clock=clock).certificate.public_bytes(Encoding.PEM)
    for bundle in (other + before["ca.pem"], before["ca.pem"] + other):
        (tmp_path / "ca.pem").write_bytes(bundle)
        after = ensure(tmp_path, clock)
        assert after == {**before, "ca.pem": bundle}
    (tmp_path / "ca.pem").write_bytes(other)
    with pytest.raises(ValueError, match=r"ca-key\.pem: not the key of an authority in .*ca\.pem"):
        ensure(tmp_path, clock)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """The error carries the path, so that the start can name the setting."""
    missing = tmp_path / "nowhere.pem"
    identity = Identity(service="gateway", trust_domain="d", ca_file=missing, cert_file=missing, key_file=missing)
    with pytest.raises(OSError, match=r"nowhere\.pem"):
        identity.server_credentials()


@pytest.mark.parametrize(
    ("uri", "service"),
    [
        ("spiffe://tocsin.local/gateway", "gateway"),
        ("spiffe://tocsin.local.evil/gateway", None),
        ("spiffe://other/gateway", None),
        ("https://tocsin.local/gateway", None),
    ],
)
def test_only_the_own_trust_domain_counts(uri: str, service: str | None) -> None:
    """A peer of another domain is nobody."""
    path = Path("unused")
    assert Identity(service="x", trust_domain="tocsin.local", ca_file=path, cert_file=path, key_file=path).service_of(uri) == service
