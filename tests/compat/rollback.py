"""`make rollback`: an installation goes back to an earlier release while alarms are made and fire, and each is accounted for.

As CONTRIBUTING.md says ("Old and new, side by side"): each service is ended in good order, the present command takes its schema back to
what the earlier release knows (`tocsin migrate SERVICE --to REVISION`), and the earlier release is started; the other four serve meanwhile.
Clients send again what was not answered, with the same identity. Nothing that was accepted may be lost or come twice.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpx2

from tests.chaos.load import Load
from tests.compat.trees import NEW, Installation, checkout
from tocsin.stack.layout import STOP_ORDER
from tocsin.testing.postgres import PostgresServer

_CALL_SECONDS: Final = 60.0


async def drill(*, folder: Path, old: Path, database: str | None, rate: float) -> tuple[bool, str]:
    """Whether the account is right, and the account.

    Args:
        folder: for the installation.
        old: the tree of the earlier release.
        database: the URL of a PostgreSQL; None for SQLite.
        rate: alarms that are made in a second; each fires seconds later, and is a mail then.
    """
    installation = Installation(state=folder / "state", tree=NEW, database=database)
    back: dict[str, str | None] = {}
    try:
        await installation.start()
        headers = {"Authorization": f"Bearer {installation.api_key}"}
        async with httpx2.AsyncClient(base_url=installation.url, headers=headers, timeout=_CALL_SECONDS, trust_env=False) as client:
            load = Load(client, patience=600.0)
            await load.steady()
            async with load.during(rate=rate):
                for service in STOP_ORDER:
                    back[service] = await installation.roll_back(service, old)
            account = await load.settle(seconds=600.0)
    finally:
        await installation.stop()
    schemas = ", ".join(f"{service} to {revision}" for service, revision in back.items() if revision is not None) or "none was newer"
    made = f"answers {dict(load.answers)}; schemas taken back: {schemas}"
    return account.verdict == "valid", f"{account}; {made}" + ("" if account.verdict == "valid" else f"\n{account.faults()}")


def before() -> str:
    """The commit before the newest revision of any schema.

    Raises:
        SystemExit: this clone does not reach back so far.
    """
    line = ("git", "log", "--format=%H^", "-1", "--diff-filter=A", "--", ":(glob)*/migrations/versions/0*.py")
    found = subprocess.run(line, cwd=NEW, capture_output=True, text=True, check=False).stdout.strip()
    if not found:
        raise SystemExit("this clone has no commit of before its newest schema: name one with --to")
    return found


def main() -> None:
    """Prints the account; exit code 1 unless it is right."""
    parser = argparse.ArgumentParser(prog="make rollback", description=__doc__)
    parser.add_argument(
        "--to", dest="commit", default="", help="commit or tag of the earlier release; the last one with another schema unless given"
    )
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--rate", type=float, default=10.0, help="alarms a second")
    options: Mapping[str, Any] = vars(parser.parse_args())
    with tempfile.TemporaryDirectory(prefix="rollback-") as name:
        old = checkout(options["commit"] or before(), Path(name) / "old")
        server = PostgresServer(fsync=True) if options["postgresql"] else None
        if server is not None:
            server.start()
        try:
            database = server.url() if server is not None else None
            right, told = asyncio.run(drill(folder=Path(name), old=old, database=database, rate=options["rate"]))
        finally:
            if server is not None:
                server.close()
    sys.stdout.write(f"{told}\n")
    sys.exit(0 if right else 1)


if __name__ == "__main__":
    main()
