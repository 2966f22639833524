"""The wall times of a cron expression."""

from functools import lru_cache
from typing import Final

from tocsin.recurrence.cron.expression import CronExpression
from tocsin.recurrence.cron.lines import CronLine, read_cron
from tocsin.recurrence.days import Days, Year, kind_of, run, weekdays_of
from tocsin.recurrence.patterns import OnDays
from tocsin.recurrence.times import TimesOfDay

_WORKING_DAYS: Final = 5


class CronDays(Days):
    """The days of a cron expression."""

    def __init__(self, expression: CronExpression) -> None:
        super().__init__()
        self._cron = expression
        self._known: dict[tuple[bool, int], int] = {}

    def work_out(self, year: int) -> int:
        """The days that the expression allows; worked out once for each kind of year."""
        if self._cron.years is not None and year not in self._cron.years:
            return 0
        kind = kind_of(year)
        mask = self._known.get(kind[:2])
        if mask is None:
            mask = self._known[kind[:2]] = self._days_in(kind)
        return mask

    def _days_in(self, kind: Year) -> int:
        cron, mask = self._cron, 0
        plain = weekdays_of(kind._replace(after_leap=False, before_leap=False), cron.weekdays)
        for month, first, length in kind.months():
            if month in cron.months:
                whole = run(first, length)
                by_month = _days_of_month(cron, (kind.weekday + first) % 7, length) << first
                by_week = (plain & whole) | _ordinal_weekdays(cron, (kind.weekday + first) % 7, length) << first
                mask |= by_month & by_week if cron.both else by_month | by_week
        return mask


def _days_of_month(cron: CronExpression, weekday: int, length: int) -> int:
    """The days that the day of month means, in a month of ``length`` days that begins with ``weekday``."""
    days = set(cron.days) | {length - back for back in cron.from_last}
    near = set(cron.nearest) | {length - back for back in cron.nearest_from_last}
    days |= {_nearest_working_day(day, weekday, length) for day in near if 1 <= day <= length}
    return sum(1 << (day - 1) for day in days if 1 <= day <= length)


def _nearest_working_day(day: int, weekday: int, length: int) -> int:
    late = (weekday + day - 1) % 7 - _WORKING_DAYS + 1  # 1 on a Saturday, 2 on a Sunday
    if late <= 0:
        return day
    if late == 1:
        return day - 1 if day > 1 else day + 2
    return day + 1 if day < length else day - 2


def _ordinal_weekdays(cron: CronExpression, weekday: int, length: int) -> int:
    """The n-th and last weekdays that the day of week means, in such a month."""
    days = {(wanted - weekday) % 7 + 7 * (which - 1) for wanted, which in cron.nth}
    days |= {length - 1 - (weekday + length - 1 - wanted) % 7 for wanted in cron.last}
    return sum(1 << day for day in days if day < length)


def expression_pattern(cron: CronExpression) -> OnDays:
    """The wall times of an expression."""
    return OnDays(CronDays(cron), TimesOfDay(cron.hours, cron.minutes, cron.seconds))


def parse_cron(text: str, seed: str = "") -> CronExpression:
    """What a text of one expression says; ``seed`` is what its hashes are drawn from.

    Raises:
        BadRule: it is not valid; the error tells the position.
    """
    return read_cron(text)[0].expression(seed)


@lru_cache(maxsize=4096)
def cron_pattern(line: CronLine, seed: str) -> tuple[OnDays, bool]:
    """The wall times of a line, and whether it is a period rather than a time; ``seed`` is empty unless the line is hashed."""
    cron = line.expression(seed)
    return expression_pattern(cron), cron.periodic
