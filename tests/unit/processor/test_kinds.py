"""The kinds of action against the contract: a kind that is forgotten here would be found by a user."""

from typing import cast

import pytest

from processor_svc.actions.kinds import Actions
from processor_svc.actions.notify import NotifyKind
from processor_svc.actions.task import TaskKind
from processor_svc.domain import JobFailed, UnknownAction
from processor_svc.hosting import HostOptions, Packages
from processor_svc.ports import Mailer
from processor_svc.registry import Registry
from tests.unit.processor.test_worker import job
from tocsin.api.scheduler.v1 import alarm_pb2
from tocsin.testing.clock import FakeClock


@pytest.fixture
def actions(clock: FakeClock) -> Actions:
    """Every kind of this processor."""
    nobody = cast("Mailer", None)
    return Actions([NotifyKind(mailer=nobody), TaskKind(registry=Registry([]), packages=Packages([], options=HostOptions(), clock=clock))])


def test_every_kind_of_the_contract_is_known(actions: Actions) -> None:
    """The fields of Action's oneof are the kinds, no more and no less; each is read as its own."""
    fields = alarm_pb2.Action.DESCRIPTOR.oneofs_by_name["kind"].fields
    assert actions.names == sorted(field.name for field in fields)
    for field in fields:
        message = alarm_pb2.Action()
        getattr(message, field.name).SetInParent()
        assert actions.decode(message).kind == field.name


async def test_a_kind_of_a_newer_scheduler_is_never_done(actions: Actions) -> None:
    """What is not known fails, so that another processor gets it; nothing is told to have succeeded."""
    newer = alarm_pb2.Action.FromString(b"\xfa\x3e\x02hi")  # field 1007
    assert actions.decode(newer) == UnknownAction()
    end = await actions.run(job("f1")._replace(action=UnknownAction()))
    assert isinstance(end, JobFailed)
    assert (end.reason, end.retryable) == ("UNSUPPORTED_ACTION", True)
    assert [problem.tentative for problem in await actions.check(newer)] == [True]
