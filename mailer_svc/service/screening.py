"""The last gate: personal data in what a message says, by the tenant's policies on messages."""

from typing import Any, Final

from msgspec.structs import replace

from mailer_svc.domain import Content, GateRuling, MessageAction, Submission, TemplateUse
from mailer_svc.domain.gates import GateReason, suppressed
from tocsin.pii import Measure, PiiArea, PiiGuard

_NOTHING: Final = Content("")


class PiiScreen:
    """Looks at what was rendered. The subject of a policy is the template's code; inline messages have none."""

    def __init__(self, *, guard: PiiGuard) -> None:
        self._guard = guard

    def looks(self, item: Submission) -> bool:
        """Whether anybody wants the message looked at."""
        return bool(self._guard.rules(item.tenant, PiiArea.MESSAGES, _subject(item)))

    async def screen(self, item: Submission, ruling: GateRuling, content: Content) -> tuple[Content, GateRuling]:
        """What may be sent, and what the gates say now. Nothing of a blocked message is kept."""
        if not self.looks(item):
            return content, ruling
        verdict = await self._guard.check(tenant=item.tenant, area=PiiArea.MESSAGES, subject=_subject(item), values=_values(content))
        if verdict.blocked:
            return _NOTHING, suppressed(GateReason.PII_BLOCKED, f"holds {verdict.words}")
        if verdict.measure is not Measure.REDACT:
            return content, ruling
        said = f"{ruling.detail}; " if ruling.detail else ""
        return _content(verdict.values), replace(ruling, detail=f"{said}PII_REDACTED: {verdict.words}")


def _subject(item: Submission) -> str:
    return item.content.code if isinstance(item.content, TemplateUse) else ""


def _values(content: Content) -> dict[str, Any]:
    buttons = [{"label": action.label, "url": action.url} for action in content.actions]
    return {"subject": content.subject, "text": content.text, "html": content.html, "actions": buttons}


def _content(values: Any) -> Content:
    actions = tuple(MessageAction(label=each["label"], url=each["url"]) for each in values["actions"])
    return Content(values["subject"], values["text"], values["html"], actions)
