"""The examples of RFC 5545, section 3.8.5.3, in New York unless said otherwise; those of section 3.3.10 are at the end."""

from datetime import UTC, datetime, timedelta

import pytest

from tocsin.clock import to_micros
from tocsin.recurrence import Recurrence, Trigger, local_text, rule_of

LONG_AGO = to_micros(datetime(1990, 1, 1, tzinfo=UTC))


def _times(text: str, most: int) -> list[str]:
    """The local times that a recurrence means, without their seconds, at nine o'clock only the day."""
    rule = rule_of(Trigger(spec=Recurrence(text), time_zone="America/New_York"), anchor=LONG_AGO)
    found: list[str] = []
    occurrence = rule.next_after(LONG_AGO)
    while occurrence is not None and len(found) < most:
        assert occurrence.wall is not None
        local = local_text(occurrence.wall).replace("-", "")
        found.append(local[:8] if local.endswith("T09:00:00") else local[:14])
        occurrence = rule.next_after(occurrence.due)
    return found


def _days(first: str, number: int, step: int = 1) -> list[str]:
    begin = datetime.strptime(first, "%Y%m%d").replace(tzinfo=UTC)
    return [f"{begin + timedelta(days=step * index):%Y%m%d}" for index in range(number)]


@pytest.mark.parametrize(
    ("start", "rule", "ends", "expected"),
    [
        ("19970902T090000", "FREQ=DAILY;COUNT=10", True, _days("19970902", 10)),
        ("19970902T090000", "FREQ=DAILY;UNTIL=19971224T000000Z", True, _days("19970902", 113)),
        ("19970902T090000", "FREQ=DAILY;INTERVAL=2", False, _days("19970902", 40, 2)),
        ("19970902T090000", "FREQ=DAILY;INTERVAL=10;COUNT=5", True, _days("19970902", 5, 10)),
        (
            "19980101T090000",
            "FREQ=YEARLY;UNTIL=20000131T140000Z;BYMONTH=1;BYDAY=SU,MO,TU,WE,TH,FR,SA",
            True,
            [*_days("19980101", 31), *_days("19990101", 31), *_days("20000101", 31)],
        ),
        (
            "19980101T090000",
            "FREQ=DAILY;UNTIL=20000131T140000Z;BYMONTH=1",
            True,
            [*_days("19980101", 31), *_days("19990101", 31), *_days("20000101", 31)],
        ),
        ("19970902T090000", "FREQ=WEEKLY;COUNT=10", True, _days("19970902", 10, 7)),
        ("19970902T090000", "FREQ=WEEKLY;UNTIL=19971224T000000Z", True, _days("19970902", 17, 7)),
        ("19970902T090000", "FREQ=WEEKLY;INTERVAL=2;WKST=SU", False, _days("19970902", 20, 14)),
        (
            "19970902T090000",
            "FREQ=WEEKLY;UNTIL=19971007T000000Z;WKST=SU;BYDAY=TU,TH",
            True,
            ["19970902", "19970904", "19970909", "19970911", "19970916", "19970918", "19970923", "19970925", "19970930", "19971002"],
        ),
        (
            "19970902T090000",
            "FREQ=WEEKLY;COUNT=10;WKST=SU;BYDAY=TU,TH",
            True,
            ["19970902", "19970904", "19970909", "19970911", "19970916", "19970918", "19970923", "19970925", "19970930", "19971002"],
        ),
        (
            "19970901T090000",
            "FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000Z;WKST=SU;BYDAY=MO,WE,FR",
            True,
            [
                "19970901",
                "19970903",
                "19970905",
                "19970915",
                "19970917",
                "19970919",
                "19970929",
                "19971001",
                "19971003",
                "19971013",
                "19971015",
                "19971017",
                "19971027",
                "19971029",
                "19971031",
                "19971110",
                "19971112",
                "19971114",
                "19971124",
                "19971126",
                "19971128",
                "19971208",
                "19971210",
                "19971212",
                "19971222",
            ],
        ),
        (
            "19970902T090000",
            "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH",
            True,
            ["19970902", "19970904", "19970916", "19970918", "19970930", "19971002", "19971014", "19971016"],
        ),
        (
            "19970905T090000",
            "FREQ=MONTHLY;COUNT=10;BYDAY=1FR",
            True,
            ["19970905", "19971003", "19971107", "19971205", "19980102", "19980206", "19980306", "19980403", "19980501", "19980605"],
        ),
        ("19970905T090000", "FREQ=MONTHLY;UNTIL=19971224T000000Z;BYDAY=1FR", True, ["19970905", "19971003", "19971107", "19971205"]),
        (
            "19970907T090000",
            "FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU",
            True,
            ["19970907", "19970928", "19971102", "19971130", "19980104", "19980125", "19980301", "19980329", "19980503", "19980531"],
        ),
        (
            "19970922T090000",
            "FREQ=MONTHLY;COUNT=6;BYDAY=-2MO",
            True,
            ["19970922", "19971020", "19971117", "19971222", "19980119", "19980216"],
        ),
        ("19970928T090000", "FREQ=MONTHLY;BYMONTHDAY=-3", False, ["19970928", "19971029", "19971128", "19971229", "19980129", "19980226"]),
        (
            "19970902T090000",
            "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15",
            True,
            ["19970902", "19970915", "19971002", "19971015", "19971102", "19971115", "19971202", "19971215", "19980102", "19980115"],
        ),
        (
            "19970930T090000",
            "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1",
            True,
            ["19970930", "19971001", "19971031", "19971101", "19971130", "19971201", "19971231", "19980101", "19980131", "19980201"],
        ),
        (
            "19970910T090000",
            "FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15",
            True,
            [*_days("19970910", 6), *_days("19990310", 4)],
        ),
        (
            "19970902T090000",
            "FREQ=MONTHLY;INTERVAL=2;BYDAY=TU",
            False,
            [*_days("19970902", 5, 7), *_days("19971104", 4, 7), *_days("19980106", 4, 7), *_days("19980303", 5, 7)],
        ),
        (
            "19970610T090000",
            "FREQ=YEARLY;COUNT=10;BYMONTH=6,7",
            True,
            [f"{year}0{month}10" for year in range(1997, 2002) for month in (6, 7)],
        ),
        (
            "19970310T090000",
            "FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3",
            True,
            ["19970310", *(f"{year}0{month}10" for year in (1999, 2001, 2003) for month in (1, 2, 3))],
        ),
        (
            "19970101T090000",
            "FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200",
            True,
            ["19970101", "19970410", "19970719", "20000101", "20000409", "20000718", "20030101", "20030410", "20030719", "20060101"],
        ),
        ("19970519T090000", "FREQ=YEARLY;BYDAY=20MO", False, ["19970519", "19980518", "19990517"]),
        ("19970512T090000", "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", False, ["19970512", "19980511", "19990517"]),
        (
            "19970313T090000",
            "FREQ=YEARLY;BYMONTH=3;BYDAY=TH",
            False,
            [*_days("19970313", 3, 7), *_days("19980305", 4, 7), *_days("19990304", 4, 7)],
        ),
        (
            "19970605T090000",
            "FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8",
            False,
            [*_days("19970605", 13, 7), *_days("19980604", 13, 7), *_days("19990603", 13, 7)],
        ),
        (
            "19970902T090000\nEXDATE;TZID=America/New_York:19970902T090000",
            "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
            False,
            ["19980213", "19980313", "19981113", "19990813", "20001013"],
        ),
        (
            "19970913T090000",
            "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13",
            False,
            ["19970913", "19971011", "19971108", "19971213", "19980110", "19980207", "19980307", "19980411", "19980509", "19980613"],
        ),
        (
            "19961105T090000",
            "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
            False,
            ["19961105", "20001107", "20041102"],
        ),
        ("19970904T090000", "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", True, ["19970904", "19971007", "19971106"]),
        (
            "19970929T090000",
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2",
            False,
            ["19970929", "19971030", "19971127", "19971230", "19980129", "19980226", "19980330"],
        ),
        # The standard has 170000Z here, which is before the last time that it lists (erratum 3883).
        ("19970902T090000", "FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T210000Z", True, ["19970902", "19970902T12:00", "19970902T15:00"]),
        (
            "19970902T090000",
            "FREQ=MINUTELY;INTERVAL=15;COUNT=6",
            True,
            ["19970902", *(f"19970902T{time}" for time in ("09:15", "09:30", "09:45", "10:00", "10:15"))],
        ),
        (
            "19970902T090000",
            "FREQ=MINUTELY;INTERVAL=90;COUNT=4",
            True,
            ["19970902", *(f"19970902T{time}" for time in ("10:30", "12:00", "13:30"))],
        ),
        *(
            (
                "19970902T090000",
                rule,
                False,
                [
                    f"{day}T{hour:02}:{minute:02}".removesuffix("T09:00")
                    for day in ("19970902", "19970903", "19970904")
                    for hour in range(9, 17)
                    for minute in (0, 20, 40)
                ],
            )
            for rule in (
                "FREQ=DAILY;BYHOUR=9,10,11,12,13,14,15,16;BYMINUTE=0,20,40",
                "FREQ=MINUTELY;INTERVAL=20;BYHOUR=9,10,11,12,13,14,15,16",
            )
        ),
        ("19970805T090000", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", True, ["19970805", "19970810", "19970819", "19970824"]),
        ("19970805T090000", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", True, ["19970805", "19970817", "19970819", "19970831"]),
        ("20070115T090000", "FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5", True, ["20070115", "20070130", "20070215", "20070315", "20070330"]),
        # Section 3.3.10: the last working day of the month; times that expand and times that limit.
        ("19970930T090000", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", False, ["19970930", "19971031", "19971128", "19971231"]),
        (
            "19970105T083000",
            "FREQ=YEARLY;INTERVAL=2;BYMONTH=1;BYDAY=SU;BYHOUR=8,9;BYMINUTE=30",
            False,
            [f"{day}T{time}" for day in (*_days("19970105", 4, 7), *_days("19990103", 5, 7)) for time in ("08:30", "09:30")],
        ),
        ("19960229T090000", "FREQ=YEARLY", False, ["19960229", "20000229", "20040229"]),
        ("19970131T090000", "FREQ=MONTHLY;COUNT=4", True, ["19970131", "19970331", "19970531", "19970731"]),
    ],
)
def test_an_example_of_the_standard(start: str, rule: str, ends: bool, expected: list[str]) -> None:
    """Just these times when the rule ends, these first when it does not."""
    found = _times(f"DTSTART;TZID=America/New_York:{start}\nRRULE:{rule}", len(expected) + 1)
    assert found[: len(expected)] == expected
    assert (len(found) == len(expected)) is ends
