"""Masks of updates."""

from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from scheduler_svc.handlers.masks import effective_mask, merged
from tocsin.api.mailer.v1.provider_service_pb2 import Provider
from tocsin.api.scheduler.v1.alarm_pb2 import Alarm
from tocsin.errors import InvalidInput
from tocsin.masks import check_left, fields_to_change

WRITABLE = ("display_name", "position", "config")


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        ([], ["position"]),
        (["*"], list(WRITABLE)),
        (["*", "*"], list(WRITABLE)),
        (["displayName", "display_name"], ["display_name"]),
        (["config", "create_time", "name"], ["config"]),
        (["kind"], []),
    ],
)
def test_fields_are_those_of_the_mask_that_can_be_written(paths: list[str], found: list[str]) -> None:
    """By either name, once each; without a mask those that are set."""
    given = Provider(name="providers/p", position=2, kind="ntfy")
    assert list(fields_to_change(FieldMask(paths=paths), given, WRITABLE)) == found


@pytest.mark.parametrize("paths", [["nothing"], ["config.url"], ["*", "config"], ["position", "*"], [""], ["."]])
def test_what_is_no_mask_is_refused(paths: list[str]) -> None:
    """At the mask, for those of alarms as well; ``*`` stands alone."""
    for check in (lambda mask: fields_to_change(mask, Provider(), WRITABLE), lambda mask: effective_mask(mask, Alarm())):
        with pytest.raises(InvalidInput) as refused:
            check(FieldMask(paths=paths))
        assert [each.field for each in refused.value.violations] == ["updateMask"]


@pytest.mark.parametrize(
    ("paths", "given", "refused"),
    [
        ([], {"kind": "smtp"}, True),
        (["kind"], {}, True),
        (["*"], {"kind": "smtp", "position": 1}, True),
        ([], {"kind": "ntfy", "position": 1}, False),
        (["*"], {"position": 1}, False),
        (["position"], {"kind": "smtp", "position": 1}, False),
    ],
)
def test_another_value_for_a_field_that_a_call_leaves_is_refused(paths: list[str], given: dict[str, Any], refused: bool) -> None:
    """Nobody believes that it changed; the value that was read is taken back, and what the mask does not name is not looked at."""
    stored, found = Provider(name="providers/p", kind="ntfy"), []
    try:
        check_left(FieldMask(paths=paths), Provider(**given), stored, {"kind": "stays"}, at="provider")
    except InvalidInput as error:
        found = [(each.field, each.description) for each in error.violations]
    assert found == ([("provider.kind", "stays")] if refused else [])


def test_an_inner_field_that_is_not_given_is_cleared() -> None:
    """Also where the message around it is not given: an update that names a field never leaves it as it was."""
    stored = Alarm(display_name="a")
    stored.trigger.daily.time, stored.trigger.time_zone = "14:30:00", "Europe/Paris"
    stored.action.notify.subject = "s"
    for path, given in (
        ("trigger.daily.time", Alarm()),
        ("action.notify.subject", Alarm(display_name="b")),
        ("trigger.time_zone", Alarm()),
    ):
        changed = merged(stored, given, FieldMask(paths=[path]))
        *parents, last = path.split(".")
        inner = changed
        for name in parents:
            inner = getattr(inner, name)
        assert getattr(inner, last) == ""
        assert changed.display_name == "a"
    kept = merged(stored, Alarm(), FieldMask(paths=["retry.max_attempts"]))
    assert kept == stored
