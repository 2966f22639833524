"""What an operator sees of the endpoints that a process calls."""

from tocsin.mesh.client.endpoint_view import EndpointTally, EndpointView, endpoint_views
from tocsin.mesh.labels import EndpointLabels


def tally(started: int, failed: int = 0, last: float | None = None) -> EndpointTally:
    """So many attempts."""
    made = EndpointTally()
    made.started, made.failed, made.last = started, failed, last
    return made


def shown(view: EndpointView) -> tuple[str, str, int, int, float | None]:
    """Address, state and counts."""
    return view.address, view.state, view.tally.started, view.tally.failed, view.tally.last


def test_calls_by_the_shared_way_are_those_of_the_only_endpoint() -> None:
    """The connection of its own is that of MeshService; the later of the two calls is the last."""
    ways = {None: ("READY", tally(3, 1, 7.0)), "a:1": ("IDLE", tally(2, 0, 9.0))}
    (found,) = endpoint_views("s", ways, known=["a:1"], labels={"a:1": EndpointLabels(zone="z")})
    assert shown(found) == ("a:1", "READY", 5, 1, 9.0)
    assert (found.service, found.labels.zone) == ("s", "z")
    assert ways[None][1].started == 3, "what is counted stays as it is"


def test_of_several_nobody_knows_whose_they_are() -> None:
    """They have a row of their own, if there are any; endpoints that nobody called, or that are gone, are shown as well."""
    ways = {None: ("READY", tally(1)), "b:1": ("READY", tally(4, 4, 1.0)), "c:1": ("SHUTDOWN", tally(0))}
    found = [shown(each) for each in endpoint_views("s", ways, known=["a:1", "b:1"], labels={})]
    assert found == [
        ("", "READY", 1, 0, None),
        ("a:1", "", 0, 0, None),
        ("b:1", "READY", 4, 4, 1.0),
        ("c:1", "SHUTDOWN", 0, 0, None),
    ]
    assert "" not in {each.address for each in endpoint_views("s", {None: ("IDLE", tally(0))}, known=["a:1", "b:1"], labels={})}


def test_a_way_to_nobody_is_told_by_its_calls_alone() -> None:
    """A name that has no address."""
    assert [shown(each) for each in endpoint_views("s", {None: ("TRANSIENT_FAILURE", tally(1, 1))}, known=[], labels={})] == [
        ("", "TRANSIENT_FAILURE", 1, 1, None)
    ]
    assert list(endpoint_views("s", {None: ("", tally(0))}, known=[], labels={})) == []
