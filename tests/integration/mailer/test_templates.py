"""Templates between the mailer, which has them, and the scheduler, whose alarms use them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from mailer_svc.store import SqlTemplateStore
from mailer_svc.store.tables import template_versions
from tests.integration.mailer.people import People
from tests.integration.mailer.support import Rig
from tests.integration.scheduler.support import Rig as Scheduler
from tests.integration.scheduler.support import every
from tocsin.api.mailer.v1 import category_service_pb2, template_service_pb2, template_service_pb2_grpc
from tocsin.api.scheduler.v1 import alarm_pb2, alarm_service_pb2
from tocsin.clock import SystemClock
from tocsin.database import Database
from tocsin.errors import FailedPrecondition, InvalidInput, NotFound, PermissionDenied
from tocsin.testing.process import free_port


class Pair:
    """A mailer and a scheduler that know each other."""

    def __init__(self, folder: Path) -> None:
        self._ports = [free_port(), free_port()]
        self.scheduler = Scheduler(folder=folder, port=self._ports[0], mailer_target=f"127.0.0.1:{self._ports[1]}")
        self.mailer = Rig(folder=folder)
        self.mailer.mint = self.scheduler.mint  # a user's token goes along from one to the other

    async def start(self) -> None:
        """Starts both."""
        await self.scheduler.start()
        await self.mailer.start(port=self._ports[1], scheduler_target=f"127.0.0.1:{self._ports[0]}")

    async def stop(self) -> None:
        """Stops both."""
        await self.mailer.stop()
        await self.scheduler.stop()

    async def alarm(self, template: str, *, tenant: str = "t1", **variables: str) -> str:
        """The name of an alarm that uses a template."""
        return (await self.create(tenant=tenant, template=template, variables=variables)).name

    async def create(self, *, tenant: str = "t1", **notify: Any) -> alarm_pb2.Alarm:
        """Makes an alarm that sends a message."""
        action = alarm_pb2.Action(notify=alarm_pb2.Notify(to=["ann@example.com"], **notify))
        return await self.scheduler.create(tenant=tenant, trigger=every(86400), action=action)

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
    try:
        await made.start()
        await made.mailer.template(text="{{ name }} {{ place|default('here') }}")
        yield made
    finally:
        await made.stop()


async def test_a_version_that_would_break_alarms_is_refused_and_names_them(pair: Pair) -> None:
    """Those that do not give what it requires; with force it is taken all the same. Others' alarms, and other templates, do not matter."""
    full = await pair.alarm("templates/greeting", name="Ann", sum="1")
    poor = [await pair.alarm("templates/greeting", name="Ann") for _ in range(2)]
    for name, tenant in (("templates/greeting2", "t1"), ("templates/greeting", "t2")):
        await pair.mailer.template(name, tenant=tenant)
        await pair.alarm(name, tenant=tenant, name="Ann")
    assert (await pair.update("{{ name }} {{ place|default('there') }} {{ time|default('now') }} {{ event_data_x }}")).version == 2
    with pytest.raises(FailedPrecondition, match="would require place"):
        await pair.update("{{ name }} {{ place }}")
    with pytest.raises(FailedPrecondition, match="would require sum") as caught:
        await pair.update("{{ name }} {{ sum }}")
    assert caught.value.error_reason == "TEMPLATE_BREAKS"
    assert [name in caught.value.message for name in (full, *poor)] == [False, True, True]
    assert (await pair.update("{{ name }} {{ sum }}", force=True)).version == 3


