"""Changes of states: as docs/states.md draws them, and as a database sees them happen."""

import re
from pathlib import Path
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.database import Database

PAGE: Final = Path(__file__).resolve().parents[2] / "docs/states.md"
NOTHING: Final = "[*]"
_SQLITE: Final = """
CREATE TRIGGER seen_{event} AFTER {event} ON {table} {condition}
BEGIN INSERT INTO seen_changes VALUES ({before}, {after}); END
"""
_POSTGRESQL: Final = """
CREATE FUNCTION {schema}.see_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN INSERT INTO {schema}.seen_changes VALUES (0, NEW.state);
  ELSIF TG_OP = 'DELETE' THEN INSERT INTO {schema}.seen_changes VALUES (OLD.state, 0);
  ELSIF OLD.state <> NEW.state THEN INSERT INTO {schema}.seen_changes VALUES (OLD.state, NEW.state);
  END IF;
  RETURN NULL;
END $$
"""

Edge = tuple[str, str]


def drawn(title: str, page: str | None = None) -> set[Edge]:
    """The edges of the diagram under a heading of the page."""
    section = (page or PAGE.read_text("utf-8")).partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    diagram = section.partition("```mermaid\nstateDiagram-v2\n")[2].partition("```")[0]
    edges = [(match[1], match[2]) for match in re.finditer(r"^ +(\S+) --> (\w+|\[\*\])", diagram, re.MULTILINE)]
    assert len(edges) == len(set(edges)) == len(diagram.splitlines()), f"{title}: a line is no edge, or one is there twice"
    return set(edges)


class Witness:
    """Lets a database write down each change of the state of a table's rows."""

    def __init__(self, database: Database, *, schema: str, table: str) -> None:
        self._database = database
        self._schema = f"{schema}." if database.dialect == "postgresql" else ""
        self._table = table

    async def start(self) -> None:
        """Begins with what happens from now on."""
        async with self._database.transaction() as connection:
            await connection.exec_driver_sql(f"CREATE TABLE {self._schema}seen_changes (before INTEGER, after INTEGER)")
            await (self._on_postgresql if self._schema else self._on_sqlite)(connection)

    async def _on_sqlite(self, connection: AsyncConnection) -> None:
        for event, condition, before, after in (
            ("INSERT", "", "0", "NEW.state"),
            ("UPDATE", "WHEN OLD.state <> NEW.state", "OLD.state", "NEW.state"),
            ("DELETE", "", "OLD.state", "0"),
        ):
            made = _SQLITE.format(event=event, table=self._table, condition=condition, before=before, after=after)
            await connection.exec_driver_sql(made)

    async def _on_postgresql(self, connection: AsyncConnection) -> None:
        schema = self._schema.rstrip(".")
        await connection.exec_driver_sql(_POSTGRESQL.format(schema=schema))
        await connection.exec_driver_sql(
            f"CREATE TRIGGER seen AFTER INSERT OR UPDATE OR DELETE ON {schema}.{self._table} "
            f"FOR EACH ROW EXECUTE FUNCTION {schema}.see_change()"
        )

    async def forget(self) -> None:
        """Begins anew."""
        async with self._database.transaction() as connection:
            await connection.exec_driver_sql(f"DELETE FROM {self._schema}seen_changes")  # noqa: S608  a name of our own

    async def seen(self, names: dict[int, str]) -> set[Edge]:
        """What happened, with the states by their names."""
        async with self._database.read() as connection:
            rows: Any = await connection.exec_driver_sql(f"SELECT DISTINCT before, after FROM {self._schema}seen_changes")  # noqa: S608  a name of our own
            return {(names.get(before, NOTHING), names.get(after, NOTHING)) for before, after in rows}
