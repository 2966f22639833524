"""Cron expressions."""

from scheduler_svc.recurrence.cron.expression import MACROS, CronExpression, parse_cron
from scheduler_svc.recurrence.cron.pattern import cron_pattern

__all__ = ["MACROS", "CronExpression", "cron_pattern", "parse_cron"]
