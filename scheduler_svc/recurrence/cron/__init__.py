"""Cron expressions."""

from scheduler_svc.recurrence.cron.expression import CronExpression, parse_cron
from scheduler_svc.recurrence.cron.pattern import cron_pattern

__all__ = ["CronExpression", "cron_pattern", "parse_cron"]
