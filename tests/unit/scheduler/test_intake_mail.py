"""Mails of monitoring systems: what their subjects say."""

import pytest

from scheduler_svc.domain.incident_words import AlertEvent, IncidentSeverity
from scheduler_svc.domain.intake.alerts import incident_key
from scheduler_svc.domain.intake.mail import ReceivedMail, read_mail

TRIGGER, ACKNOWLEDGE, RESOLVE = AlertEvent
CRITICAL, ERROR, WARNING, INFO = IncidentSeverity


@pytest.mark.parametrize(
    ("subject", "event", "key", "severity"),
    [
        ("[FIRING:2] DiskFull (db-1)", TRIGGER, "diskfull (db-1)", None),
        ("[RESOLVED] DiskFull (db-1)", RESOLVE, "diskfull (db-1)", None),
        ("Re: [FIRING:1] DiskFull (db-1)", TRIGGER, "diskfull (db-1)", None),
        ("AW: Re[2]: Fwd: DiskFull (db-1)", TRIGGER, "diskfull (db-1)", None),
        ("** PROBLEM Service Alert: db-1/Disk is CRITICAL **", TRIGGER, "db-1/disk", CRITICAL),
        ("** RECOVERY Service Alert: db-1/Disk is OK **", RESOLVE, "db-1/disk", INFO),
        ("** ACKNOWLEDGEMENT Service Alert: db-1/Disk is WARNING **", ACKNOWLEDGE, "db-1/disk", WARNING),
        ("Problem: High load", TRIGGER, "high load", None),
        ("Resolved in 5m 3s: High load", RESOLVE, "high load", None),
        ("RESOLVED - High load", RESOLVE, "high load", None),
        ("[prod] The backup failed", TRIGGER, "[prod] the backup failed", None),
        ("High load\r\n on db-1", TRIGGER, "high load on db-1", None),
        ("Meeting: tomorrow", TRIGGER, "meeting: tomorrow", None),
    ],
)
def test_mail(subject: str, event: AlertEvent, key: str, severity: IncidentSeverity | None) -> None:
    """The same something under another state is the same incident."""
    [alert] = read_mail(ReceivedMail("<1@x>", "nagios@example.com", subject, "the text")).alerts
    assert (alert.event, alert.key, alert.severity, alert.description) == (event, key, severity, "the text")
    assert alert.labels == {"sender": "nagios@example.com"}


def test_mails_without_a_subject_and_with_long_ones() -> None:
    """Each is something, and quickly."""
    [bare] = read_mail(ReceivedMail("<1@x>", "a@example.com", "", "")).alerts
    assert bare.title == "Mail from a@example.com"
    for subject in ("Re: " * 5000, "[" * 5000, "[x] " * 5000, "a" * 100_000, " is" * 5000, "\ud800\0"):
        [alert] = read_mail(ReceivedMail("<1@x>", "", subject, "\0\ud800")).alerts
        assert 1 <= len(alert.title) <= 500
        assert "\0" not in alert.title + alert.description
        assert len(incident_key("i", alert.key)) <= 255
