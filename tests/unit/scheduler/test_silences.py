"""Silences: which incidents they are about."""

import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler_svc.domain.incident_words import Hold, IncidentSeverity
from scheduler_svc.domain.incidents import Incident
from scheduler_svc.domain.matchers import SilenceMatcher, is_like
from scheduler_svc.domain.rules import TenantRules, words
from scheduler_svc.domain.silences import SILENCED, Silence, SilenceState, SilenceTimes

NIGHT = Incident(
    id="i",
    tenant="t",
    shard=0,
    key="disk/db-1",
    title="Disk full",
    severity=IncidentSeverity.CRITICAL,
    policy="nights",
    source="alarms/a",
    labels={"host": "db-1.example.org", "team": "storage", "severity": "a label of the same name"},
    created=0,
    triggered=0,
)


def silence(*matchers: SilenceMatcher, end: int = 100, name: str = "s") -> Silence:
    """One that holds from 10 on."""
    return Silence(id=name, tenant="t", matchers=matchers, start=10, end=end, comment="work", author="users/1", created=0)


@pytest.mark.parametrize(
    ("matchers", "expected"),
    [
        ([SilenceMatcher("team", "storage")], True),
        ([SilenceMatcher("team", "stor*")], True),
        ([SilenceMatcher("team", "stor")], False),
        ([SilenceMatcher("host", "db-*.example.org"), SilenceMatcher("team", "storage")], True),
        ([SilenceMatcher("host", "db-*.example.org"), SilenceMatcher("team", "web")], False),
        ([SilenceMatcher("team", "web", negate=True)], True),
        ([SilenceMatcher("team", "storage", negate=True)], False),
        ([SilenceMatcher("region", "")], True),
        ([SilenceMatcher("region", "", negate=True)], False),
        ([SilenceMatcher("region", "*")], True),
        ([SilenceMatcher("severity", "critical")], True),
        ([SilenceMatcher("severity", "a label of the same name")], False),
        ([SilenceMatcher("escalationPolicy", "nights")], True),
        ([SilenceMatcher("source", "alarms/*")], True),
        ([SilenceMatcher("dedupKey", "disk/*")], True),
        ([], False),
    ],
)
def test_a_silence_is_about_what_all_its_matchers_fit(matchers: list[SilenceMatcher], expected: bool) -> None:
    """A missing label is empty, the incident's own words win over labels, and without matchers it is about nothing."""
    assert (TenantRules(silences=[silence(*matchers)]).silenced(words(NIGHT), 10) is not None) is expected


@given(text=st.text(alphabet="ab.", max_size=12), pattern=st.text(alphabet="ab.*", max_size=8))
def test_stars_mean_what_they_mean_in_file_names(text: str, pattern: str) -> None:
    """The standard library's patterns decide, with what else they know taken literally."""
    assert is_like(text, pattern) is (re.fullmatch(fnmatch.translate(pattern), text) is not None)


def test_a_pattern_of_many_stars_costs_no_more_than_its_text() -> None:
    """What would take a backtracking search for ever is answered."""
    assert not is_like("a" * 100_000, "a*" * 500 + "b")
    assert is_like("a" * 100_000, "a*" * 500 + "a")


def test_of_several_silences_the_one_that_ends_last_counts() -> None:
    """Until then nobody is told."""
    matcher = SilenceMatcher("team", "storage")
    silences = [silence(matcher, end=50, name="a"), silence(matcher, end=90, name="b"), silence(end=200, name="c")]
    assert TenantRules(silences=silences).silenced(words(NIGHT), 20) == Hold("silences/b", SILENCED, 90)
    assert TenantRules().silenced(words(NIGHT), 20) is None


@pytest.mark.parametrize(
    ("now", "state"), [(9, SilenceState.PENDING), (10, SilenceState.ACTIVE), (99, SilenceState.ACTIVE), (100, SilenceState.EXPIRED)]
)
def test_a_silence_holds_from_its_start_to_before_its_end(now: int, state: SilenceState) -> None:
    """Both ends."""
    assert SilenceTimes(silence()).state(now) is state