async def test_to_promote_a_version_asks_as_well(pair: Pair) -> None:
    """One that was kept for later, and one that takes fewer variables than alarms give."""
    name = await pair.alarm("templates/greeting", name="Ann", place="x")
    strict = template_service_pb2.Template(
        name="templates/greeting", subject="Hi", text="{{ name }}", declared_variables=[template_service_pb2.TemplateVariable(name="name")]
    )
    needy = template_service_pb2.Template(name="templates/greeting", subject="Hi", text="{{ name }} {{ sum }}")
    with pair.mailer.user():
        for given in (strict, needy):
            await pair.mailer.templates.UpdateTemplate(template_service_pb2.UpdateTemplateRequest(template=given, promote=False))
        for version, words in ((2, "would take no variables but name"), (3, "would require sum")):
            with pytest.raises(FailedPrecondition, match=words) as caught:
                await pair.mailer.templates.PromoteTemplate(
                    template_service_pb2.PromoteTemplateRequest(name="templates/greeting", version=version)
                )
            assert name in caught.value.message
        forced = template_service_pb2.PromoteTemplateRequest(name="templates/greeting", version=2, force=True)
        assert (await pair.mailer.templates.PromoteTemplate(forced)).promoted


async def test_a_version_that_breaks_nobody_is_taken(pair: Pair) -> None:
    """Alarms that give every variable, that were deleted, or that never fire again are no reason."""
    await pair.alarm("templates/greeting", name="Ann", sum="1")
    gone = await pair.alarm("templates/greeting", name="Ann")
    with pair.scheduler.user():
        await pair.scheduler.alarms.DeleteAlarm(alarm_service_pb2.DeleteAlarmRequest(name=gone))
    assert (await pair.update("{{ name }} {{ sum }}")).version == 2


async def test_a_template_in_use_is_not_deleted_unless_that_is_forced(pair: Pair) -> None:
    """The alarms are named, ten of them at the most."""
    names = [await pair.alarm("templates/greeting", name="Ann") for _ in range(12)]
    with pytest.raises(FailedPrecondition, match="templates/greeting is in use") as caught:
        await pair.delete()
    assert sum(name in caught.value.message for name in names) == 10
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
    stub: Any = template_service_pb2_grpc.TemplateServiceStub(rig.mesh_of(caller).channel("mailer_svc"))
    return await stub.DescribeContent(template_service_pb2.DescribeContentRequest(tenant=tenant, templates=names))


async def test_a_scheduler_learns_which_templates_and_channels_there_are(rig: Rig) -> None:
    """Of the tenant that it names; nobody else may ask."""
    await rig.template(text="{{ name }} {{ place|default('here') }}")
    answer = await describe(rig, "templates/greeting", "templates/nope")
    assert [(item.name, list(item.variables), list(item.required_variables)) for item in answer.templates] == [
        ("templates/greeting", ["name", "place"], ["name"])
    ]
    assert "inbox" in answer.channels
    assert "email" not in answer.channels
    assert not (await describe(rig, "templates/greeting", tenant="t2")).templates
    with pytest.raises(PermissionDenied):
        await describe(rig, "templates/greeting", caller="processor_svc")


async def test_a_scheduler_learns_whom_nobody_knows(rig: Rig) -> None:
    """Recipients, groups and categories of the tenant that it names, each once; what no database can hold is not there."""
    people = People(rig)
    await people.create("ann")
    await people.group("ops")
    category = category_service_pb2.Category(name="categories/news")
    await people.call(rig.categories.CreateCategory, category_service_pb2.CreateCategoryRequest(category=category))
    there = ["recipients/ann", "groups/ops", "categories/news"]
    absent = ["recipients/ops", "groups/ann", "categories/ann", "pigeons/ann", ""]
    stub: Any = template_service_pb2_grpc.TemplateServiceStub(rig.mesh_of("scheduler_svc").channel("mailer_svc"))
    for tenant, missing in (("t1", absent), ("t2", there + absent)):
        request = template_service_pb2.DescribeContentRequest(tenant=tenant, names=[*there, *absent, *absent])
        assert list((await stub.DescribeContent(request)).missing) == missing


