"""Rules that cost too much, already stored, on each database."""

from scheduler_svc.domain import RULE_TOO_COSTLY, AlarmState
from tests.integration.scheduler.stores import NOW, SECOND, Stores, alarm
from tocsin.recurrence import Every, Recurrence, Trigger

RARE = "\n".join(f"FREQ=SECONDLY;INTERVAL={99000 + number};BYHOUR=3;BYMONTH=2;BYMONTHDAY=29" for number in range(20))


async def test_an_alarm_whose_rule_costs_too_much_fires_and_is_paused(stores: Stores) -> None:
    """Its neighbours in the batch fire, at the latest with the next one."""
    costly, fine = alarm(trigger=Trigger(spec=Recurrence(RARE))), alarm(trigger=Trigger(spec=Every(10 * SECOND)))
    await stores.add(costly, fine)
    fired = await stores.fire((costly.id, NOW), (fine.id, NOW))
    again = await stores.fire((costly.id, NOW), (fine.id, NOW))
    assert [queued.alarm for queued in (*fired.queued_firings, *again.queued_firings)] == [costly.id, fine.id]
    assert {pending.id for pending in (*fired.next, *again.next)} == {fine.id}
    stored = await stores.alarms.get("t1", costly.id)
    assert (stored.state, stored.pause_reason, stored.due) == (AlarmState.PAUSED, RULE_TOO_COSTLY, NOW)
    assert (await stores.fire((costly.id, NOW))).queued_firings == []


async def test_a_batch_of_costly_rules_is_planned_in_parts(stores: Stores) -> None:
    """What takes many steps together comes again with the next batch, so that nobody waits for all of it at once."""
    slow = [
        alarm(trigger=Trigger(spec=Recurrence(f"FREQ=SECONDLY;INTERVAL={99001 + 2 * number};BYHOUR=3;BYMONTH=2;BYMONTHDAY=29")))
        for number in range(12)
    ]
    await stores.add(*slow)
    fired = await stores.fire(*((made.id, NOW) for made in slow))
    assert 0 < len(fired.queued_firings) < len(slow)
    rest = [(pending.id, pending.due) for pending in fired.next if pending.due == NOW]
    assert len(fired.queued_firings) + len(rest) == len(slow)
    assert (await stores.fire(*rest)).queued_firings
