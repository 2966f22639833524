"""Alembic runs this; the runtime does the work."""

from tocsin.database import run_migrations

run_migrations()
