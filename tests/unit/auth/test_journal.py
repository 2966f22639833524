"""What of the security log is an alert."""

import re
from pathlib import Path
from typing import cast

import pytest
from prometheus_client import CollectorRegistry

from auth_svc.domain import SecurityEvent, TooManyAttempts
from auth_svc.journal import SecurityJournal
from auth_svc.throttle import Guesser, LoginThrottle, ThrottleRule
from tocsin.alerts import AlertKind
from tocsin.audit_log.journal import AuditJournal
from tocsin.mesh.context import Call, CallOrigin, enter
from tocsin.testing.alerts import RecordedAlerts
from tocsin.testing.clock import FakeClock

ROOT = Path(__file__).resolve().parents[3]
CODE = ("tocsin", "gateway", "auth_svc", "scheduler_svc", "processor_svc", "mailer_svc")
NARROW, WIDE = ThrottleRule(free=1), ThrottleRule(free=1000)
KINDS = {"pair": AlertKind.SIGN_IN_THROTTLED, "client": AlertKind.CLIENT_GUESSES, "account": AlertKind.ACCOUNT_GUESSED}


@pytest.mark.parametrize("bound", KINDS)
async def test_each_kind_of_guessing_is_an_alert_of_its_own(clock: FakeClock, bound: str) -> None:
    """Of one client at one account, of a client everywhere, of everybody at one account: with the place it came from, without a name."""
    rules = {"pair": WIDE, "client": WIDE, "account": WIDE, bound: NARROW}
    throttle, alerts = LoginThrottle(clock=clock, **rules), RecordedAlerts()
    journal = SecurityJournal(registry=CollectorRegistry(), alerts=alerts, audit=cast("AuditJournal", None))
    enter(Call(find_origin=lambda: CallOrigin(address="198.51.100.7", user_agent="curl")))
    throttle.attempt("ann", Guesser(place="198.51.100.7"))
    with pytest.raises(TooManyAttempts) as refused:
        throttle.attempt("ann", Guesser(place="198.51.100.7"))
    journal.record(SecurityEvent.LOGIN_DELAYED, account="0a1b2c", why=refused.value.metadata["bound"])
    assert [(alert.kind, alert.latest) for alert in alerts.all] == [(KINDS[bound], "account 0a1b2c, from 198.51.100.7")]


async def test_a_sign_in_is_an_alert_only_by_a_new_client() -> None:
    """It tells who and from where."""
    alerts = RecordedAlerts()
    journal = SecurityJournal(registry=CollectorRegistry(), alerts=alerts, audit=cast("AuditJournal", None))
    enter(Call(find_origin=lambda: CallOrigin(address="198.51.100.7", user_agent="curl")))
    journal.record(SecurityEvent.LOGIN_SUCCEEDED, tenant="t1", subject="users/ann", session="s1")
    journal.record(SecurityEvent.LOGIN_SUCCEEDED, tenant="t1", subject="users/bob", session="s2", why="new client")
    told = [(alert.kind, alert.tenant, alert.subject, alert.latest) for alert in alerts.all]
    assert told == [(AlertKind.NEW_CLIENT, "t1", "users/bob", "from 198.51.100.7")]


def test_every_kind_of_alert_is_raised_somewhere() -> None:
    """What nobody raises would be a promise of the contract that nobody keeps."""
    files = (path for package in CODE for path in (ROOT / package).rglob("*.py") if path != ROOT / "tocsin/alerts/model.py")
    raised = {name for path in files for name in re.findall(r"AlertKind\.([A-Z][A-Z_]+)", path.read_text("utf-8"))}
    assert raised == {kind.name for kind in AlertKind}
