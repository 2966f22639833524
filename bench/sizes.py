"""What PostgreSQL stores: bytes of an alarm, of a firing in the ledger and of a delivery, of the rows and of their indexes."""

import argparse
import json
from typing import Any, Final

import asyncpg
import uvloop

from bench import bulk, drain, smtp_drain
from tocsin.testing.postgres import PostgresServer

_SIZES: Final = """
SELECT coalesce(parent.relname, class.relname) AS name,
       sum(pg_table_size(class.oid))::bigint AS rows, sum(pg_indexes_size(class.oid))::bigint AS indexes
FROM pg_class AS class
JOIN pg_namespace AS space ON space.oid = class.relnamespace
LEFT JOIN pg_inherits AS inherits ON inherits.inhrelid = class.oid
LEFT JOIN pg_class AS parent ON parent.oid = inherits.inhparent
WHERE space.nspname = $1 AND class.relkind IN ('r', 'p')
GROUP BY 1 ORDER BY 2 DESC
"""
_LEAST: Final = 64 * 1024
"""A table of fewer bytes grows with something else."""


async def measure(*, what: str, url: str, rows: int) -> dict[str, dict[str, int]]:
    """Imports, fires or mails so many in the database at ``url``; the bytes of one of them, by table."""
    match what:
        case "imported":
            await bulk.fill(url=url, alarms=rows)
        case "fired":
            await drain.measure(url=url, alarms=rows, in_process=False)
        case _:
            await smtp_drain.measure(url=url, mails=rows)
    return await _each(url, "mailer_svc" if what == "mailed" else "scheduler_svc", rows)


async def _each(url: str, schema: str, rows: int) -> dict[str, dict[str, int]]:
    library: Any = asyncpg  # which has no types
    connection = await library.connect(url.replace("+asyncpg", ""))
    try:
        await connection.execute("VACUUM ANALYZE")
        found = await connection.fetch(_SIZES, schema)
    finally:
        await connection.close()
    return {
        row["name"]: {"bytes": round(row["rows"] / rows), "index bytes": round(row["indexes"] / rows)}
        for row in found
        if row["rows"] + row["indexes"] > _LEAST
    }


def main() -> None:
    """Measures by hand."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("imported", "fired", "mailed"))
    parser.add_argument("--rows", type=int, default=50_000)
    options = parser.parse_args()
    server = PostgresServer()
    server.start()
    try:
        print(json.dumps(uvloop.run(measure(what=options.what, url=server.url(), rows=options.rows)), indent=2))
    finally:
        server.close()


if __name__ == "__main__":
    main()
