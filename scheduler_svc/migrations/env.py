"""Runs this service's revisions."""

from tocsin.database import run_migrations

run_migrations()
