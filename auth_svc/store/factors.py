"""Second factors and recovery codes."""

import json
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, RowMapping, and_, delete, func, insert, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_svc.domain import (
    MOST_FACTORS,
    AccountMail,
    ChallengeVoid,
    Factor,
    FactorKind,
    FactorNotFound,
    FactorUse,
    LastFactor,
    PasskeyTaken,
    Proof,
    TokenPurpose,
    TooManyFactors,
)
from auth_svc.store.account_mails import insert_account_mail
from auth_svc.store.factor_tables import factors, recovery_codes
from auth_svc.store.one_time import spend_token
from auth_svc.store.rows import Queries
from auth_svc.store.sessions import mark_proven
from auth_svc.store.tables import users
from tocsin.clock import to_micros
from tocsin.database import insert_ignore
from tocsin.stored import instant, known, readable, row_reader, texts

_TABLE: Final = factors.c
_CODES: Final = recovery_codes.c


class FactorQueries(Queries):
    """`auth_svc.ports.FactorStore`."""

    async def list_factors(self, tenant: str, user: str) -> Sequence[Factor]:
        """The factors of a user."""
        query = select(factors).where(_owned(tenant, user), _TABLE.confirmed == 1).order_by(_TABLE.id)
        async with self._database.read() as connection:
            return readable((await connection.execute(query)).mappings(), _factor_of)

    async def waiting_factor(self, tenant: str, user: str, factor: str, *, since: datetime) -> Factor:
        """An app that waits."""
        query = select(factors).where(
            _owned(tenant, user), _TABLE.id == factor, _TABLE.confirmed == 0, _TABLE.created_at >= to_micros(since)
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).mappings().first()
        return _found(row)

    async def find_passkey(self, credential: str) -> Factor | None:
        """A passkey."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(factors).where(_TABLE.credential == credential))).mappings().first()
        return None if row is None else _factor_of(row)

    async def add_factor(
        self,
        factor: Factor,
        *,
        codes: Collection[str] = (),
        mail: AccountMail | None = None,
        session: str = "",
        challenge: tuple[TokenPurpose, str] | None = None,
    ) -> bool:
        """Stores a factor."""
        owned = _owned(factor.tenant, factor.user)
        async with self._database.transaction() as connection:
            await _lock(connection, factor.tenant, factor.user)
            if challenge is not None:
                await _spend(connection, challenge, now=factor.created)
            if not factor.confirmed:
                await connection.execute(delete(factors).where(owned, _TABLE.confirmed == 0))
            count = select(func.count()).select_from(factors).where(owned, _TABLE.confirmed == 1)
            if (await connection.execute(count)).scalar_one() >= MOST_FACTORS:
                raise TooManyFactors
            if (await connection.execute(insert_ignore(factors).values(_values(factor)).returning(_TABLE.id))).first() is None:
                raise PasskeyTaken
            return factor.confirmed and await _enrolled(connection, factor, codes=codes, mail=mail, session=session, now=factor.created)

    async def confirm_factor(
        self, factor: Factor, *, step: int, codes: Collection[str], mail: AccountMail | None, session: str, now: datetime
    ) -> bool:
        """An app is one from now on."""
        confirm = (
            update(factors)
            .where(_owned(factor.tenant, factor.user), _TABLE.id == factor.id, _TABLE.confirmed == 0)
            .values(confirmed=1, last_step=step, last_used_at=to_micros(now))
            .returning(_TABLE.id)
        )
        async with self._database.transaction() as connection:
            await _lock(connection, factor.tenant, factor.user)
            if (await connection.execute(confirm)).first() is None:
                raise FactorNotFound
            return await _enrolled(connection, factor, codes=codes, mail=mail, session=session, now=now)

    async def rename_factor(self, tenant: str, user: str, factor: str, *, display_name: str) -> Factor:
        """Gives a factor another name."""
        rename = (
            update(factors)
            .where(_owned(tenant, user), _TABLE.id == factor, _TABLE.confirmed == 1)
            .values(display_name=display_name)
            .returning(*factors.columns)
        )
        async with self._database.transaction() as connection:
            return _found((await connection.execute(rename)).mappings().first())

    async def remove_factor(
        self, tenant: str, user: str, factor: str, *, keep_one: bool, notice: Callable[[Factor], AccountMail | None]
    ) -> Factor:
        """Removes a factor."""
        owned = and_(_owned(tenant, user), _TABLE.confirmed == 1)
        async with self._database.transaction() as connection:
            await _lock(connection, tenant, user)
            removal = delete(factors).where(owned, _TABLE.id == factor).returning(*factors.columns)
            removed = _found((await connection.execute(removal)).mappings().first())
            if (await connection.execute(select(_TABLE.id).where(owned).limit(1))).first() is None:
                if keep_one:
                    raise LastFactor
                await connection.execute(delete(recovery_codes).where(_CODES.tenant_id == tenant, _CODES.user_id == user))
            await _send(connection, notice(removed))
        return removed

    async def reset_factors(self, tenant: str, user: str, *, mail: AccountMail | None) -> int:
        """Removes every factor of a user."""
        async with self._database.transaction() as connection:
            await _lock(connection, tenant, user)
            removed = delete(factors).where(_owned(tenant, user)).returning(_TABLE.confirmed)
            count = sum((await connection.execute(removed)).scalars())
            await connection.execute(delete(recovery_codes).where(_CODES.tenant_id == tenant, _CODES.user_id == user))
            await _send(connection, mail if count else None)
        return count

    async def replace_recovery_codes(self, tenant: str, user: str, codes: Collection[str], *, now: datetime) -> None:
        """Other recovery codes."""
        some = select(_TABLE.id).where(_owned(tenant, user), _TABLE.confirmed == 1).limit(1)
        async with self._database.transaction() as connection:
            await _lock(connection, tenant, user)
            if (await connection.execute(some)).first() is None:
                raise FactorNotFound
            await connection.execute(delete(recovery_codes).where(_CODES.tenant_id == tenant, _CODES.user_id == user))
            await _insert_codes(connection, tenant, user, codes, now=now)

    async def count_recovery_codes(self, tenant: str, user: str) -> int:
        """How many are left."""
        async with self._database.read() as connection:
            return await _left(connection, tenant, user)

    async def use_factor(
        self, use: FactorUse, *, challenge: tuple[TokenPurpose, str] | None, mail: AccountMail | None, now: datetime
    ) -> bool:
        """Uses a factor."""
        async with self._database.transaction() as connection:
            # The factor first: where it was used already, the challenge stays, for whoever typed the code of before may type the next one.
            if not await _use(connection, use, now=now):
                return False
            if challenge is not None:
                await _spend(connection, challenge, now=now)
            await _send(connection, mail)
        return True


async def _use(connection: AsyncConnection, use: FactorUse, *, now: datetime) -> bool:
    """Uses a factor if nobody has used it so before; of two at a time, the database lets one."""
    if use.proof is Proof.RECOVERY_CODE:
        spent = (
            update(recovery_codes)
            .where(_CODES.tenant_id == use.tenant, _CODES.user_id == use.user, _CODES.digest == use.digest, _CODES.used_at.is_(None))
            .values(used_at=to_micros(now))
            .returning(_CODES.digest)
        )
        return (await connection.execute(spent)).first() is not None
    count = use.sign_count
    # A counter that counts must have gone on (WebAuthn, 7.2, step 22); one that is always 0 does not count.
    counted = or_(_TABLE.sign_count < count, and_(_TABLE.sign_count == 0, literal(count) == 0))
    later = counted if use.proof is Proof.PASSKEY else _TABLE.last_step < use.step
    used = (
        update(factors)
        .where(_owned(use.tenant, use.user), _TABLE.id == use.factor, _TABLE.confirmed == 1, later)
        .values(last_used_at=to_micros(now), **({"sign_count": count} if use.proof is Proof.PASSKEY else {"last_step": use.step}))
        .returning(_TABLE.id)
    )
    return (await connection.execute(used)).first() is not None


async def _spend(connection: AsyncConnection, challenge: tuple[TokenPurpose, str], *, now: datetime) -> None:
    purpose, digest = challenge
    if await spend_token(connection, purpose, digest, now=now) is None:
        raise ChallengeVoid


async def _lock(connection: AsyncConnection, tenant: str, user: str) -> None:
    """Changes of the factors of a user come one after the other."""
    found = select(users.c.id).where(users.c.tenant_id == tenant, users.c.id == user).with_for_update()
    if (await connection.execute(found)).first() is None:
        raise FactorNotFound


async def _enrolled(
    connection: AsyncConnection, factor: Factor, *, codes: Collection[str], mail: AccountMail | None, session: str, now: datetime
) -> bool:
    """What follows from a new factor; whether the codes were stored."""
    await _send(connection, mail)
    proof = Proof.TOTP if factor.kind is FactorKind.TOTP else Proof.PASSKEY
    await mark_proven(connection, session, proof, now=now)
    if await _left(connection, factor.tenant, factor.user):
        return False
    await connection.execute(delete(recovery_codes).where(_CODES.tenant_id == factor.tenant, _CODES.user_id == factor.user))
    await _insert_codes(connection, factor.tenant, factor.user, codes, now=now)
    return True


async def _left(connection: AsyncConnection, tenant: str, user: str) -> int:
    query = (
        select(func.count()).select_from(recovery_codes).where(_CODES.tenant_id == tenant, _CODES.user_id == user, _CODES.used_at.is_(None))
    )
    return (await connection.execute(query)).scalar_one()


async def _insert_codes(connection: AsyncConnection, tenant: str, user: str, codes: Collection[str], *, now: datetime) -> None:
    rows = [{"user_id": user, "digest": code, "tenant_id": tenant, "created_at": to_micros(now)} for code in codes]
    await connection.execute(insert(recovery_codes), rows)


async def _send(connection: AsyncConnection, mail: AccountMail | None) -> None:
    if mail is not None:
        await insert_account_mail(connection, mail)


def _owned(tenant: str, user: str) -> ColumnElement[bool]:
    return and_(_TABLE.tenant_id == tenant, _TABLE.user_id == user)


def _found(row: RowMapping | None) -> Factor:
    if row is None:
        raise FactorNotFound
    return _factor_of(row)


def _values(factor: Factor) -> dict[str, object]:
    return {
        "id": factor.id,
        "tenant_id": factor.tenant,
        "user_id": factor.user,
        "kind": factor.kind.value,
        "display_name": factor.display_name,
        "created_at": to_micros(factor.created),
        "confirmed": int(factor.confirmed),
        "secret": factor.secret,
        "last_step": factor.last_step,
        "credential": factor.credential or None,
        "public_key": factor.public_key,
        "sign_count": factor.sign_count,
        "transports": json.dumps(list(factor.transports)),
        "synced": int(factor.synced),
    }


@row_reader(lambda row: f"factors/{row['id']}")
def _factor_of(row: RowMapping) -> Factor:
    return Factor(
        id=row["id"],
        tenant=row["tenant_id"],
        user=row["user_id"],
        kind=known(FactorKind, row["kind"]),
        display_name=row["display_name"],
        created=instant(row["created_at"]),
        last_used=None if row["last_used_at"] is None else instant(row["last_used_at"]),
        confirmed=bool(row["confirmed"]),
        secret=row["secret"],
        last_step=row["last_step"],
        credential=row["credential"] or "",
        public_key=row["public_key"],
        sign_count=row["sign_count"],
        transports=texts(row["transports"]),
        synced=bool(row["synced"]),
    )
