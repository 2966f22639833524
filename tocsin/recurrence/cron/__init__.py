"""Cron expressions."""

from tocsin.recurrence.cron.expression import MACROS, CronExpression, parse_cron
from tocsin.recurrence.cron.pattern import cron_pattern

__all__ = ["MACROS", "CronExpression", "cron_pattern", "parse_cron"]
