"""Templates: a row for the code with its promoted version, and rows for each version and its parts, which never change."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
from sqlalchemy import Delete, Row, Select, Table, delete, func, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer_svc.domain import Content, DeclaredVariable, Template, TemplateNotFound, TemplatePart, Variables, part_uid
from mailer_svc.store.contents import read_actions, stored_actions
from mailer_svc.store.people_tables import template_parts
from mailer_svc.store.tables import template_versions, templates
from tocsin.database import Database, insert_ignore
from tocsin.errors import AlreadyExists
from tocsin.stored import NOT_READABLE, texts

_DECLARED = msgspec.json.Decoder(tuple[DeclaredVariable, ...])
_SAME = (templates.c.tenant == template_versions.c.tenant) & (templates.c.code == template_versions.c.code)


class TemplateExists(AlreadyExists):
    """A template of this code exists already."""


class SqlTemplateStore:
    """Keeps templates; every query is of one tenant."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def create(self, template: Template) -> None:
        """Stores version 1, promoted.

        Raises:
            TemplateExists: the code is in use.
        """
        row = {"tenant": template.tenant, "code": template.code, "version": template.version, "uid": template.uid}
        async with self._database.transaction() as connection:
            stored = await connection.scalar(insert_ignore(templates).values(row).returning(templates.c.code))
            if stored is None:
                raise TemplateExists(f"templates/{template.code} exists already")
            # An earlier release, which knows no parts, leaves them behind when it deletes a template.
            await connection.execute(_delete(template_parts, template.tenant, template.code))
            await _insert_version(connection, template)

    async def add_version(self, template: Template) -> Template:
        """Stores ``template`` as the next version, which is the promoted one from now on if it says so; returns it with its number.

        Raises:
            TemplateNotFound: there is no template of this code.
        """
        versions = template_versions.c
        newest = select(func.max(versions.version)).where(versions.tenant == template.tenant, versions.code == template.code)
        async with self._database.transaction() as connection:
            await _lock(connection, template.tenant, template.code)
            numbered = replace(template, version=(await connection.scalar(newest) or 0) + 1)
            await _insert_version(connection, numbered)
            if numbered.promoted:
                await _promote(connection, numbered)
        return numbered

    async def promote(self, template: Template) -> None:
        """Makes a version that is stored the promoted one.

        Raises:
            TemplateNotFound: there is no template of this code any more.
        """
        async with self._database.transaction() as connection:
            await _lock(connection, template.tenant, template.code)
            await _promote(connection, template)

    async def get(self, *, tenant: str, code: str, version: int) -> Template | None:
        """One version; 0: the promoted one."""
        wanted = template_versions.c.version == (version or templates.c.version)
        query = _versions().where(templates.c.tenant == tenant, templates.c.code == code, wanted)
        found = await self._read(query)
        return found[0] if found else None

    async def current(self, keys: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], str]:
        """The uid of the promoted version of each (tenant, code) that exists."""
        query = select(templates).where(tuple_(templates.c.tenant, templates.c.code).in_(keys))
        async with self._database.read() as connection:
            return {(row.tenant, row.code): row.uid for row in await connection.execute(query)}

    async def page(self, *, tenant: str, after: str, limit: int) -> list[Template]:
        """Promoted versions, by code; those after the code ``after``."""
        promoted = template_versions.c.version == templates.c.version
        query = _versions().where(templates.c.tenant == tenant, templates.c.code > after, promoted).order_by(templates.c.code)
        return await self._read(query.limit(limit))

    async def versions(self, *, tenant: str, code: str, before: int | None, limit: int) -> list[Template]:
        """The versions of one template, the newest first; those before the version ``before``."""
        query = _versions().where(templates.c.tenant == tenant, templates.c.code == code)
        if before is not None:
            query = query.where(template_versions.c.version < before)
        return await self._read(query.order_by(template_versions.c.version.desc()).limit(limit))

    async def delete(self, *, tenant: str, code: str) -> bool:
        """Removes all versions. False: there was none."""
        async with self._database.transaction() as connection:
            for table in (template_parts, template_versions, templates):
                removed = await connection.execute(_delete(table, tenant, code))
        return removed.rowcount > 0

    async def _read(self, query: Select[*tuple[Any, ...]]) -> list[Template]:
        """The versions of a query, with their parts."""
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
            keys = [(row.tenant, row.code, row.version) for row in rows]
            parts: dict[tuple[str, str, int], list[Row[Any]]] = {key: [] for key in keys}
            place = tuple_(template_parts.c.tenant, template_parts.c.code, template_parts.c.version)
            listed = select(template_parts).where(place.in_(keys)).order_by(template_parts.c.channel, template_parts.c.locale)
            for part in await connection.execute(listed) if keys else ():
                parts[part.tenant, part.code, part.version].append(part)
        return [_template(row, parts[key]) for row, key in zip(rows, keys, strict=True)]


