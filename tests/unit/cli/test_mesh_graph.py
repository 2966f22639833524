"""`tocsin mesh graph`: the edges between two pictures of the mesh."""

from typing import Any

from tocsin.cli.mesh_graph import as_dot, lines_of, rows_of


def picture(second: int, *, calls: int, errors: int = 0, incarnation: str = "a", circuit: str = "CLOSED") -> dict[str, Any]:
    """A gateway that called the scheduler; what it served itself is no edge, nor is a process that did not answer."""
    methods = [
        {
            "target": "scheduler_svc",
            "method": "/s/A",
            "calls": str(calls),
            "errors": str(errors),
            "buckets": [str(calls - errors), str(errors)],
        },
        {"method": "/g/B", "calls": "9", "buckets": ["9", "0"]},
        {"target": "mailer_svc", "method": "/m/C"},
    ]
    status = {
        "service": "gateway",
        "incarnation": incarnation,
        "methods": methods,
        "bucketBounds": [0.1, 1.0],
        "circuitBreakers": [{"id": "x", "target": "scheduler_svc", "state": circuit}],
    }
    return {"time": f"2026-12-01T09:00:{second:02}Z", "processes": [{"service": "gateway", "status": status}, {"service": "auth_svc"}]}


def edge(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """The edge to the scheduler; the one to the mailer has seen no call."""
    quiet, busy = rows_of(before, now)
    assert (quiet["called"], quiet["callsPerSecond"], quiet["errorPercent"], quiet["p99Seconds"]) == ("mailer_svc", 0, 0, None)
    return busy


def test_an_edge_is_what_came_between_two_pictures() -> None:
    """Calls before the first picture do not count."""
    found = edge(picture(0, calls=100, errors=50), picture(10, calls=150, errors=55, circuit="OPEN"))
    assert found == {
        "caller": "gateway",
        "called": "scheduler_svc",
        "callsPerSecond": 5.0,
        "errorPercent": 10.0,
        "p99Seconds": 1.0,
        "circuitOpen": True,
        "endpoints": [],
    }


def test_a_process_that_began_anew_counts_from_nothing() -> None:
    """Its counts are smaller than those before; no rate is negative."""
    found = edge(picture(0, calls=100), picture(2, calls=4, incarnation="b"))
    assert (found["callsPerSecond"], found["p99Seconds"], found["circuitOpen"]) == (2.0, 0.1, False)


def test_two_pictures_of_one_moment_have_no_rate() -> None:
    """Nothing is divided by it."""
    assert edge(picture(0, calls=1), picture(0, calls=2))["callsPerSecond"] == 0


def endpoint(address: str, *, calls: int, errors: int = 0, state: str = "READY", **labels: str) -> dict[str, Any]:
    """An endpoint of the scheduler in a picture, where what is empty is left out."""
    found: dict[str, Any] = {"target": "scheduler_svc", "address": address, "calls": str(calls), "state": state, **labels}
    return {**found, "errors": str(errors)} if errors else {name: value for name, value in found.items() if value}


def seen(second: int, *endpoints: dict[str, Any], incarnation: str = "a") -> dict[str, Any]:
    """A picture with endpoints; one of a service that was not called is no edge."""
    found = picture(second, calls=2 * second, incarnation=incarnation)
    found["processes"][0]["status"]["endpoints"] = [*endpoints, {"target": "nobody", "address": "x:1"}]
    return found


def test_an_edge_has_the_endpoints_of_who_is_called() -> None:
    """With zone, version and state as the caller sees them, and what was called there between the pictures."""
    before = seen(0, endpoint("a:1", calls=5, errors=5, zone="x"), endpoint("b:1", calls=0, state=""))
    now = seen(
        2,
        endpoint("a:1", calls=15, errors=6, zone="x", version="1", lastCallTime="2026-12-01T09:00:01Z"),
        endpoint("b:1", calls=0, state=""),
        endpoint("", calls=4, state="IDLE"),
    )
    shared, first, second = edge(before, now)["endpoints"]
    assert (shared["address"], shared["callsPerSecond"], shared["state"], shared["zone"]) == ("", 2.0, "IDLE", "")
    assert first == {
        "address": "a:1",
        "zone": "x",
        "version": "1",
        "state": "READY",
        "callsPerSecond": 5.0,
        "errorPercent": 10.0,
        "lastCallTime": "2026-12-01T09:00:01Z",
    }
    assert (second["state"], second["callsPerSecond"], second["errorPercent"], second["lastCallTime"]) == ("", 0.0, 0.0, "")


def test_endpoints_are_shown_where_they_differ() -> None:
    """One without labels says nothing that the edge does not say."""
    alone = edge(seen(0), seen(2, endpoint("a:1", calls=4)))
    assert list(lines_of(alone)) == [next(iter(lines_of(alone)))]
    assert "a:1" not in as_dot([alone])
    told = edge(seen(0), seen(2, endpoint("a:1", calls=4, zone="x"), endpoint("b:1", calls=0, state="", version="2")))
    _, first, second = lines_of(told)
    assert first.split() == ["a:1", "2/s", "0", "%", "errors", "READY", "zone", "x"]
    assert second.split() == ["b:1", "0/s", "0", "%", "errors", "not", "connected", "version", "2"]
    assert r'[label="2/s, 0 % errors\na:1, zone x: 2/s\nb:1, version 2: 0/s"]' in as_dot([told])


def test_callers_count_together() -> None:
    """Two gateways see one endpoint, each in its own state; one that began anew counts from nothing."""
    one = seen(2, endpoint("a:1", calls=3))
    other = seen(2, endpoint("a:1", calls=1, state="CONNECTING"), incarnation="b")
    one["processes"] += other["processes"]
    (found,) = edge(seen(0, endpoint("a:1", calls=1)), one)["endpoints"]
    assert (found["callsPerSecond"], found["state"]) == (1.5, "CONNECTING/READY")


def test_a_name_cannot_leave_its_quotes_in_dot() -> None:
    """Names are what a process says of itself."""
    row = edge(picture(0, calls=1), picture(1, calls=2)) | {"caller": 'a" -> b; "'}
    assert '"a\\" -> b; \\"" -> "scheduler_svc" [label="1/s, 0 % errors"];' in as_dot([row])
