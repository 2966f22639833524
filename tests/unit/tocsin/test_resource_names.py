"""Names that callers bring become the paths of the resources that they mean, and of no other."""

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.client import Client
from tocsin.errors import InvalidInput
from tocsin.resource_names import path_segments, resource_path, segment

WRONG = (
    "records/k1",
    "alarms/../records/k2",
    "alarms/..",
    "alarms/.",
    "alarms/",
    "alarms",
    "",
    "/",
    "alarms//k1",
    "alarms/a/b",
    "/alarms/a",
    "alarms/a\nb",
    "alarms/a\x00",
    "Alarms/a",
    "alarms/" + "a" * 65,
)


def client() -> Client:
    """One that reports each request as an error, for none must be made."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        raise AssertionError(f"{request.method} {request.url} was sent")

    return Client(url="http://tocsin.example", transport=httpx2.MockTransport(answer))


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("method", ["get_alarm", "delete_alarm", "pause_alarm", "resume_alarm", "fire_alarm", "get_task", "get_message"])
def test_a_name_of_something_else_is_refused_before_the_call(method: str, name: str) -> None:
    """The error names the field; nothing is sent."""
    with client() as tocsin, pytest.raises(InvalidInput) as refused:
        getattr(tocsin, method)(name)
    assert [item.field for item in refused.value.violations] == ["name"]


@given(st.text(min_size=1, max_size=64))
def test_a_path_reaches_the_resource_that_was_named_or_none(identity: str) -> None:
    """Whatever the id: decoded by a server, the path has the collection and this id and nothing else."""
    try:
        path = resource_path(f"alarms/{identity}", "alarms")
    except InvalidInput:
        return
    url = httpx2.URL("http://tocsin.example").join(path)
    assert url.raw_path.count(b"/") == 3
    assert url.raw_path.startswith(b"/v1/alarms/")
    assert b"?" not in url.raw_path


def test_dot_segments_and_slashes_of_one_segment_are_encoded() -> None:
    """A ping key, a service, and the parts of a breaker's identity."""
    assert (segment(".."), segment("a/b?c")) == ("%2E%2E", "a%2Fb%3Fc")
    assert path_segments("mailer_svc@[::1]:9/x.Y/Get") == "mailer_svc%40%5B%3A%3A1%5D%3A9/x.Y/Get"
