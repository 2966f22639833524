"""Certificates of a stack are renewed while it runs."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from tocsin.mesh.authority import LIFETIME
from tocsin.stack.layout import SERVICES
from tocsin.stack.renewal import CHECK_SECONDS, RENEW_SECONDS, Certificates
from tocsin.testing.clock import FakeClock


@pytest.fixture
async def told(tmp_path: Path, clock: FakeClock) -> AsyncGenerator[list[str]]:
    """A stack's certificates are kept; what it is told of them."""
    words: list[str] = []
    certificates = Certificates(state=tmp_path, trust_domain="tocsin.local", clock=clock)
    certificates.ensure()
    certificates.keep(words.append)
    await clock.advance(1)
    yield words
    await certificates.stop()


def expiry(state: Path, service: str) -> timedelta:
    """When a certificate ends, counted from the first day of the clock."""
    pem = (state / "pki" / f"{service}.pem").read_bytes()
    return x509.load_pem_x509_certificate(pem).not_valid_after_utc - FakeClock().now()


async def test_every_certificate_is_renewed_with_a_third_of_its_life_left(tmp_path: Path, clock: FakeClock, told: list[str]) -> None:
    """Not before, and without anybody's word."""
    first = LIFETIME
    clock.set(clock.now() + LIFETIME * 0.6)
    await clock.advance(RENEW_SECONDS)
    assert {expiry(tmp_path, service) for service in SERVICES} == {first}
    clock.set(clock.now() + LIFETIME * 0.1)
    await clock.advance(RENEW_SECONDS)
    assert all(expiry(tmp_path, service) > first for service in SERVICES)
    assert told == []


async def test_a_folder_that_cannot_be_used_is_told_and_tried_again(tmp_path: Path, clock: FakeClock, told: list[str]) -> None:
    """A full disk must not end the renewal."""
    folder, away = tmp_path / "pki", tmp_path / "away"
    folder.rename(away)
    folder.write_text("in the way")
    clock.set(clock.now() + LIFETIME * 0.7)
    await clock.advance(RENEW_SECONDS)
    assert told
    assert all("certificates cannot be renewed" in words for words in told)
    folder.unlink()
    away.rename(folder)
    await clock.advance(RENEW_SECONDS)
    assert all(expiry(tmp_path, service) > LIFETIME for service in SERVICES)


@pytest.mark.parametrize("gone", ["gateway.pem", "mailer_svc-key.pem", "ca.pem", "*"])
async def test_what_was_deleted_is_made_again_at_once(tmp_path: Path, clock: FakeClock, told: list[str], gone: str) -> None:
    """Before any service needs it, and it is told."""
    for path in (tmp_path / "pki").glob(gone):
        path.unlink()
    await clock.advance(CHECK_SECONDS + 1)
    assert all(expiry(tmp_path, service) >= LIFETIME for service in SERVICES)
    assert len(told) == 1
    assert "were missing and are made again" in told[0]
