"""Identity providers, sign-ins under way, and links of users to issuers."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import ColumnElement, RowMapping, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from auth_svc.domain import (
    Account,
    Denial,
    EmailTaken,
    IdentityNotFound,
    IdentityProvider,
    IdentityProviderExists,
    IdentityProviderNotFound,
    IdentityProvidersFull,
    IdentityTaken,
    LogoutToken,
    OidcSignIn,
    Person,
    Role,
    TokenPurpose,
    User,
    UserIdentity,
    UsernameTaken,
    not_admitted,
    sign_in_key,
)
from auth_svc.ports import Admission, AdmissionKind
from auth_svc.store.accounts import find_user, insert_user, is_last_owner
from auth_svc.store.credentials import ACCOUNTS
from auth_svc.store.identity_tables import identity_providers, oidc_logouts, oidc_sign_ins, user_identities
from auth_svc.store.provider_rows import provider_of, provider_values
from auth_svc.store.roles import require_role
from auth_svc.store.rows import Queries, lock_tenant, tenant_of, user_of
from auth_svc.store.tables import installation, one_time_tokens, sessions, users
from tocsin.clock import to_micros
from tocsin.database import insert_ignore, read_mapped_page
from tocsin.stored import instant, readable, row_reader


class IdentityQueries(Queries):
    """`auth_svc.ports.IdentityStore`."""

    async def add_identity_provider(self, provider: IdentityProvider, *, most: int) -> None:
        """Stores a provider."""
        mine = identity_providers.c.tenant_id == provider.tenant
        async with self._database.transaction() as connection:
            await lock_tenant(connection, provider.tenant)
            if (await connection.execute(select(func.count()).select_from(identity_providers).where(mine))).scalar_one() >= most:
                raise IdentityProvidersFull
            statement = insert_ignore(identity_providers).values(provider_values(provider)).returning(identity_providers.c.id)
            if (await connection.execute(statement)).first() is None:
                raise IdentityProviderExists

    async def get_identity_provider(self, tenant: str, provider: str) -> IdentityProvider:
        """A provider of a tenant."""
        row = await self._provider_row(provider)
        if row is None or row["tenant_id"] != tenant:
            raise IdentityProviderNotFound
        return provider_of(row)

    async def find_identity_provider(self, provider: str) -> IdentityProvider | None:
        """Any provider; one that cannot be read signs nobody in."""
        row = await self._provider_row(provider)
        return None if row is None else next(iter(readable([row], provider_of)), None)

    async def _provider_row(self, provider: str) -> RowMapping | None:
        async with self._database.read() as connection:
            return (await connection.execute(select(identity_providers).where(identity_providers.c.id == provider))).mappings().first()

    async def list_identity_providers(self, tenant: str, *, after: str, limit: int) -> Sequence[IdentityProvider]:
        """Providers of a tenant, by id."""
        mine = identity_providers.c.tenant_id == tenant
        query = select(identity_providers).where(mine, identity_providers.c.id > after).order_by(identity_providers.c.id)
        async with self._database.read() as connection:
            return await read_mapped_page(connection, query, provider_of, limit=limit)

    async def listed_identity_providers(self) -> Sequence[IdentityProvider]:
        """Those of the sign-in page."""
        query = (
            select(identity_providers)
            .join(installation, installation.c.tenant_id == identity_providers.c.tenant_id)
            .where(identity_providers.c.listed == 1, identity_providers.c.disabled == 0)
            .order_by(identity_providers.c.display_name, identity_providers.c.id)
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).mappings().all()
        return readable(rows, provider_of)

    async def change_identity_provider(self, provider: IdentityProvider, *, seen: datetime) -> bool:
        """Replaces a provider."""
        mine = (
            identity_providers.c.id == provider.id,
            identity_providers.c.tenant_id == provider.tenant,
            identity_providers.c.updated_at == to_micros(seen),
        )
        change = update(identity_providers).where(*mine).values(provider_values(provider)).returning(identity_providers.c.id)
        async with self._database.transaction() as connection:
            if (await connection.execute(change)).first() is None:
                return False
            if provider.disabled:
                await connection.execute(delete(sessions).where(sessions.c.provider == provider.id))
        return True

    async def remove_identity_provider(self, tenant: str, provider: str) -> None:
        """Removes a provider."""
        mine = (identity_providers.c.tenant_id == tenant, identity_providers.c.id == provider)
        async with self._database.transaction() as connection:
            if (await connection.execute(delete(identity_providers).where(*mine).returning(identity_providers.c.id))).first() is None:
                raise IdentityProviderNotFound
            await connection.execute(delete(sessions).where(sessions.c.provider == provider))

    async def begin_oidc(self, sign_in: OidcSignIn, *, state: str) -> None:
        """Keeps a sign-in."""
        values = {
            "state": state,
            "provider_id": sign_in.provider,
            "binding": sign_in.binding,
            "redirect_uri": sign_in.redirect_uri,
            "return_to": sign_in.return_to,
            "created_at": to_micros(sign_in.created),
            "expires_at": to_micros(sign_in.expires),
        }
        async with self._database.transaction() as connection:
            if not await is_enabled(connection, sign_in.provider):  # it was removed while its issuer was asked
                raise IdentityProviderNotFound
            await connection.execute(insert(oidc_sign_ins).values(values))

    async def take_oidc(self, state: str, *, now: datetime) -> OidcSignIn | None:
        """Takes a sign-in: of two at the same moment, one gets it."""
        statement = delete(oidc_sign_ins).where(oidc_sign_ins.c.state == state).returning(*oidc_sign_ins.c)
        async with self._database.transaction() as connection:
            row = (await connection.execute(statement)).mappings().first()
        if row is None or row["expires_at"] <= to_micros(now):
            return None
        return OidcSignIn(
            provider=row["provider_id"],
            binding=row["binding"],
            redirect_uri=row["redirect_uri"],
            return_to=row["return_to"],
            created=instant(row["created_at"]),
            expires=instant(row["expires_at"]),
        )

    async def purge_oidc(self, now: datetime) -> None:
        """Deletes what has expired."""
        async with self._database.transaction() as connection:
            for table in (oidc_sign_ins, oidc_logouts):
                await connection.execute(delete(table).where(table.c.expires_at <= to_micros(now)))

    async def admit(
        self, provider: IdentityProvider, person: Person, *, role: Role, identity: UserIdentity, new: User | None, now: datetime
    ) -> Admission:
        """The user of a person, with the role that their groups give."""
        async with self._database.transaction() as connection:
            await lock_tenant(connection, provider.tenant)  # two sign-ins of one person come one after the other
            found = await _linked(connection, identity, now)
            kind = AdmissionKind.KNOWN
            if found is None:
                kind, found = await _newly_linked(connection, provider, person, identity=identity, new=new, now=now)
            account = await _account(connection, found)
            if not account.user.active:
                raise not_admitted(Denial.DEACTIVATED)
            before, kept = account.user.role, False
            if before.id != role.id:
                kept = await is_last_owner(connection, account.user)
                if not kept:
                    await require_role(connection, provider.tenant, role)
                    await connection.execute(update(users).where(users.c.id == found).values(role=role.id))
                    account = replace(account, user=replace(account.user, role=role))
            return Admission(account=account, kind=kind, before=before, kept=kept)

    async def end_identity_sessions(self, tenant: str, issuer: str, subject: str) -> Sequence[str]:
        """Ends the sessions of a subject that an issuer of the tenant began."""
        who = select(user_identities.c.user_id).where(
            user_identities.c.tenant_id == tenant, user_identities.c.issuer == issuer, user_identities.c.subject == subject
        )
        async with self._database.transaction() as connection:
            return await _end(connection, tenant, issuer, sessions.c.user_id.in_(who))

    async def end_issuer_sessions(self, provider: IdentityProvider, token: LogoutToken, *, now: datetime) -> Sequence[str] | None:
        """Ends the sessions that a logout token names."""
        used = {"provider_id": provider.id, "token": token.digest, "expires_at": to_micros(token.expires)}
        first = insert_ignore(oidc_logouts).values(used).returning(oidc_logouts.c.token)
        # A session that an earlier version began knows neither its issuer nor its name there.
        whose = [sessions.c.provider == provider.id, sessions.c.issuer.in_((provider.issuer, ""))]
        asked = [one_time_tokens.c.tenant_id == provider.tenant, one_time_tokens.c.purpose == TokenPurpose.SECOND_FACTOR.value]
        async with self._database.transaction() as connection:
            if (await connection.execute(first)).first() is None:
                return None
            if token.session:
                known = (token.session, "") if token.subject else (token.session,)
                whose.append(sessions.c.issuer_session.in_(known))
                asked.append(one_time_tokens.c.subject.endswith(f"/{provider.id}/{token.session}", autoescape=True))
            if token.subject:
                user = await _user_of(connection, provider, token.subject)
                whose.append(sessions.c.user_id == user)
                challenge = f"users/{user}/signIns/%/{provider.id}"
                asked.append(one_time_tokens.c.subject.like(f"{challenge}/%") | one_time_tokens.c.subject.like(challenge))
            await connection.execute(update(one_time_tokens).where(*asked).values(used_at=to_micros(now)))
            return (await connection.execute(delete(sessions).where(*whose).returning(sessions.c.id))).scalars().all()

    async def list_identities(self, tenant: str, user: str, *, limit: int) -> Sequence[UserIdentity]:
        """By what a user signs in."""
        mine = (user_identities.c.tenant_id == tenant, user_identities.c.user_id == user)
        query = select(user_identities).where(*mine).order_by(user_identities.c.id).limit(limit)
        async with self._database.read() as connection:
            await find_user(connection, tenant, user)
            return readable((await connection.execute(query)).mappings(), _identity_of)

    async def add_identity(self, identity: UserIdentity) -> None:
        """Links a user."""
        async with self._database.transaction() as connection:
            await find_user(connection, identity.tenant, identity.user)
            await _insert(connection, identity)

    async def remove_identity(self, tenant: str, user: str, identity: str) -> UserIdentity:
        """Ends a link."""
        mine = (user_identities.c.tenant_id == tenant, user_identities.c.user_id == user, user_identities.c.id == identity)
        async with self._database.transaction() as connection:
            row = (await connection.execute(delete(user_identities).where(*mine).returning(*user_identities.c))).mappings().first()
            if row is None:
                raise IdentityNotFound
            await _end(connection, tenant, row["issuer"], sessions.c.user_id == user)
        return _identity_of(row)


async def is_enabled(connection: AsyncConnection, provider: str) -> bool:
    """Whether a provider signs people in, until the caller's transaction ends."""
    there = select(identity_providers.c.id).where(identity_providers.c.id == provider, identity_providers.c.disabled == 0)
    return (await connection.execute(there.with_for_update(read=True))).first() is not None


