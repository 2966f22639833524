"""If-Match: where the etag of a request is, and what a header means for it."""

import pytest

from gateway.http.conditions import EtagCondition, as_condition
from gateway.transcoding.etags import etag_number, etag_of
from gateway.transcoding.problems import IdempotencyKeyInUse, PreconditionFailed, http_status
from tocsin.api.mailer.v1 import group_service_pb2
from tocsin.api.scheduler.v1 import alarm_pb2, alarm_service_pb2
from tocsin.errors import Aborted

UPDATE = alarm_service_pb2.UpdateAlarmRequest
DELETE = alarm_service_pb2.DeleteAlarmRequest


def of(tag: bytes) -> dict[bytes, bytes]:
    """The header."""
    return {b"if-match": tag}


@pytest.mark.parametrize("tag", ["3", "x" * 64, "W/", "!~"])
def test_a_strong_tag_is_the_etag_of_the_request(tag: str) -> None:
    """Of the resource in its body, whose other fields stay, or of itself; the header stands above a body that says another."""
    given = UPDATE()
    given.alarm.name, given.alarm.etag = "alarms/a", "1"
    wire = EtagCondition(UPDATE.DESCRIPTOR, "alarm").wire(of(f'"{tag}"'.encode()))
    found = UPDATE.FromString(given.SerializeToString() + wire)
    assert (found.alarm.name, found.alarm.etag) == ("alarms/a", tag)
    gone = DELETE.FromString(
        DELETE(name="alarms/a").SerializeToString() + EtagCondition(DELETE.DESCRIPTOR, "").wire(of(f'"{tag}"'.encode()))
    )
    assert (gone.name, gone.etag) == ("alarms/a", tag)


@pytest.mark.parametrize(("etag", "tag"), [("3", '"3"'), ("", ""), ('a"b', ""), ("ü", ""), ("a b", ""), ("x" * 65, "")])
def test_an_answer_shows_its_etag(etag: str, tag: str) -> None:
    """As If-Match takes it; what no header could hold is not shown, and neither is that of something within."""
    reply = alarm_pb2.Alarm(name="alarms/a", etag=etag, labels={"etag": "9"}, auto_pause_after=7)
    number = etag_number(alarm_pb2.Alarm.DESCRIPTOR)
    assert etag_of(reply.SerializeToString(), number) == tag
    assert etag_of(b"\xff\xff", number) == ""
    assert etag_of(reply.SerializeToString(), etag_number(alarm_service_pb2.ListAlarmsResponse.DESCRIPTOR)) == ""


def test_without_the_header_or_with_any_nothing_is_asked() -> None:
    """The request stays what it is, whether there is an etag or not."""
    for condition in (EtagCondition(UPDATE.DESCRIPTOR, "alarm"), EtagCondition(group_service_pb2.UpdateGroupRequest.DESCRIPTOR, "group")):
        assert condition.wire({}) == condition.wire(of(b"*")) == b""


@pytest.mark.parametrize("tag", [b"", b"3", b'""', b'W/"3"', b'"1", "2"', b'"a b"', b'"' + b"x" * 65 + b'"', b"\xff", b'"3'])
def test_what_is_no_strong_tag_cannot_hold(tag: bytes) -> None:
    """Weak tags are never equal (RFC 9110, 8.8.3.2), a list has no place in a request."""
    with pytest.raises(PreconditionFailed):
        EtagCondition(UPDATE.DESCRIPTOR, "alarm").wire(of(tag))


def test_of_what_has_no_etag_no_tag_holds() -> None:
    """To pass the header over would change what the client did not mean."""
    with pytest.raises(PreconditionFailed):
        EtagCondition(group_service_pb2.UpdateGroupRequest.DESCRIPTOR, "group").wire(of(b'"3"'))


def test_a_conflict_is_412_only_where_it_was_asked_for() -> None:
    """With the service's reason; a key that is in use is no answer to the condition."""
    changed = Aborted("changed", reason="ALARM_CHANGED")
    told = as_condition(changed, of(b'"3"'))
    assert (http_status(told), told.error_reason, told.message) == (412, "ALARM_CHANGED", "changed")
    assert http_status(as_condition(changed, {})) == http_status(as_condition(IdempotencyKeyInUse(), of(b'"3"'))) == 409
