"""Cron expressions."""

from tocsin.recurrence.cron.expression import MACROS, CronExpression
from tocsin.recurrence.cron.lines import CronLine, read_cron
from tocsin.recurrence.cron.pattern import cron_pattern, expression_pattern, parse_cron

__all__ = ["MACROS", "CronExpression", "CronLine", "cron_pattern", "expression_pattern", "parse_cron", "read_cron"]
