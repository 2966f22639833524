"""`tocsin mesh graph`: the edges between two pictures of the mesh."""

from typing import Any

from tocsin.cli.mesh_graph import as_dot, rows_of


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
    }


def test_a_process_that_began_anew_counts_from_nothing() -> None:
    """Its counts are smaller than those before; no rate is negative."""
    found = edge(picture(0, calls=100), picture(2, calls=4, incarnation="b"))
    assert (found["callsPerSecond"], found["p99Seconds"], found["circuitOpen"]) == (2.0, 0.1, False)


def test_two_pictures_of_one_moment_have_no_rate() -> None:
    """Nothing is divided by it."""
    assert edge(picture(0, calls=1), picture(0, calls=2))["callsPerSecond"] == 0


def test_a_name_cannot_leave_its_quotes_in_dot() -> None:
    """Names are what a process says of itself."""
    row = edge(picture(0, calls=1), picture(1, calls=2)) | {"caller": 'a" -> b; "'}
    assert '"a\\" -> b; \\"" -> "scheduler_svc" [label="1/s, 0 % errors"];' in as_dot([row])
