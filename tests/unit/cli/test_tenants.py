"""`tocsin tenant`: what the operator says reaches the gateway."""

from pathlib import Path

import pytest

from tests.unit.cli.test_commands import Gateway, gateway, state, tocsin

__all__ = ["gateway", "state"]

TENANT = {
    "name": "tenants/01ABC",
    "displayName": "Acme",
    "state": "SUSPENDED",
    "suspendReason": "unpaid",
    "quotas": {"alarms": "10", "messagesPerDay": "0"},
}
QUOTAS = {"alarms": "10", "storageBytes": "0"}


@pytest.mark.parametrize(
    ("words", "method", "path", "body"),
    [
        (("show", "01ABC"), "GET", "/v1/tenants/01ABC", None),
        (("suspend", "tenants/01ABC", "--reason", "unpaid"), "POST", "/v1/tenants/01ABC:suspend", {"reason": "unpaid"}),
        (("resume", "01ABC"), "POST", "/v1/tenants/01ABC:resume", {}),
        (
            ("quotas", "01ABC", "--alarms", "10", "--storage-bytes", "0"),
            "PUT",
            "/v1/tenants/01ABC/quotas",
            {"alarms": "10", "storageBytes": "0"},
        ),
    ],
)
def test_an_order_about_a_tenant(
    gateway: Gateway, state: Path, words: tuple[str, ...], method: str, path: str, body: dict[str, str] | None
) -> None:
    """By id or by name; the answer shows how it stands."""
    gateway.answers[method, path] = (200, TENANT)
    done = tocsin("tenant", *words, "--state", str(state))
    assert (done.returncode, done.stdout.strip()) == (0, "01ABC  Acme  SUSPENDED  unpaid  10 alarms"), done.stderr
    assert gateway.asked[-1][:2] == (method, path)
    assert body is None or body in gateway.asked[-1]


def test_tenants_are_listed(gateway: Gateway, state: Path) -> None:
    """A line for each."""
    gateway.answers["GET", "/v1/tenants"] = (200, {"tenants": [TENANT]})
    done = tocsin("tenant", "list", "--state", str(state))
    assert done.returncode == 0, done.stderr
    assert all(word in done.stdout for word in ("01ABC", "Acme", "SUSPENDED", "unpaid", "10 alarms"))


def test_a_tenant_is_made(gateway: Gateway, state: Path) -> None:
    """With the link, if the operator hands it over."""
    gateway.answers["POST", "/v1/tenants"] = (
        200,
        {"tenant": TENANT, "link": "https://t.example/account/invitation/x", "expireTime": "soon"},
    )
    done = tocsin("tenant", "create", "Acme", "--owner", "olga@example.com", "--link", "--state", str(state))
    assert done.returncode == 0, done.stderr
    assert "until soon: https://t.example/account/invitation/x" in done.stdout
    assert gateway.asked[-1][3] == {"displayName": "Acme", "ownerEmail": "olga@example.com", "invitation": "LINK"}


def test_a_tenant_is_deleted_with_the_hash_of_its_export(gateway: Gateway, state: Path, tmp_path: Path) -> None:
    """And what was removed is shown; a folder that is no export deletes nothing."""
    gateway.answers["DELETE", "/v1/tenants/01ABC"] = (200, {**TENANT, "state": "DELETING", "purgeTime": "2027-01-01T00:00:00Z"})
    refused = tocsin("tenant", "delete", "01ABC", "--export", str(tmp_path), "--state", str(state))
    assert (refused.returncode, gateway.asked) == (2, [])
    (tmp_path / "manifest.json").write_text("{}")
    done = tocsin("tenant", "delete", "01ABC", "--export", str(tmp_path), "--state", str(state))
    assert done.returncode == 0, done.stderr
    assert "2027-01-01T00:00:00Z" in done.stdout
    rows = [{"kind": "alarms", "count": "7"}]
    report = {"state": "PURGING", "missingServices": ["mailer_svc"], "services": [{"service": "scheduler_svc", "rows": rows}]}
    gateway.answers["GET", "/v1/tenants/01ABC/deletion"] = (200, report)
    shown = tocsin("tenant", "deletion", "01ABC", "--state", str(state))
    assert all(word in shown.stdout for word in ("PURGING", "not told yet: mailer_svc", "scheduler_svc", "alarms", "7")), shown.stdout


@pytest.mark.parametrize("words", [("suspend", "01ABC"), ("show", "../x"), ("quotas", "01ABC", "--alarms", "-1")])
def test_an_order_about_nobody_is_refused(gateway: Gateway, state: Path, words: tuple[str, ...]) -> None:
    """Nobody is asked."""
    assert tocsin("tenant", *words, "--state", str(state)).returncode != 0
    assert gateway.asked == []
