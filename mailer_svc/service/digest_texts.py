"""What digests say: the template that ships for them, or the tenant's own of the same code."""

from collections.abc import Awaitable, Callable
from typing import Final

from mailer_svc.domain import Content, Digest, DigestMembers, digest_content, digest_items, repaired_content
from mailer_svc.service.templates import Templates
from tocsin.errors import TocsinError
from tocsin.telemetry import get_logger

_log = get_logger(__name__)
TEMPLATE: Final = "tocsin.digest"

DigestText = Callable[[DigestMembers], Content]
"""Says what a digest of these members says; never waits, for it is asked within a transaction."""

DigestTexts = Callable[[Digest, str], Awaitable[DigestText]]
"""Prepares the text of a digest for a reader of a language (a normal tag, or empty)."""


async def plain_text(digest: Digest, locale: str) -> DigestText:
    """Says the subjects and texts, one after the other."""
    del digest, locale
    return digest_content


def templated_text(templates: Templates) -> DigestTexts:
    """Says what the template makes of them; as plain text what it cannot make anything of, or not at once."""

    async def prepare(digest: Digest, locale: str) -> DigestText:
        try:
            render = await templates.prepared(tenant=digest.tenant, code=TEMPLATE, channel=digest.channel, locale=locale)
        except TocsinError as error:
            _log.warning("template of a digest not usable", digest=digest.id, error=error.message)
            return digest_content

        def text(members: DigestMembers) -> Content:
            if members.total == 1:
                return digest_content(members)
            try:
                content = render({"items": digest_items(members)})
            except TocsinError as error:
                _log.warning("digest not rendered", digest=digest.id, error=error.message)
                content = None
            return repaired_content(content) if content else digest_content(members)

        return text

    return prepare
