"""The console has words for what the services say: whoever asks why reads no code of a program."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest

from mailer_svc.domain.gates import GateReason
from scheduler_svc.domain import alarms, firings, planning
from scheduler_svc.domain.alert_groups import RESOLVED_IN_WAIT
from scheduler_svc.domain.dependencies import DEPENDENCY
from scheduler_svc.domain.escalation import OUTSIDE_HOURS, TOO_FEW_OCCURRENCES
from scheduler_svc.domain.silences import SILENCED
from tocsin.api.mailer.v1 import delivery_service_pb2 as deliveries
from tocsin.api.scheduler.v1 import alarm_pb2, firing_service_pb2, incident_service_pb2, silence_service_pb2

WORDS: Final = Path(__file__).resolve().parents[3] / "console" / "src" / "words"
_PLANNING: Final = Path(planning.__file__)
_REASON: Final = re.compile(r'"((?:PAUSED|CATCH_UP)[A-Z_]*)"')
_TABLE: Final = r"^  {section}: {{\n(?:    .*\n)*?    {table}: {{([^}}]*)}}"
_NAME: Final = re.compile(r"\b([A-Z][A-Z_]+): ")


def said(section: str, table: str, language: str) -> set[str]:
    """The codes for which a table of the words has a text."""
    texts = [(WORDS / language / f"{name}.ts").read_text() for name in ("first", "others")]
    found = [match for text in texts if (match := re.search(_TABLE.format(section=section, table=table), text, re.MULTILINE))]
    assert found, f"{language}: there is no {section}.{table}"
    return {name for match in found for name in _NAME.findall(match[1])}


def known(names: Iterable[str]) -> set[str]:
    """The values of an enum of the contract, but the one that is never sent."""
    return {name for name in names if not name.endswith("_UNSPECIFIED")}


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize(
    ("section", "table", "codes"),
    [
        ("delivery", "reasons", set(GateReason)),
        ("delivery", "states", known(deliveries.Delivery.State.keys())),
        ("alarm", "pauseReasons", {alarms.AUTO_PAUSE, alarms.RULE_TOO_COSTLY, alarms.TENANT_SUSPENDED, alarms.FIRE_QUOTA}),
        ("alarm", "states", known(alarm_pb2.Alarm.State.keys())),
        ("firing", "origins", known(firing_service_pb2.Firing.Origin.keys())),
        ("firing", "outcomes", known(firing_service_pb2.Firing.Outcome.keys())),
        ("firing", "reasons", {planning.STILL_RUNNING, firings.CANCELLED, alarms.FIRE_QUOTA, alarms.TENANT_SUSPENDED, "LET_GO_LATE"}),
        ("firing", "reasons", {OUTSIDE_HOURS, TOO_FEW_OCCURRENCES, SILENCED, DEPENDENCY, RESOLVED_IN_WAIT, "BACKFILL"}),
        ("firing", "reasons", set(_REASON.findall(_PLANNING.read_text()))),
        ("incident", "events", known(incident_service_pb2.IncidentEvent.Kind.keys())),
        ("incident", "states", known(incident_service_pb2.Incident.State.keys())),
        ("incident", "severities", known(incident_service_pb2.Incident.Severity.keys())),
        ("silence", "states", known(silence_service_pb2.Silence.State.keys())),
    ],
)
def test_every_code_has_words(section: str, table: str, codes: set[str], language: str) -> None:
    """Each state, outcome and reason that a page shows, in both languages."""
    assert codes
    assert codes - said(section, table, language) == set()
