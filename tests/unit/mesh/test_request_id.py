"""Identities in wire bytes: found and filled in without knowing the type, whatever a client sends."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.api.scheduler.v1 import alarm_service_pb2, trigger_service_pb2
from tocsin.mesh.request_id import RequestIdField

REQUEST = RequestIdField(("request_id",), (2,))
EVENT = RequestIdField(("event", "id"), (1, 1))


@given(st.binary(max_size=200))
def test_any_bytes_are_taken(raw: bytes) -> None:
    """What is no message is passed on as it is; to what is one, at most one field is added behind it."""
    for identity in (REQUEST, EVENT):
        done = identity.ensured(raw)
        assert done.startswith(raw)
        assert identity.ensured(done) == done


@given(
    topic=st.text(st.characters(codec="utf-8"), max_size=300),
    text=st.text(st.characters(codec="utf-8"), max_size=50),
    seconds=st.integers(0, 2**31),
)
def test_an_event_keeps_all_that_it_says(topic: str, text: str, seconds: int) -> None:
    """Its id as well, if it has one."""
    request = trigger_service_pb2.PublishEventRequest()
    request.event.topic, request.event.id, request.event.time.seconds = topic, text, seconds
    request.event.data.update({"a": [1, {"b": text}], "c": 2.5})
    done = trigger_service_pb2.PublishEventRequest.FromString(EVENT.ensured(request.SerializeToString()))
    assert done.event.id == text if text else uuid.UUID(done.event.id)
    done.event.id = text
    assert done == request


@pytest.mark.parametrize(("parts", "kept"), [(["a", ""], ""), (["", "b"], "b"), (["a", "b"], "b")])
def test_of_several_values_the_last_one_counts(parts: list[str], kept: str) -> None:
    """As in every parser of protobuf."""
    raw = b"".join(b"\x12" + bytes([len(part)]) + part.encode() for part in parts)
    done = alarm_service_pb2.CreateAlarmRequest.FromString(REQUEST.ensured(raw))
    assert done.request_id == kept if kept else uuid.UUID(done.request_id)


def test_an_event_in_two_parts_is_one() -> None:
    """Parts of a message are merged; the id may stand in the first."""
    first = trigger_service_pb2.PublishEventRequest(event=trigger_service_pb2.PublishedEvent(id="e1")).SerializeToString()
    second = trigger_service_pb2.PublishEventRequest(event=trigger_service_pb2.PublishedEvent(topic="a")).SerializeToString()
    assert EVENT.ensured(first + second) == first + second
