"""What a tenant says of incidents: matchers, routes, and when dependencies make a cycle."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler_svc.domain.dependencies import CompiledDependency, IncidentDependency, check_dependency
from scheduler_svc.domain.incidents import Incident
from scheduler_svc.domain.matchers import CompiledMatchers, SilenceMatcher, implied
from scheduler_svc.domain.routes import IncidentRoute
from scheduler_svc.domain.rules import TenantRules, words
from scheduler_svc.domain.silences import Silence, SilenceTimes
from tocsin.clock import DAY, HOUR, MINUTE, SECOND
from tocsin.errors import InvalidInput
from tocsin.recurrence import Cron, TimeWindow, TooCostly

T0 = 1_800_000_000 * SECOND - 1_800_000_000 * SECOND % DAY
LABELS, VALUES, PATTERNS = ("a", "b"), ("", "x", "xy"), ("", "x", "xy", "*", "x*", "*y", "**")
MATCHERS = st.builds(SilenceMatcher, st.sampled_from(LABELS), st.sampled_from(PATTERNS), st.booleans())
SOME = st.lists(MATCHERS, max_size=3).map(tuple)
WORDS = st.dictionaries(st.sampled_from(LABELS), st.sampled_from(VALUES))


def dependency(name: str, source: str, target: str, **fields: Any) -> IncidentDependency:
    """Of values of one label."""
    return IncidentDependency(id=name, tenant="t", source=(SilenceMatcher("is", source),), target=(SilenceMatcher("is", target),), **fields)


@given(matchers=SOME, words=WORDS)
def test_compiled_matchers_mean_the_same(matchers: tuple[SilenceMatcher, ...], words: dict[str, str]) -> None:
    """As each of them by itself."""
    assert CompiledMatchers(matchers).fit(words) is all(matcher.matches(words) for matcher in matchers)


@settings(max_examples=500)
@given(given_=SOME, asked=SOME, words=WORDS)
def test_what_is_implied_is_so(given_: tuple[SilenceMatcher, ...], asked: tuple[SilenceMatcher, ...], words: dict[str, str]) -> None:
    """For whatever fits."""
    if implied(given_, asked) and CompiledMatchers(given_).fit(words):
        assert CompiledMatchers(asked).fit(words)


@settings(max_examples=200)
@given(edges=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)).filter(lambda edge: edge[0] != edge[1]), max_size=12))
def test_cycles_are_refused_and_nothing_else(edges: list[tuple[int, int]]) -> None:
    """A graph of values: what is kept never has a ring of two or more, and what is refused would close one."""
    kept: list[IncidentDependency] = []
    reach: set[tuple[int, int]] = set()
    for number, (source, target) in enumerate(edges):
        one = dependency(str(number), str(source), str(target))
        if (target, source) in reach:
            with pytest.raises(InvalidInput, match="cycle"):
                check_dependency(one, kept)
            continue
        check_dependency(one, kept)
        kept.append(one)
        reach.add((source, target))
        for _ in range(3):
            reach |= {(a, d) for a, b in reach for c, d in reach if b == c}


def test_what_fits_both_sides_is_not_held_back_by_its_like() -> None:
    """But by what is a source alone."""
    source, target = (SilenceMatcher("is", "x"),), (SilenceMatcher("level", "low"),)
    compiled = CompiledDependency(IncidentDependency(id="d", tenant="t", source=source, target=target, equal=("site",)))
    both, cause, consequence = {"is": "x", "level": "low"}, {"is": "x"}, {"level": "low"}
    assert not compiled.holds(source=both, target=both)
    assert compiled.holds(source=both, target=consequence)
    assert compiled.holds(source=cause, target=both)
    assert compiled.holds(source=cause, target=consequence)
    assert not compiled.holds(source={**cause, "site": "1"}, target=consequence)
    assert not compiled.holds(source=consequence, target=consequence)


def test_routes_explain_themselves() -> None:
    """The first that fits, and the first matcher that does not in each before."""
    first = IncidentRoute(id="a", tenant="t", position=1, matchers=(SilenceMatcher("a", "x"), SilenceMatcher("b", "x")))
    second = IncidentRoute(id="b", tenant="t", position=2)
    rules = TenantRules([second, first])
    assert rules.explain({"a": "x", "b": "y"}) == (second, [(first, first.matchers[1])])
    assert rules.route({"a": "x", "b": "x"}) == first
    assert TenantRules().explain({}) == (None, [])


def windows(cron: str, *, length: int, start: int = T0, end: int = T0 + 100 * DAY) -> SilenceTimes:
    """Those of a silence."""
    window, matchers = TimeWindow(spec=Cron(cron), length=length), (SilenceMatcher("a", "*"),)
    return SilenceTimes(
        Silence(id="s", tenant="t", matchers=matchers, start=start, end=end, comment="", author="", created=T0, window=window)
    )


@settings(max_examples=40)
@given(minute=st.integers(0, 59), length=st.integers(1, 59), start=st.integers(0, 90), life=st.integers(1, 300), now=st.integers(0, 400))
def test_windows_hold_as_they_would_minute_by_minute(minute: int, length: int, start: int, life: int, now: int) -> None:
    """Of each hour from a minute on, so many minutes, within the silence: what it says of an instant, and its next windows."""
    silent = {begin + each for begin in range(minute - 600, 600, 60) for each in range(length)} & set(range(start, start + life))
    times = windows(f"{minute} * * * *", length=length * MINUTE, start=T0 + start * MINUTE, end=T0 + (start + life) * MINUTE)
    until = times.until(T0 + now * MINUTE)
    assert (until is not None) is (now in silent)
    assert until is None or set(range(now, (until - T0) // MINUTE)) <= silent
    shown = [(window.start - T0, window.end - T0) for window in times.windows(T0 + now * MINUTE)]
    assert [at for begin, end in shown for at in range(begin // MINUTE, end // MINUTE)] == sorted(at for at in silent if at >= now)


def test_windows_that_touch_hold_all_the_time() -> None:
    """Until when is answered by a bounded look ahead, and asked again there."""
    times = windows("0 * * * *", length=HOUR)
    assert (times.until(T0) or 0) > T0 + 10 * DAY
    assert next(times.windows(T0)) == (T0, T0 + 100 * DAY)


def test_a_silence_that_costs_too_much_holds_nothing_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others do."""
    incident = Incident(id="i", tenant="t", shard=0, key="k", title="", created=0, triggered=0)
    asked = SilenceTimes.until

    def until(times: SilenceTimes, now: int) -> int | None:
        if times.silence.end == T0 + 100 * DAY:
            raise TooCostly.at("trigger", "too many steps")
        return asked(times, now)

    monkeypatch.setattr(SilenceTimes, "until", until)
    costly, sane = (windows("0 * * * *", length=30 * MINUTE, end=T0 + days * DAY).silence for days in (100, 50))
    assert TenantRules(silences=[costly]).silenced(words(incident), T0) is None
    held = TenantRules(silences=[costly, sane]).silenced(words(incident), T0)
    assert held is not None
    assert held.until == T0 + 30 * MINUTE