def _delete(table: Table, tenant: str, code: str) -> Delete:
    return delete(table).where(table.c.tenant == tenant, table.c.code == code)


def _versions() -> Select[*tuple[Any, ...]]:
    promoted = (template_versions.c.version == templates.c.version).label("promoted")
    return select(template_versions, promoted).join_from(templates, template_versions, _SAME)


async def _lock(connection: AsyncConnection, tenant: str, code: str) -> None:
    """Keeps others from adding and promoting versions until the transaction ends."""
    row = select(templates.c.version).where(templates.c.tenant == tenant, templates.c.code == code)
    if await connection.scalar(row.with_for_update()) is None:
        raise TemplateNotFound(f"There is no template templates/{code}")


async def _promote(connection: AsyncConnection, template: Template) -> None:
    same = (templates.c.tenant == template.tenant) & (templates.c.code == template.code)
    await connection.execute(update(templates).where(same).values(version=template.version, uid=template.uid))


async def _insert_version(connection: AsyncConnection, template: Template) -> None:
    place = {"tenant": template.tenant, "code": template.code, "version": template.version}
    source = template.parts[0].source
    await connection.execute(
        insert(template_versions).values(
            **place,
            uid=template.uid,
            subject=source.subject,
            text=source.text,
            html=source.html,
            variables=json.dumps(template.variables.used),
            required=json.dumps(template.variables.required) if template.variables.required is not None else None,
            resend=template.resend,
            created=template.created,
            declared=msgspec.json.encode(template.declared).decode(),
        )
    )
    await connection.execute(insert(template_parts), [place | _part_row(part) for part in template.parts])


def _part_row(part: TemplatePart) -> dict[str, str]:
    return {
        "channel": part.channel,
        "locale": part.locale,
        "subject": part.content.subject,
        "text": part.content.text,
        "html": part.content.html,
        "html_source": part.html_source,
        "actions": stored_actions(part.content),
    }


def _template(row: Row[Any], parts: Iterable[Row[Any]]) -> Template:
    """A version; one from before there were parts says in its own row what its default part says."""
    declared = _declared(row.declared)
    default = TemplatePart(uid=row.uid, content=Content(row.subject, row.text, row.html), html_source=row.html, declared=declared)
    found = [_part(row.uid, part, declared) for part in parts]
    return Template(
        tenant=row.tenant,
        code=row.code,
        version=row.version,
        uid=row.uid,
        parts=tuple(found) if found and not (found[0].channel or found[0].locale) else (default, *found),
        variables=Variables(texts(row.variables), None if row.required is None else texts(row.required)),
        resend=row.resend,
        created=row.created,
        declared=declared,
        promoted=bool(row.promoted),
    )


def _part(uid: str, row: Row[Any], declared: tuple[DeclaredVariable, ...]) -> TemplatePart:
    try:
        actions = read_actions(row.actions)
    except NOT_READABLE:  # the text is worth more than its buttons
        actions = ()
    return TemplatePart(
        uid=part_uid(uid, row.channel, row.locale),
        channel=row.channel,
        locale=row.locale,
        content=Content(row.subject, row.text, row.html, actions),
        html_source=row.html_source,
        declared=declared,
    )


def _declared(stored: str) -> tuple[DeclaredVariable, ...]:
    try:
        return _DECLARED.decode(stored)
    except NOT_READABLE:  # then those that the text uses
        return ()
