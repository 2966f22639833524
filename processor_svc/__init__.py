"""Owns *what*: it runs actions and tasks, and keeps records.

It decides nothing about time (scheduler_svc does) and speaks to no provider (mailer_svc does). A firing stays the scheduler's: the
processor works on it under a lease and returns a result.
"""
