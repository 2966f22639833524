"""Telling security alerts: never waiting, never more than a bound, never twice, and nothing forgotten while auth_svc is away."""

from collections.abc import Sequence

import pytest
from prometheus_client import CollectorRegistry

from tocsin.alerts import Alert, AlertKind, Severity
from tocsin.alerts.reporter import MOST_AT_ONCE, MOST_WAITING, AlertReporter
from tocsin.errors import InvalidInput, Unavailable
from tocsin.testing.clock import FakeClock


class Auth:
    """Takes alerts, or fails as it is told."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, list[Alert]]] = []
        self.error: Exception | None = None

    async def send(self, alerts: Sequence[Alert], batch: str) -> None:
        self.batches.append((batch, list(alerts)))
        if self.error is not None:
            raise self.error


@pytest.fixture
def auth() -> Auth:
    """One that takes everything."""
    return Auth()


@pytest.fixture
def registry() -> CollectorRegistry:
    """An empty one."""
    return CollectorRegistry()


@pytest.fixture
def reporter(auth: Auth, clock: FakeClock, registry: CollectorRegistry) -> AlertReporter:
    """It is told to tell by the test."""
    return AlertReporter(send=auth.send, clock=clock, registry=registry)


async def test_a_flood_is_one_alert_with_a_count(
    reporter: AlertReporter, auth: Auth, clock: FakeClock, registry: CollectorRegistry
) -> None:
    """A thousand bad tokens at a route: first and last time, and how many; the metric counts each."""
    begun = clock.micros()
    for _ in range(1000):
        reporter.report(kind=AlertKind.TOKEN_INVALID, place="GET /verify")
    await clock.advance(2)
    reporter.report(kind=AlertKind.TOKEN_INVALID, place="GET /verify", latest="newest")
    await reporter.tell()
    ((_, (alert,)),) = auth.batches
    assert (alert.count, alert.first, alert.last, alert.latest) == (1001, begun, begun + 2_000_000, "newest")
    assert alert.severity is Severity.MEDIUM
    assert registry.get_sample_value("tocsin_security_alerts_total", {"kind": "TOKEN_INVALID"}) == 1001
    await reporter.tell()
    assert len(auth.batches) == 1


async def test_what_was_not_answered_is_the_same_batch_again(reporter: AlertReporter, auth: Auth) -> None:
    """Whether auth_svc took it is not known; its id tells. What happened meanwhile is another batch."""
    reporter.report(kind=AlertKind.CALLBACK_FORGED, place="twilio")
    auth.error = Unavailable()
    with pytest.raises(Unavailable):
        await reporter.tell()
    reporter.report(kind=AlertKind.CALLBACK_FORGED, place="twilio")
    auth.error = None
    await reporter.tell()
    first, again, more = auth.batches
    assert first == again
    assert more[0] != first[0]
    assert [alert.count for _, alerts in (again, more) for alert in alerts] == [1, 1]


async def test_what_finds_no_room_is_counted(reporter: AlertReporter, auth: Auth, registry: CollectorRegistry) -> None:
    """While auth_svc is away: so many different ones wait, and known ones still count."""
    for number in range(MOST_WAITING + 7):
        reporter.report(kind=AlertKind.SCOPE_REFUSED, place=f"place {number}")
    reporter.report(kind=AlertKind.SCOPE_REFUSED, place="place 0")
    assert registry.get_sample_value("tocsin_security_alerts_dropped_total") == 7
    await reporter.tell()
    assert len(auth.batches) == MOST_WAITING / MOST_AT_ONCE
    assert sum(alert.count for _, alerts in auth.batches for alert in alerts) == MOST_WAITING + 1


async def test_what_is_refused_does_not_stand_in_the_way(reporter: AlertReporter, auth: Auth, registry: CollectorRegistry) -> None:
    """An older auth_svc may not know a kind; what comes after is told."""
    reporter.report(kind=AlertKind.PII_FOUND, place="records")
    auth.error = InvalidInput.at("alerts[0].kind", "is unknown")
    await reporter.tell()
    auth.error = None
    reporter.report(kind=AlertKind.PII_FOUND, place="tasks")
    await reporter.tell()
    assert [alert.place for _, alerts in auth.batches for alert in alerts] == ["records", "tasks"]
    assert registry.get_sample_value("tocsin_security_alerts_dropped_total") == 1


async def test_one_that_is_refused_takes_no_other_with_it(clock: FakeClock, registry: CollectorRegistry) -> None:
    """Whatever is wrong with it; and what was taken is not told again when auth_svc goes away meanwhile."""
    odd, taken, calls = f"place{MOST_AT_ONCE // 2}", list[str](), 0

    async def picky(alerts: Sequence[Alert], _: str) -> None:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise Unavailable
        if any(alert.place == odd for alert in alerts):
            raise InvalidInput.at("alerts", "one is odd")
        taken.extend(alert.place for alert in alerts)

    reporter = AlertReporter(send=picky, clock=clock, registry=registry)
    for number in range(MOST_AT_ONCE):
        reporter.report(kind=AlertKind.PII_FOUND, place=f"place{number}")
    with pytest.raises(Unavailable):
        await reporter.tell()
    assert taken, "a half was taken before"
    await reporter.tell()
    assert sorted(taken) == sorted({f"place{number}" for number in range(MOST_AT_ONCE)} - {odd})
    assert registry.get_sample_value("tocsin_security_alerts_dropped_total") == 1


async def test_texts_are_bounded_and_storable(reporter: AlertReporter, auth: Auth) -> None:
    """Whatever a caller puts in."""
    reporter.report(kind=AlertKind.PII_FOUND, place="records", latest="x" * 10_000, detail="a\0b\ud800")
    await reporter.tell()
    ((_, (alert,)),) = auth.batches
    assert len(alert.latest) == 200
    assert alert.detail.encode().count(b"\0") == 0


async def test_the_end_tells_what_waits(reporter: AlertReporter, auth: Auth) -> None:
    """Stopping a service loses nothing if auth_svc is there, and waits for nobody if it is not."""
    await reporter.start()
    reporter.report(kind=AlertKind.PII_FOUND, place="records")
    await reporter.stop()
    assert len(auth.batches) == 1
    reporter.report(kind=AlertKind.PII_FOUND, place="records")
    auth.error = Unavailable()
    await reporter.stop()
