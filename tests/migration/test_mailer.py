"""The mailer's schema goes up and down, and is what the code says."""

from mailer_svc.store import metadata
from tocsin.database import current, downgrade, migrate, schema_differences

SCHEMA = "mailer_svc"


async def test_the_migrated_schema_is_the_one_in_the_code(database_url: str) -> None:
    """Nothing is missing and nothing is left over."""
    await migrate(url=database_url, schema=SCHEMA, package="mailer_svc")
    assert await schema_differences(url=database_url, schema=SCHEMA, metadata=metadata) == []


async def test_the_schema_goes_down_and_up_again(database_url: str) -> None:
    """Every revision can be taken back."""
    await migrate(url=database_url, schema=SCHEMA, package="mailer_svc")
    await downgrade(url=database_url, schema=SCHEMA, package="mailer_svc", revision="base")
    assert await current(url=database_url, schema=SCHEMA) is None
    await migrate(url=database_url, schema=SCHEMA, package="mailer_svc")
    assert await current(url=database_url, schema=SCHEMA) is not None
