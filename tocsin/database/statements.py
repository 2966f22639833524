"""Statements that SQLite and PostgreSQL spell alike and SQLAlchemy does not."""

from collections.abc import Sequence

from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import Insert, insert


def insert_ignore(table: Table) -> Insert:
    """``INSERT … ON CONFLICT DO NOTHING``: rows that would break a unique constraint are left out; ``returning()`` tells the others.

    Both dialects compile the construct of PostgreSQL: SQLite took over its grammar (https://sqlite.org/lang_upsert.html).
    """
    return insert(table).on_conflict_do_nothing()


def upsert(table: Table, *, keys: Sequence[str], update: Sequence[str]) -> Insert:
    """``INSERT … ON CONFLICT (keys) DO UPDATE``: a row whose keys exist gets the new values of the ``update`` columns."""
    statement = insert(table)
    return statement.on_conflict_do_update(index_elements=list(keys), set_={name: statement.excluded[name] for name in update})
