"""The roles that deploy/postgres-roles.sh makes: each service has what it needs in its own schema, and nothing elsewhere."""

import os
import subprocess
from urllib.parse import urlsplit

import asyncpg
import pytest

from tests.deployment import ROOT
from tocsin.database import current, migrate
from tocsin.testing.postgres import PostgresServer

SERVICES = ("auth", "scheduler", "processor", "mailer")
DENIED = (asyncpg.InsufficientPrivilegeError,)


def make_roles(server: PostgresServer) -> None:
    """Runs the script as PostgreSQL's image does."""
    address = urlsplit(server.url())
    env = {
        "PATH": f"{server.programs}:{os.environ['PATH']}",
        "PGHOST": str(address.hostname),
        "PGPORT": str(address.port),
        "POSTGRES_USER": str(address.username),
        "POSTGRES_DB": "postgres",
        **{f"{service.upper()}_DATABASE_PASSWORD": f"pass'word of {service}" for service in SERVICES},
    }
    done = subprocess.run([ROOT / "deploy/postgres-roles.sh"], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("before", [False, True], ids=["a new volume", "one that is in use"])
async def test_a_service_reaches_its_own_schema_alone(own_postgres_server: PostgresServer, *, before: bool) -> None:
    """It migrates, reads and writes there; it neither sees nor makes anything in another's schema or in the one of everybody."""
    server = own_postgres_server
    if before:
        for service in SERVICES:
            await migrate(url=server.url(), schema=f"{service}_svc", package=f"{service}_svc")
    make_roles(server)
    for service in SERVICES:
        url, schema = server.url(user=f"tocsin_{service}"), f"{service}_svc"
        await migrate(url=url, schema=schema, package=schema)
        assert await current(url=url, schema=schema)
    admin = await asyncpg.connect(server.url())
    foreign = await admin.fetch(
        "SELECT nspname, relname, rolname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace JOIN pg_roles r ON r.oid = relowner "
        "WHERE nspname LIKE '%\\_svc' AND rolname <> 'tocsin_' || replace(nspname, '_svc', '')"
    )
    assert foreign == []
    assert await admin.fetchval("SELECT count(*) FROM pg_authid WHERE rolname LIKE 'tocsin\\_%' AND rolpassword LIKE 'SCRAM%'") == len(
        SERVICES
    )
    await admin.close()
    for service in SERVICES:
        own = await asyncpg.connect(server.url(user=f"tocsin_{service}"))
        assert await own.fetchval(f"TABLE {service}_svc.alembic_version")
        for other in (name for name in SERVICES if name != service):
            for statement in (f"TABLE {other}_svc.alembic_version", f"CREATE TABLE {other}_svc.mine (id int)"):
                with pytest.raises(DENIED):
                    await own.execute(statement)
        for statement in ("CREATE TABLE public.mine (id int)", "CREATE SCHEMA mine", "CREATE ROLE mine", "SET ROLE tocsin"):
            with pytest.raises(DENIED):
                await own.execute(statement)
        await own.close()