async def _user_of(connection: AsyncConnection, provider: IdentityProvider, subject: str) -> str:
    """The id of the user whom the issuer calls so; empty if nobody is."""
    mine = (
        user_identities.c.tenant_id == provider.tenant,
        user_identities.c.issuer == provider.issuer,
        user_identities.c.subject == subject,
    )
    return (await connection.execute(select(user_identities.c.user_id).where(*mine))).scalar_one_or_none() or ""


async def _linked(connection: AsyncConnection, identity: UserIdentity, now: datetime) -> str | None:
    """The id of the user who is linked to the subject."""
    mine = (
        user_identities.c.tenant_id == identity.tenant,
        user_identities.c.issuer == identity.issuer,
        user_identities.c.subject == identity.subject,
    )
    change = update(user_identities).where(*mine).values(used_at=to_micros(now)).returning(user_identities.c.user_id)
    return (await connection.execute(change)).scalar_one_or_none()


async def _newly_linked(
    connection: AsyncConnection, provider: IdentityProvider, person: Person, *, identity: UserIdentity, new: User | None, now: datetime
) -> tuple[AdmissionKind, str]:
    """The user of somebody who comes for the first time: by the verified address if the provider links, or else a new one."""
    kind, found = AdmissionKind.LINKED, None
    if provider.link_by_email and person.email:
        there = select(users.c.id).where(users.c.tenant_id == provider.tenant, users.c.email_key == sign_in_key(person.email))
        found = (await connection.execute(there)).scalar_one_or_none()
    if found is None:
        if new is None:
            raise not_admitted(Denial.NO_USER)
        try:
            await insert_user(connection, new, "")  # a hash that no password has
        except (EmailTaken, UsernameTaken):
            raise not_admitted(Denial.ADDRESS_TAKEN) from None
        kind, found = AdmissionKind.CREATED, new.id
    await _insert(connection, replace(identity, user=found, used=now))
    return kind, found


