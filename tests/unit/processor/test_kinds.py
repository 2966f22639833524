"""The registry of actions: each kind decodes its own message, and an unknown kind is refused."""

import pytest

from processor_svc.actions import Actions
from processor_svc.domain import JobFailed, UnknownAction
from tests.unit.processor.kinds import every_kind
from tests.unit.processor.test_worker import job
from tocsin.api.scheduler.v1 import alarm_pb2
from tocsin.testing.clock import FakeClock


@pytest.fixture
def actions(clock: FakeClock) -> Actions:
    """Every kind of this processor."""
    return every_kind(clock)


def test_each_kind_decodes_its_own_message(actions: Actions) -> None:
    """That every kind of the contract is here, tests/contract/test_actions.py checks."""
    for name in actions.names:
        message = alarm_pb2.Action()
        getattr(message, name).SetInParent()
        assert actions.decode(message).kind == name


async def test_a_kind_of_a_newer_scheduler_is_never_done(actions: Actions) -> None:
    """What is not known fails, so that another processor gets it; nothing is told to have succeeded."""
    newer = alarm_pb2.Action.FromString(b"\xfa\x3e\x02hi")  # field 1007
    assert actions.decode(newer) == UnknownAction()
    end = await actions.run(job("f1")._replace(action=UnknownAction()))
    assert isinstance(end, JobFailed)
    assert (end.reason, end.retryable) == ("UNSUPPORTED_ACTION", True)
    assert [problem.tentative for problem in await actions.validate(newer)] == [True]
