"""Mails about accounts that wait to be sent."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import RowMapping, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_svc.domain import MOST_AN_HOUR, AccountMail, AccountMailKind, sign_in_key
from auth_svc.store.rows import Queries
from auth_svc.store.tables import account_mails
from tocsin.clock import to_micros
from tocsin.database import storable
from tocsin.stored import NOT_READABLE, instant
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_TABLE: Final = account_mails.c
_HOUR: Final = timedelta(hours=1)


class AccountMailQueries(Queries):
    """`auth_svc.ports.AccountMailStore`."""

    async def add_account_mail(self, mail: AccountMail) -> bool:
        """Stores a mail."""
        async with self._database.transaction() as connection:
            return await insert_account_mail(connection, mail)

    async def take_account_mails(self, *, now: datetime, until: datetime, limit: int) -> Sequence[tuple[AccountMail, int]]:
        """Takes mails that are due. One whose row cannot be read is done with: it costs itself alone."""
        due = (
            select(_TABLE.id)
            .where(_TABLE.done_at.is_(None), _TABLE.due_at <= to_micros(now))
            .order_by(_TABLE.due_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        taken = (
            update(account_mails)
            .where(_TABLE.id.in_(due))
            .values(due_at=to_micros(until), attempts=_TABLE.attempts + 1)
            .returning(*account_mails.columns)
        )
        async with self._database.transaction() as connection:
            rows = (await connection.execute(taken)).mappings().all()
        mails: list[tuple[AccountMail, int]] = []
        for row in sorted(rows, key=lambda row: row["id"]):
            try:
                mails.append((_mail_of(row), row["attempts"]))
            except NOT_READABLE as error:
                _log.error("account mail unreadable", mail=row["id"], error=str(error))
                await self.finish_account_mail(row["id"], now=now)
        return mails

    async def postpone_account_mail(self, mail: str, *, until: datetime) -> None:
        """Says when a mail is due again."""
        async with self._database.transaction() as connection:
            await connection.execute(update(account_mails).where(_TABLE.id == mail).values(due_at=to_micros(until)))

    async def finish_account_mail(self, mail: str, *, now: datetime) -> None:
        """Ends a mail; its row stays for a while, because it counts."""
        async with self._database.transaction() as connection:
            await connection.execute(update(account_mails).where(_TABLE.id == mail).values(done_at=to_micros(now)))

    async def purge_account_mails(self, before: datetime) -> int:
        """Deletes old mails."""
        async with self._database.transaction() as connection:
            return (await connection.execute(delete(account_mails).where(_TABLE.created_at < to_micros(before)))).rowcount


async def insert_account_mail(connection: AsyncConnection, mail: AccountMail) -> bool:
    """Stores a mail within the caller's transaction; False, and nothing, if its address got as many as it may."""
    key = sign_in_key(mail.address)
    since = to_micros(mail.created - _HOUR)
    query = (
        select(func.count())
        .select_from(account_mails)
        .where(_TABLE.address_key == key, _TABLE.kind == mail.kind.value, _TABLE.created_at > since)
    )
    if (await connection.execute(query)).scalar_one() >= MOST_AN_HOUR:
        return False
    values = {
        "id": mail.id,
        "tenant_id": mail.tenant,
        "kind": mail.kind.value,
        "subject": mail.subject,
        "address": mail.address,
        "address_key": key,
        "locale": mail.locale,
        "variables": json.dumps({name: storable(value) for name, value in mail.variables.items()}),
        "created_at": to_micros(mail.created),
        "expires_at": to_micros(mail.expires),
        "due_at": to_micros(mail.created),
        "attempts": 0,
    }
    await connection.execute(insert(account_mails).values(values))
    return True


def _mail_of(row: RowMapping) -> AccountMail:
    """The mail of a row.

    Raises:
        ValueError: it is of a kind that this version does not know, or holds something else.
    """
    variables: Any = msgspec.json.decode(row["variables"])
    if not isinstance(variables, dict):
        msg = "its variables are no object"
        raise ValueError(msg)
    return AccountMail(
        id=row["id"],
        kind=AccountMailKind(row["kind"]),
        address=row["address"],
        subject=row["subject"],
        tenant=row["tenant_id"],
        locale=row["locale"],
        variables={str(name): str(value) for name, value in variables.items()},  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        created=instant(row["created_at"]),
        expires=instant(row["expires_at"]),
    )
