"""People of a tenant who read its security alerts: whom names lead to, and that they are told as by any notification."""

from typing import Any

import pytest

from mailer_svc.service import OnCall
from mailer_svc.service.alert_readers import AlertReaders
from mailer_svc.store import SqlPeopleFacts, SqlRotationHistories
from mailer_svc.store.people_tables import group_members, groups
from tests.integration.mailer.engine import TENANT, Engine, make_engine
from tests.integration.mailer.people import Address, People
from tests.integration.mailer.stored import Store
from tests.integration.mailer.support import Rig
from tests.integration.mailer.test_on_call_targets import rotate
from tocsin.api.mailer.v1 import account_mail_service_pb2 as pb
from tocsin.api.mailer.v1 import account_mail_service_pb2_grpc as rpc
from tocsin.api.mailer.v1 import notification_service_pb2
from tocsin.api.scheduler.v1 import alarm_pb2
from tocsin.errors import InvalidInput, PermissionDenied


async def test_whom_names_lead_to(store: Store) -> None:
    """Each by itself, at this moment: only those with an address, through groups in groups and rotations; of this tenant alone."""
    engine: Engine = make_engine(store)
    await engine.people("ann", "bob", "eve")
    await rotate(engine, "night", "bob")
    await rotate(engine, "over", "ann", end=store.clock.micros() // 1_000_000)
    await engine.put(groups, *({"id": name} for name in ("team", "all", "empty", "asleep")))
    await engine.put(group_members, {"group_id": "team", "kind": 3, "member": "night"}, {"group_id": "team", "kind": 1, "member": "eve"})
    await engine.put(group_members, {"group_id": "all", "kind": 2, "member": "team"}, {"group_id": "asleep", "kind": 3, "member": "over"})
    nobody: Any = None
    facts, histories = SqlPeopleFacts(database=store.database), SqlRotationHistories(database=store.database)
    readers = AlertReaders(people=facts, on_call=OnCall(histories=histories, clock=store.clock), notifications=nobody)
    expected = {
        "recipients/ann": (True, 1),
        "recipients/none": (False, 0),
        "recipients/\x00": (False, 0),
        "groups/team": (True, 2),
        "groups/all": (True, 2),
        "groups/empty": (True, 0),
        "groups/asleep": (True, 0),
        "groups/none": (False, 0),
        "rotations/night": (True, 1),
        "rotations/over": (True, 0),
        "rotations/none": (False, 0),
    }
    found = await readers.check(TENANT, list(expected))
    assert {each.name: (each.exists, each.reached) for each in found} == expected
    assert [each.name for each in found] == list(expected)
    assert not any(each.exists or each.reached for each in await readers.check("another", list(expected)))


def stub(rig: Rig, name: str = "auth_svc") -> Any:
    """The service as ``name`` calls it."""
    return rpc.AccountMailServiceStub(rig.mesh_of(name).channel("mailer_svc"))


def telling(**fields: Any) -> pb.TellAlertReadersRequest:
    """A good one; ``fields`` replace its own."""
    values: dict[str, Any] = {
        "id": "m1",
        "tenant": "t1",
        "reader": "recipients/ann",
        "template": "tocsin.security-alert",
        "variables": {"count": "1", "lines": "HIGH", "tenant": "Acme", "zone": "UTC"},
    }
    return pb.TellAlertReadersRequest(**values | fields)


async def test_they_are_told_by_a_notification_of_their_tenant(rig: Rig) -> None:
    """Once for each id; what is urgent is critical, which quiet hours let pass."""
    people = People(rig)
    await people.create("ann", addresses=[Address(channel="email", value="ann@example.com")])
    for _ in range(2):
        await stub(rig).TellAlertReaders(telling(urgent=True))
    await stub(rig).TellAlertReaders(telling(id="m2"))
    request = notification_service_pb2.ListNotificationsRequest()
    listed = (await people.call(rig.notifications.ListNotifications, request)).notifications
    assert [list(each.recipients) for each in listed] == [["recipients/ann"]] * 2
    assert sorted(alarm_pb2.Priority.Name(each.priority) for each in listed) == ["CRITICAL", "NORMAL"]


@pytest.mark.parametrize(
    "fields",
    [
        {"reader": "owners"},
        {"reader": "recipients/"},
        {"reader": "users/ann"},
        {"reader": "recipients/a/b"},
        {"template": "tocsin.password-reset"},
        {"template": "mine"},
        {"tenant": ""},
        {"id": "a b"},
        {"variables": {"nobody_declared": "x"}},
    ],
    ids=str,
)
async def test_what_it_is_not_for_is_refused(rig: Rig, fields: dict[str, Any]) -> None:
    """Other templates, who is no recipient, what the template does not know; and other callers."""
    with pytest.raises(InvalidInput):
        await stub(rig).TellAlertReaders(telling(**fields))
    with pytest.raises(PermissionDenied):
        await stub(rig, "scheduler_svc").TellAlertReaders(telling())
