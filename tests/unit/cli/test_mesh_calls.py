"""`tocsin mesh top` and `tocsin mesh check`: what two pictures, and one, tell."""

from typing import Any

import pytest

from tocsin.cli.mesh_calls import rows_between
from tocsin.cli.mesh_check import findings


def picture(second: int, *, calls: int, errors: int = 0, in_flight: int = 0, incarnation: str = "a") -> dict[str, Any]:
    """Two replicas that served one method, and what one called itself, which is no row."""
    processes = [
        {
            "service": "scheduler_svc",
            "address": address,
            "reachable": True,
            "status": {
                "incarnation": incarnation + address,
                "bucketBounds": [0.1, 1.0],
                "methods": [
                    {
                        "method": "/s/A",
                        "calls": str(calls),
                        "errors": str(errors),
                        "buckets": [str(calls - errors), str(errors)],
                        "inFlight": in_flight,
                    },
                    {"target": "mailer_svc", "method": "/m/C", "calls": "9", "buckets": ["9", "0"]},
                    {"method": "/s/Quiet", "calls": "7", "buckets": ["7", "0"]},
                ],
            },
        }
        for address in ("x:1", "y:1")
    ]
    return {"time": f"2026-12-01T09:00:{second:02}Z", "processes": [*processes, {"service": "auth_svc", "address": "z:1"}]}


def test_a_method_is_what_came_between_two_pictures_over_all_replicas() -> None:
    """Rates and errors add up; a method that nobody called is left out."""
    before, now = picture(0, calls=100, errors=50), picture(10, calls=150, errors=55, in_flight=3)
    assert rows_between(before, now) == [
        {
            "service": "scheduler_svc",
            "method": "/s/A",
            "callsPerSecond": 10.0,
            "errorPercent": 10.0,
            "p50Seconds": 0.1,
            "p99Seconds": 1.0,
            "inFlight": 6,
        }
    ]


def test_what_is_asked_of_services_outside_of_the_mesh_are_rows_of_theirs() -> None:
    """Two gateways call one; what they call of the mesh is counted where it is served."""
    before, now = picture(0, calls=0), picture(10, calls=0)
    for moment, calls in ((before, "10"), (now, "30")):
        for process in moment["processes"][:2]:
            process["status"]["foreignServices"] = ["billing"]
            stats = {"target": "billing", "method": "/b/Get", "calls": calls, "buckets": [calls, "0"], "inFlight": 1}
            process["status"]["methods"].append(stats)
    (row,) = rows_between(before, now)
    assert (row["service"], row["method"], row["callsPerSecond"], row["inFlight"]) == ("billing", "/b/Get", 4.0, 2)


def test_a_process_that_began_anew_counts_from_nothing() -> None:
    """No rate is negative."""
    rows = rows_between(picture(0, calls=100), picture(2, calls=4, incarnation="b"))
    assert {row["method"]: row["callsPerSecond"] for row in rows} == {"/s/A": 4.0, "/s/Quiet": 7.0}


def process(service: str = "auth_svc", address: str = "x:1", **status: Any) -> dict[str, Any]:
    """A process that is well, but for what is given."""
    offset = status.pop("offset", "0.010s")
    well = {"version": "1.0", "certificateExpireTime": "2027-06-01T00:00:00Z", "policyDigest": "abc"}
    return {"service": service, "address": address, "reachable": True, "status": well | status, "clockOffset": offset}


def found(*processes: dict[str, Any]) -> list[tuple[str, str]]:
    """Kind and address of each finding."""
    seen = {"time": "2026-12-01T09:00:00Z", "processes": [process("gateway", "gateway"), *processes]}
    return [(finding["kind"], finding["address"]) for finding in findings(seen, days=1.0, clock=0.5)]


@pytest.mark.parametrize(
    ("status", "kinds"),
    [
        ({}, []),
        ({"certificateExpireTime": "2026-12-01T12:00:00Z"}, ["certificate"]),
        ({"certificateExpireTime": "2026-11-01T12:00:00Z"}, ["certificate"]),
        ({"certificateExpireTime": ""}, []),
        ({"offset": "0.6s"}, ["clock"]),
        ({"offset": "-7.200000100s"}, ["clock"]),
        ({"version": "0.9"}, ["version"]),
        ({"version": "0.9", "policyDigest": "old"}, ["version"]),
        ({"policyDigest": "other"}, ["policy"]),
    ],
)
def test_what_is_found(status: dict[str, Any], kinds: list[str]) -> None:
    """Each by its kind; policies are compared between replicas of one service and version alone."""
    assert found(process(), process(address="y:1", **status)) == [(kind, "y:1") for kind in kinds]


def test_a_process_that_does_not_answer_is_found() -> None:
    """And nothing else is said of it."""
    assert found({"service": "mailer_svc", "address": "m:1"}) == [("unreachable", "m:1")]


def test_services_may_have_different_policies() -> None:
    """Rules at run time may be about one caller."""
    assert found(process(), process("mailer_svc", "m:1", policyDigest="other")) == []
