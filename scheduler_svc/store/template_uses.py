"""Which alarms use a template: the implementation of `scheduler_svc.ports.TemplateUses`."""

from collections.abc import Sequence
from typing import Final

from scheduler_svc.store.sql import Statement
from tocsin.database import Database

_FIRST: Final = "SELECT id, action FROM alarms WHERE tenant = $1 AND id > $2 AND kind = 'notify' AND state <> 3 AND "
_LAST: Final = " ORDER BY id LIMIT $4"
# No index tells what an action holds, and none is worth what it costs: this is asked when somebody changes or deletes a template.
_NAMING: Final = Statement(
    sqlite=(_FIRST + "instr(action, $3) > 0" + _LAST).replace("$", "?"), postgresql=_FIRST + "position($3::bytea IN action) > 0" + _LAST
)


class SqlTemplateUses:
    """Looks for the name of a template in actions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def naming(self, tenant: str, name: str, *, after: str, size: int) -> Sequence[tuple[str, bytes]]:
        """See `scheduler_svc.ports.TemplateUses`."""
        async with self._database.read() as connection:
            return [(row[0], bytes(row[1])) for row in await _NAMING.rows(connection, tenant, after, name.encode(), size)]
