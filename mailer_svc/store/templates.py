"""Templates: a row for the code with its current version, and a row for each version, which never changes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Row, delete, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mailer_svc.domain import Content, Template, TemplateNotFound, Variables
from mailer_svc.store.tables import template_versions, templates
from tocsin.database import Database, insert_ignore
from tocsin.errors import AlreadyExists
from tocsin.stored import texts


class TemplateExists(AlreadyExists):
    """A template of this code exists already."""


class SqlTemplateStore:
    """Keeps templates; every query is of one tenant."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def create(self, template: Template) -> None:
        """Stores version 1.

        Raises:
            TemplateExists: the code is in use.
        """
        row = {"tenant": template.tenant, "code": template.code, "version": template.version, "uid": template.uid}
        async with self._database.transaction() as connection:
            stored = await connection.scalar(insert_ignore(templates).values(row).returning(templates.c.code))
            if stored is None:
                raise TemplateExists(f"templates/{template.code} exists already")
            await _insert_version(connection, template)

    async def add_version(self, template: Template) -> Template:
        """Stores ``template`` as the next version and makes it the current one; returns it with its number.

        Raises:
            TemplateNotFound: there is no template of this code.
        """
        async with self._database.transaction() as connection:
            version = await connection.scalar(
                update(templates)
                .where(templates.c.tenant == template.tenant, templates.c.code == template.code)
                .values(version=templates.c.version + 1, uid=template.uid)
                .returning(templates.c.version)
            )
            if version is None:
                raise TemplateNotFound(f"There is no template templates/{template.code}")
            numbered = replace(template, version=version)
            await _insert_version(connection, numbered)
        return numbered

    async def get(self, *, tenant: str, code: str, version: int) -> Template | None:
        """One version; 0: the current one."""
        query = select(template_versions).where(template_versions.c.tenant == tenant, template_versions.c.code == code)
        if version:
            query = query.where(template_versions.c.version == version)
        else:
            query = query.order_by(template_versions.c.version.desc()).limit(1)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        return _template(row) if row is not None else None

    async def current(self, keys: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], str]:
        """The uid of the current version of each (tenant, code) that exists."""
        query = select(templates).where(tuple_(templates.c.tenant, templates.c.code).in_(keys))
        async with self._database.read() as connection:
            return {(row.tenant, row.code): row.uid for row in await connection.execute(query)}

    async def page(self, *, tenant: str, after: str, limit: int) -> list[Template]:
        """Current versions, by code; those after the code ``after``."""
        same = (
            (templates.c.tenant == template_versions.c.tenant)
            & (templates.c.code == template_versions.c.code)
            & (templates.c.version == template_versions.c.version)
        )
        query = (
            select(template_versions)
            .join_from(templates, template_versions, same)
            .where(templates.c.tenant == tenant, templates.c.code > after)
            .order_by(templates.c.code)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [_template(row) for row in await connection.execute(query)]

    async def delete(self, *, tenant: str, code: str) -> bool:
        """Removes all versions. False: there was none."""
        async with self._database.transaction() as connection:
            for table in (template_versions, templates):
                removed = await connection.execute(delete(table).where(table.c.tenant == tenant, table.c.code == code))
        return removed.rowcount > 0


async def _insert_version(connection: AsyncConnection, template: Template) -> None:
    await connection.execute(
        insert(template_versions).values(
            tenant=template.tenant,
            code=template.code,
            version=template.version,
            uid=template.uid,
            subject=template.content.subject,
            text=template.content.text,
            html=template.content.html,
            variables=json.dumps(template.variables.used),
            required=json.dumps(template.variables.required) if template.variables.required is not None else None,
            resend=template.resend,
            created=template.created,
        )
    )


def _template(row: Row[Any]) -> Template:
    return Template(
        tenant=row.tenant,
        code=row.code,
        version=row.version,
        uid=row.uid,
        content=Content(row.subject, row.text, row.html),
        variables=_variables(row.variables, row.required),
        resend=row.resend,
        created=row.created,
    )


def _variables(used: str, required: str | None) -> Variables:
    return Variables(texts(used), None if required is None else texts(required))
