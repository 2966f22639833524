"""Work streams, over the real mesh."""

from tests.integration.scheduler.support import Outcome, Rig, State, Worker, noop


async def test_an_alarm_is_let_go_worked_on_and_confirmed(rig: Rig) -> None:
    """From the create to the committed result: one job, one ledger row, one confirmation."""
    worker = Worker(rig, credit=10)
    alarm = await rig.create(action=noop(text="hello"))
    job = await worker.job()
    assert (job.alarm, job.tenant, job.attempt, job.action) == (alarm.name, "t1", 1, noop(text="hello"))
    assert job.due_time == alarm.next_fire_time
    worker.end(job, output={"answer": 42})
    await worker.confirmation(job)
    (firing,) = await rig.settled(alarm.name, State.SUCCEEDED)
    assert (firing.outcome, firing.attempts, firing.result["answer"]) == (Outcome.FIRED, 1, 42)
    assert (await rig.get(alarm.name)).state == 3
    await worker.close()
    assert len(worker.jobs) == 1
