"""Pages of alarms by any filter, on each kind of database."""

import random
from itertools import combinations

import pytest

from scheduler_svc.domain import Alarm, AlarmState, Priority
from scheduler_svc.handlers.alarm_filter import ALARM_FILTER
from scheduler_svc.store import alarm_pages
from tests.integration.scheduler.stores import Stores, alarm
from tocsin.listing import Condition, parse_filter
from tocsin.searching import mentions

CONDITIONS = (
    'state="ACTIVE"',
    'state="PAUSED"',
    'state!="PAUSED"',
    'priority="NORMAL"',
    'priority="CRITICAL"',
    'priority!="BULK"',
    'display_name="x"',
    'display_name=""',
    'display_name!="x"',
    'key="k3"',
    'key=""',
    'key!="k3"',
    'labels.team="core"',
    'labels.team="none"',
    'labels.env="prod"',
    'text="K1"',
    'text="x"',
)


def meets(made: Alarm, condition: Condition) -> bool:
    """Whether an alarm meets a condition, by its own words."""
    if condition.field == "text":
        return mentions(str(condition.value), made.display_name, made.key)
    values = {"state": made.state.name, "priority": made.priority.name, "display_name": made.display_name, "key": made.key}
    value = made.labels.get(condition.key) if condition.field == "labels" else values[condition.field]
    return (value == condition.value) == (condition.operator == "=")


@pytest.mark.parametrize("examined", [3, 4000])
async def test_every_filter_finds_what_meets_it(stores: Stores, monkeypatch: pytest.MonkeyPatch, examined: int) -> None:
    """Each condition, and each two of them: walking the pages finds each alarm that meets them once, the newest first."""
    monkeypatch.setattr(alarm_pages, "EXAMINED", examined)
    draw = random.Random(1)
    made = [
        alarm(
            key=f"k{number}" if number % 3 == 0 else "",
            display_name=draw.choice(["", "x", "y"]),
            state=draw.choice([AlarmState.ACTIVE, AlarmState.ACTIVE, AlarmState.PAUSED]),
            priority=draw.choice(list(Priority)),
            labels={name: value for name, value in (("team", draw.choice(["core", "web"])), ("env", "prod")) if draw.random() < 0.7},
        )
        for number in range(25)
    ]
    await stores.add(*made, alarm(tenant="t2", display_name="x", labels={"team": "core", "env": "prod"}))
    for texts in [("",), *combinations(CONDITIONS, 1), *combinations(CONDITIONS, 2)]:
        conditions = parse_filter(" AND ".join(texts), fields=ALARM_FILTER)
        expected = sorted((one.id for one in made if all(meets(one, condition) for condition in conditions)), reverse=True)
        found: list[str] = []
        before: str | None = None
        for _ in range(50):
            page = await stores.alarms.page("t1", conditions=conditions, before=before, size=4)
            found += [one.id for one in page.alarms]
            assert len(page.alarms) <= 4
            before = page.next
            if before is None:
                break
        assert found == expected, texts


NAMED = ("Übung 100%", "a*b?[c]", "^x$ (y|z) \\d", 'it\'s "quoted"', "Straße_7", "Ночь 😀", "tea.", "")


async def test_a_text_is_found_in_names_and_keys(stores: Stores) -> None:
    """Whatever the case of its letters is; no character of it stands for another, on any kind of database."""
    made = [alarm(display_name=name, key=f"key-{number}") for number, name in enumerate(NAMED)]
    await stores.add(*made, alarm(tenant="t2", display_name="Übung"))
    wanted = [part for name in NAMED for part in (name, name.lower(), name[1:4].upper())]
    for text in (*wanted, "KEY-3", "nothing", "*", "?", "[", "]", ".", "%", "_", "\\", "^", "$", "|", "'", '"', "-", "x$ (y"):
        page = await stores.alarms.page("t1", conditions=[Condition(field="text", operator="=", value=text)], before=None, size=50)
        assert {one.key for one in page.alarms} == {one.key for one in made if mentions(text, one.display_name, one.key)}, text
