"""What people read of an incident: that it needs an answer, that somebody has it, and that it is over, differ at a glance."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from google.protobuf.json_format import MessageToJson
from google.protobuf.struct_pb2 import Struct

from mailer_svc.domain import Content, TemplateUse
from mailer_svc.rendering import RenderLimits, RenderPool, TemplateRenderer
from mailer_svc.templates_builtin import built_in_templates
from scheduler_svc.domain import Firing
from scheduler_svc.domain.incident_words import By
from scheduler_svc.domain.incidents import IncidentChange, acknowledged, resolved
from scheduler_svc.escalating import firing_of
from tests.unit.scheduler.test_incidents import T0, begun
from tocsin.api.scheduler.v1 import alarm_pb2
from tocsin.clock import MINUTE

ANN = By("users/01KBAQ5R0000000000000000AN", "api", called="Ann Example")


@pytest.fixture
async def renderer() -> AsyncIterator[TemplateRenderer]:
    """One process at most."""
    pool = RenderPool(limits=RenderLimits(processes=1, cpu_seconds=10, megabytes=256, waiting=4))
    await pool.start()
    yield TemplateRenderer(pool=pool)
    await pool.stop()


def row_of(change: IncidentChange) -> Firing:
    """The row of the ledger of the last that people are told."""
    told = (*change.steps, *change.updates)[-1]
    return firing_of(change.incident, told, firing="F1", shard=0, now=T0 + 2 * MINUTE)


async def read(renderer: TemplateRenderer, change: IncidentChange, *, locale: str, channel: str = "") -> Content:
    """The last message of a change, as the template that ships says it."""
    row = row_of(change)
    notify = alarm_pb2.Action.FromString(row.action.body).notify
    code = notify.template.removeprefix("templates/")
    draft = built_in_templates()[code]
    found = next(part for part in draft.parts if (part.channel, part.locale) == (channel, locale))
    part = replace(found, uid=f"{code}/{channel}/{locale}", declared=draft.declared)
    use = TemplateUse(code=code, variables=dict(notify.variables), context=MessageToJson(Struct.FromString(row.context)))
    return await renderer.render("t1", part, use)


@pytest.mark.parametrize("channel", ["", "push"])
@pytest.mark.parametrize(
    ("locale", "taken", "over"),
    [
        ("", "Acknowledged by Ann Example: Disk full", "Resolved: Disk full"),
        ("de", "Übernommen von Ann Example: Disk full", "Behoben: Disk full"),
    ],
)
async def test_a_subject_says_what_has_happened(renderer: TemplateRenderer, channel: str, locale: str, taken: str, over: str) -> None:
    """By mail and by push: who is asleep has not to open "Ann has it" to see that it asks for nothing."""
    first = begun()
    answered = acknowledged(first.incident, ANN, T0 + MINUTE)
    ended = resolved(answered.incident, ANN, T0 + 2 * MINUTE)
    subjects = [(await read(renderer, change, locale=locale, channel=channel)).subject for change in (first, answered, ended)]
    assert subjects == ["Disk full", taken, over]


async def test_people_are_called_by_their_names_and_times_are_short(renderer: TemplateRenderer) -> None:
    """Not by the id of a user or of a key; an end that nobody made names nobody."""
    first = begun().incident
    answered = acknowledged(first, ANN, T0 + MINUTE)
    text = (await read(renderer, answered, locale="")).text
    assert "Status: acknowledged by Ann Example\n" in text
    assert "Since: 2026-03-02 12:00 UTC\n" in text
    assert ANN.actor not in text
    german = (await read(renderer, answered, locale="de")).text
    assert "Zustand: übernommen von Ann Example\n" in german
    assert "Resolved by: Ann Example\n" in (await read(renderer, resolved(first, ANN, T0 + MINUTE), locale="")).text
    assert "Resolved by" not in (await read(renderer, resolved(first, By("alarms/backup", "alarm"), T0 + MINUTE), locale="")).text
    nameless = acknowledged(first, By("recipients/bea", "link"), T0 + MINUTE)
    assert (await read(renderer, nameless, locale="")).subject == "Acknowledged by bea: Disk full"
