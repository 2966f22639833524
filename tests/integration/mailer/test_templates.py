"""Templates between the mailer, which has them, and the scheduler, whose alarms use them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mailer_svc.store import SqlTemplateStore
from mailer_svc.store.tables import template_versions
from tests.integration.mailer.support import Rig
from tests.integration.scheduler.support import Rig as Scheduler
from tests.integration.scheduler.support import every
from tocsin.api.mailer.v1 import template_service_pb2, template_service_pb2_grpc
from tocsin.api.scheduler.v1 import alarm_pb2, alarm_service_pb2
from tocsin.clock import SystemClock
from tocsin.database import Database
from tocsin.errors import FailedPrecondition, NotFound, PermissionDenied


class Pair:
    """A mailer and a scheduler that know each other."""

    def __init__(self, folder: Path) -> None:
        self.scheduler = Scheduler(folder=folder)
        self.mailer = Rig(folder=folder)
        self.mailer.mint = self.scheduler.mint  # a user's token goes along from one to the other

    async def start(self) -> None:
        """Starts both."""
        await self.scheduler.start()
        assert self.scheduler.app is not None
        await self.mailer.start(scheduler_target=self.scheduler.app.address)

    async def stop(self) -> None:
        """Stops both."""
        await self.mailer.stop()
        await self.scheduler.stop()

    async def alarm(self, template: str, *, tenant: str = "t1", **variables: str) -> str:
        """An alarm that uses a template."""
        notify = alarm_pb2.Notify(to=["ann@example.com"], template=template, variables=variables)
        made = await self.scheduler.create(tenant=tenant, trigger=every(86400), action=alarm_pb2.Action(notify=notify))
        return made.name

    async def update(self, text: str, *, force: bool = False) -> template_service_pb2.Template:
        """A new version of the template."""
        given = template_service_pb2.Template(name="templates/greeting", subject="Hi", text=text)
        with self.mailer.user():
            return await self.mailer.templates.UpdateTemplate(template_service_pb2.UpdateTemplateRequest(template=given, force=force))

    async def delete(self, *, force: bool = False) -> None:
        """Removes it."""
        with self.mailer.user():
            request = template_service_pb2.DeleteTemplateRequest(name="templates/greeting", force=force)
            await self.mailer.templates.DeleteTemplate(request)


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    """Both, with a template."""
    made = Pair(tmp_path)
    await made.start()
    await made.mailer.template(text="{{ name }} {{ place|default('here') }}")
    yield made
    await made.stop()


async def test_a_version_that_would_break_alarms_is_refused_and_names_them(pair: Pair) -> None:
    """Those that do not give what it requires; with force it is taken all the same. Others' alarms, and other templates, do not matter."""
    full = await pair.alarm("templates/greeting", name="Ann", sum="1")
    poor = [await pair.alarm("templates/greeting", name="Ann") for _ in range(2)]
    for template, tenant in (("templates/greeting2", "t1"), ("templates/greeting", "t2")):
        await pair.alarm(template, tenant=tenant, name="Ann")
    assert (await pair.update("{{ name }} {{ place }} {{ time|default('now') }} {{ event_data_x }}")).version == 2
    with pytest.raises(FailedPrecondition, match="would require sum") as caught:
        await pair.update("{{ name }} {{ sum }}")
    assert caught.value.error_reason == "TEMPLATE_BREAKS"
    assert [name in caught.value.message for name in (full, *poor)] == [False, True, True]
    assert (await pair.update("{{ name }} {{ sum }}", force=True)).version == 3


async def test_a_version_that_breaks_nobody_is_taken(pair: Pair) -> None:
    """Alarms that give every variable, that were deleted, or that never fire again are no reason."""
    await pair.alarm("templates/greeting", name="Ann", sum="1")
    gone = await pair.alarm("templates/greeting", name="Ann")
    with pair.scheduler.user():
        await pair.scheduler.alarms.DeleteAlarm(alarm_service_pb2.DeleteAlarmRequest(name=gone))
    assert (await pair.update("{{ name }} {{ sum }}")).version == 2


async def test_a_template_in_use_is_not_deleted_unless_that_is_forced(pair: Pair) -> None:
    """The alarms are named, twenty of them at the most."""
    names = [await pair.alarm("templates/greeting", name="Ann") for _ in range(22)]
    with pytest.raises(FailedPrecondition, match="templates/greeting is in use") as caught:
        await pair.delete()
    assert sum(name in caught.value.message for name in names) == 20
    assert "and others" in caught.value.message
    await pair.delete(force=True)
    with pytest.raises(NotFound):
        await pair.delete()


async def test_without_a_scheduler_nothing_is_broken_unknowingly(pair: Pair) -> None:
    """A change that may break alarms waits, or is forced; any other goes on."""
    await pair.scheduler.stop()
    assert (await pair.update("{{ name }} and more")).version == 2
    with pytest.raises(FailedPrecondition, match="could not be found out"):
        await pair.update("{{ name }} {{ sum }}")
    with pytest.raises(FailedPrecondition, match="could not be found out"):
        await pair.delete()
    assert (await pair.update("{{ name }} {{ sum }}", force=True)).version == 3
    await pair.delete(force=True)


async def describe(rig: Rig, *names: str, tenant: str = "t1", caller: str = "scheduler_svc") -> Any:
    """What the mailer tells a scheduler."""
    stub: Any = template_service_pb2_grpc.TemplateServiceStub(rig.mesh(caller).channel("mailer_svc"))
    return await stub.DescribeContent(template_service_pb2.DescribeContentRequest(tenant=tenant, templates=names))


async def test_a_scheduler_learns_which_templates_and_channels_there_are(rig: Rig) -> None:
    """Of the tenant that it names; nobody else may ask."""
    await rig.template(text="{{ name }} {{ place|default('here') }}")
    answer = await describe(rig, "templates/greeting", "templates/nope")
    assert [(item.name, list(item.variables), list(item.required_variables)) for item in answer.templates] == [
        ("templates/greeting", ["name", "place"], ["name"])
    ]
    assert list(answer.channels) == ["inbox"]
    assert not (await describe(rig, "templates/greeting", tenant="t2")).templates
    with pytest.raises(PermissionDenied):
        await describe(rig, "templates/greeting", caller="processor_svc")


async def test_a_mailer_with_a_provider_has_the_channel_email(mailing: Rig) -> None:
    """And the inbox."""
    assert list((await describe(mailing)).channels) == ["email", "inbox"]


async def test_of_a_template_of_before_the_text_tells_what_it_requires(rig: Rig) -> None:
    """Rows that say nothing of it are looked at when somebody asks."""
    await rig.template(text="{{ name }} {{ place|default('here') }} {{ event_topic }}")
    database = Database(url=f"sqlite+aiosqlite:///{rig.folder}/mailer_svc.db", clock=SystemClock())
    await database.start()
    async with database.transaction() as connection:
        await connection.execute(template_versions.update().values(required=None))
    stored = await SqlTemplateStore(database=database).get(tenant="t1", code="greeting", version=0)
    await database.stop()
    assert stored is not None
    assert (stored.variables.used, stored.variables.required) == (("name", "place", "event_topic"), None)
    assert list((await describe(rig, "templates/greeting")).templates[0].required_variables) == ["name"]
