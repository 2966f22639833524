"""Alembic's environment: the runtime's."""

from tocsin.database import run_migrations

run_migrations()