async def _insert(connection: AsyncConnection, identity: UserIdentity) -> None:
    values = {
        "id": identity.id,
        "tenant_id": identity.tenant,
        "user_id": identity.user,
        "issuer": identity.issuer,
        "subject": identity.subject,
        "created_at": to_micros(identity.created),
        "used_at": None if identity.used is None else to_micros(identity.used),
    }
    if (await connection.execute(insert_ignore(user_identities).values(values).returning(user_identities.c.id))).first() is None:
        raise IdentityTaken


async def _account(connection: AsyncConnection, user: str) -> Account:
    row = (await connection.execute(ACCOUNTS.where(users.c.id == user))).mappings().one()
    return Account(user=user_of(row), tenant=tenant_of(row), password_hash=row["password_hash"])


async def _end(connection: AsyncConnection, tenant: str, issuer: str, whose: ColumnElement[bool]) -> Sequence[str]:
    """Ends the sessions that the word of an issuer began."""
    began = select(identity_providers.c.id).where(identity_providers.c.tenant_id == tenant, identity_providers.c.issuer == issuer)
    statement = delete(sessions).where(sessions.c.tenant_id == tenant, whose, sessions.c.provider.in_(began)).returning(sessions.c.id)
    return (await connection.execute(statement)).scalars().all()


@row_reader(lambda row: f"users/{row['user_id']}/identities/{row['id']}")
def _identity_of(row: RowMapping) -> UserIdentity:
    return UserIdentity(
        id=row["id"],
        tenant=row["tenant_id"],
        user=row["user_id"],
        issuer=row["issuer"],
        subject=row["subject"],
        created=instant(row["created_at"]),
        used=None if row["used_at"] is None else instant(row["used_at"]),
    )