async def test_a_mailer_with_a_provider_has_the_channel_email(mailing: Rig) -> None:
    """And the inbox."""
    assert {"email", "inbox"} <= set((await describe(mailing)).channels)


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


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"template": "templates/nope", "variables": {"name": "x"}}, "action.notify.template", "there is no template templates/nope"),
    ({"template": "templates/greeting"}, "action.notify.variables", "templates/greeting requires name"),
    ({"template": "templates/greeting", "variables": {"nmae": "x"}}, "action.notify.variables", "requires name"),
    ({"template": "templates/strict", "variables": {"nmae": "x"}}, "action.notify.variables", "templates/strict declares no variable nmae"),
    ({"subject": "s", "text": "t", "channels": ["inbox", "email"]}, "action.notify.channels[1]", "there is no provider for email"),
]


@pytest.mark.parametrize(("notify", "field", "words"), WRONG)
async def test_an_alarm_that_could_not_be_sent_is_refused_when_it_is_made(
    pair: Pair, notify: dict[str, Any], field: str, words: str
) -> None:
    """With the field and the reason, at create and at update; what was refused is asked for anew."""
    await pair.mailer.template("templates/strict", declared_variables=[template_service_pb2.TemplateVariable(name="name")])
    with pytest.raises(InvalidInput, match=words) as caught:
        await pair.create(**notify)
    assert [each.field for each in caught.value.violations] == [field]
    good = await pair.create(template="templates/greeting", variables={"name": "Ann", "surplus": "x"}, channels=["inbox"])
    assert not good.warnings
    changed = alarm_pb2.Alarm(name=good.name, action=alarm_pb2.Action(notify=alarm_pb2.Notify(to=["ann@example.com"], **notify)))
    with pair.scheduler.user(), pytest.raises(InvalidInput, match=words):
        await pair.scheduler.alarms.UpdateAlarm(
            alarm_service_pb2.UpdateAlarmRequest(alarm=changed, update_mask=FieldMask(paths=["action"]))
        )


async def test_a_template_that_was_refused_may_be_used_as_soon_as_it_is_made(pair: Pair) -> None:
    """What is not there is not remembered."""
    with pytest.raises(InvalidInput, match="there is no template"):
        await pair.alarm("templates/late", name="Ann")
    await pair.mailer.template("templates/late")
    await pair.alarm("templates/late", name="Ann")


async def test_while_the_mailer_is_away_an_alarm_is_taken_with_a_warning(pair: Pair) -> None:
    """Text that needs nothing of the mailer gets none."""
    await pair.mailer.stop()
    made = await pair.create(template="templates/nope")
    assert [(each.field, "mailer_svc did not answer" in each.reason) for each in made.warnings] == [("action.notify", True)]
    assert not (await pair.create(subject="s", text="t")).warnings


async def test_lines_of_an_import_are_checked(pair: Pair) -> None:
    """The bad ones are told with their numbers, the good ones are made."""
    lines: list[dict[str, Any]] = [{"template": "templates/greeting", "variables": {"name": f"Ann{number}"}} for number in range(300)]
    lines[7] = {"template": "templates/nope"}
    lines[200] = {"template": "templates/greeting"}
    alarms = [
        alarm_pb2.Alarm(trigger=every(86400), action=alarm_pb2.Action(notify=alarm_pb2.Notify(to=["ann@example.com"], **line)))
        for line in lines
    ]

    async def requests() -> AsyncIterator[alarm_service_pb2.ImportAlarmsRequest]:
        yield alarm_service_pb2.ImportAlarmsRequest(alarms=alarm_service_pb2.ImportAlarmsRequest.Alarms(alarms=alarms))

    with pair.scheduler.user():
        answers = [answer async for answer in pair.scheduler.alarms.ImportAlarms(requests())]
    text = str(answers)
    assert "there is no template templates/nope" in text
    assert "templates/greeting requires name" in text
    with pair.scheduler.user():
        page = await pair.scheduler.alarms.ListAlarms(alarm_service_pb2.ListAlarmsRequest(page_size=1000))
    assert len(page.alarms) == 298
