"""Categories, preferences and suppressions, through the mesh on each database."""

from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from tests.integration.mailer.people import People
from tocsin.api.mailer.v1 import category_service_pb2 as categories
from tocsin.api.mailer.v1 import preference_service_pb2 as preferences
from tocsin.api.mailer.v1 import recipient_service_pb2 as recipients
from tocsin.api.mailer.v1 import suppression_service_pb2 as suppressions
from tocsin.errors import AlreadyExists, InvalidInput, NotFound


async def test_a_category_lives(people: People) -> None:
    """Made, read, changed, listed, removed."""
    made = categories.Category(name="categories/news", display_name="News", channels=["inbox"], digest_window=Duration(seconds=60))
    category = await people.call(people.rig.categories.CreateCategory, categories.CreateCategoryRequest(category=made))
    assert category.kind == categories.Category.TRANSACTIONAL
    assert await people.call(people.rig.categories.GetCategory, categories.GetCategoryRequest(name=made.name)) == category
    with pytest.raises(AlreadyExists):
        await people.call(people.rig.categories.CreateCategory, categories.CreateCategoryRequest(category=made))
    given = categories.Category(name=made.name, kind=categories.Category.MARKETING)
    changed = await people.call(people.rig.categories.UpdateCategory, categories.UpdateCategoryRequest(category=given))
    assert (changed.kind, changed.display_name, changed.digest_window.seconds) == (categories.Category.MARKETING, "News", 60)
    cleared = categories.UpdateCategoryRequest(category=given, update_mask=FieldMask(paths=["digest_window", "channels", "create_time"]))
    assert not (await people.call(people.rig.categories.UpdateCategory, cleared)).HasField("digest_window")
    listed = await people.call(people.rig.categories.ListCategories, categories.ListCategoriesRequest())
    assert [item.name for item in listed.categories] == [made.name]
    for wrong, field in (
        (categories.Category(name="categories/x", channels=["pigeon"]), "category.channels[0]"),
        (categories.Category(name="categories/X"), "category.name"),
        (categories.Category(name="categories/x", digest_window=Duration(seconds=86401)), "category.digestWindow"),
    ):
        with pytest.raises(InvalidInput) as refused:
            await people.call(people.rig.categories.CreateCategory, categories.CreateCategoryRequest(category=wrong))
        assert [violation.field for violation in refused.value.violations] == [field]
    await people.call(people.rig.categories.DeleteCategory, categories.DeleteCategoryRequest(name=made.name))
    for method, request in (("Get", categories.GetCategoryRequest), ("Delete", categories.DeleteCategoryRequest)):
        with pytest.raises(NotFound):
            await people.call(getattr(people.rig.categories, f"{method}Category"), request(name=made.name))


NIGHT = [preferences.Preferences.QuietTime(weekday=day, start="22:00", end="07:30") for day in range(1, 8)]


@pytest.mark.parametrize("name", ["preferences", "recipients/ann/preferences"])
async def test_preferences_are_said_changed_and_replaced(people: People, name: str) -> None:
    """Of a recipient, and of the tenant; before anything is said they are empty."""
    await people.create("ann")
    stub, kind = people.rig.preferences, preferences.Preferences
    read = preferences.GetPreferencesRequest(name=name)
    assert await people.call(stub.GetPreferences, read) == kind(name=name)
    whole = kind(
        name=name,
        choices=[kind.Choice(category="news", channel="*", enabled=False), kind.Choice(channel="inbox", enabled=True)],
        quiet_hours=kind.QuietHours(times=NIGHT, bulk=kind.DROP),
        cap=kind.Cap(count=3, window=Duration(seconds=3600)),
    )
    stored = await people.call(stub.ReplacePreferences, preferences.ReplacePreferencesRequest(preferences=whole))
    assert stored.choices[1].category == "*"
    assert (list(stored.quiet_hours.times), stored.quiet_hours.normal, stored.quiet_hours.bulk) == (NIGHT, kind.HOLD, kind.DROP)
    change = preferences.UpdatePreferencesRequest(preferences=kind(name=name, quiet_hours=kind.QuietHours()))
    changed = await people.call(stub.UpdatePreferences, change)
    assert (changed.HasField("quiet_hours"), len(changed.quiet_hours.times), changed.cap) == (True, 0, whole.cap)
    clear = preferences.UpdatePreferencesRequest(preferences=kind(name=name), update_mask=FieldMask(paths=["quietHours", "cap"]))
    cleared = await people.call(stub.UpdatePreferences, clear)
    assert (cleared.HasField("quiet_hours"), cleared.HasField("cap"), len(cleared.choices)) == (False, False, 2)
    assert await people.call(stub.GetPreferences, read) == cleared
    other = await People(people.rig, "t2").call(stub.GetPreferences, preferences.GetPreferencesRequest(name="preferences"))
    assert not other.choices


async def test_preferences_that_could_never_be_met_are_refused(people: People) -> None:
    """A week without a free minute, channels that nobody has, and recipients that are not there."""
    kind, stub = preferences.Preferences, people.rig.preferences
    always = [kind.QuietTime(weekday=day, start="00:00", end="00:00") for day in range(1, 8)]
    for wrong, field in (
        (kind(name="preferences", quiet_hours=kind.QuietHours(times=always)), "preferences.quietHours.times"),
        (kind(name="preferences", choices=[kind.Choice(channel="pigeon", enabled=True)]), "preferences.choices[0].channel"),
        (kind(name="preferences", quiet_hours=kind.QuietHours(times=[kind.QuietTime(weekday=1, start="24:00", end="1:00")])), None),
        (kind(name="preferences", cap=kind.Cap(count=1)), "preferences.cap.window"),
        (kind(name="preferences", choices=[kind.Choice(category="News", enabled=True)]), "preferences.choices[0].category"),
        (kind(name="preferences", choices=[kind.Choice(category="news")]), "preferences.choices[0].enabled"),
    ):
        with pytest.raises(InvalidInput) as refused:
            await people.call(stub.ReplacePreferences, preferences.ReplacePreferencesRequest(preferences=wrong))
        assert field is None or [violation.field for violation in refused.value.violations] == [field]
    for method, request in (
        (stub.GetPreferences, preferences.GetPreferencesRequest(name="recipients/nobody/preferences")),
        (stub.ReplacePreferences, preferences.ReplacePreferencesRequest(preferences=kind(name="recipients/nobody/preferences"))),
    ):
        with pytest.raises(NotFound):
            await people.call(method, request)


async def test_a_suppression_lives(people: People) -> None:
    """Its address is kept in its normal form; the same one again changes it; it is found, and ended."""
    kind, stub = suppressions.Suppression, people.rig.suppressions

    async def create(**fields: Any) -> suppressions.Suppression:
        values: dict[str, Any] = {"channel": "email", "address": "A@X.org", **fields}
        given = kind(**values)
        return await people.call(stub.CreateSuppression, suppressions.CreateSuppressionRequest(suppression=given))

    async def listed(condition: str) -> list[str]:
        page = await people.call(stub.ListSuppressions, suppressions.ListSuppressionsRequest(filter=condition))
        return [item.name for item in page.suppressions]

    made = await create(detail="asked by phone")
    assert (made.address, made.reason, made.source) == ("a@x.org", kind.MANUAL, "users/01TESTUSER0000000000000000")
    again = await create(reason=kind.COMPLAINT)
    assert (again.name, again.detail, again.reason) == (made.name, "", kind.COMPLAINT)
    news = await create(category="categories/news", address="b@x.org")
    assert await people.call(stub.GetSuppression, suppressions.GetSuppressionRequest(name=made.name)) == again
    assert await listed('reason="COMPLAINT"') == [made.name]
    assert await listed('category="categories/news" AND channel="email"') == [news.name]
    assert await listed('address!="b@x.org"') == [made.name]
    for wrong, field in (({"channel": "pigeon"}, "channel"), ({"address": "x"}, "address"), ({"detail": "\0"}, "detail")):
        with pytest.raises(InvalidInput) as refused:
            await create(**wrong)
        assert [violation.field for violation in refused.value.violations] == [f"suppression.{field}"]
    await people.call(stub.DeleteSuppression, suppressions.DeleteSuppressionRequest(name=made.name))
    for method, request in (
        (stub.GetSuppression, suppressions.GetSuppressionRequest(name=made.name)),
        (stub.DeleteSuppression, suppressions.DeleteSuppressionRequest(name=made.name)),
    ):
        with pytest.raises(NotFound):
            await people.call(method, request)


def steps(*channels: str, seconds: int = 60) -> list[recipients.PersonalRules.Step]:
    """One after the other."""
    kind = recipients.PersonalRules.Step
    return [kind(channel=channel, after=Duration(seconds=place * seconds)) for place, channel in enumerate(channels)]


async def test_personal_rules_are_said_and_shown(people: People) -> None:
    """Empty before anything is said; with the recipient, too, and only in its own tenant."""
    await people.create("ann", addresses=[recipients.Address(channel="email", value="Ann@Example.com")])
    stub, kind, name = people.rig.recipients, recipients.PersonalRules, "recipients/ann/rules"
    read = recipients.GetPersonalRulesRequest(name=name)
    assert await people.call(stub.GetPersonalRules, read) == kind(name=name)
    named = kind.Step(channel="email", address="ANN@example.com", after=Duration(seconds=300))
    whole = kind(name=name, urgent=[*steps("inbox", "email"), named], other=steps("email"))
    stored = await people.call(stub.ReplacePersonalRules, recipients.ReplacePersonalRulesRequest(rules=whole))
    assert [(step.channel, step.address, step.after.seconds) for step in stored.urgent] == [
        ("inbox", "", 0),
        ("email", "", 60),
        ("email", "ann@example.com", 300),
    ]
    assert await people.call(stub.GetPersonalRules, read) == stored
    assert (await people.get("recipients/ann")).rules.urgent == stored.urgent
    with pytest.raises(NotFound):
        await People(people.rig, "t2").call(stub.GetPersonalRules, read)
    cleared = await people.call(stub.ReplacePersonalRules, recipients.ReplacePersonalRulesRequest(rules=kind(name=name)))
    assert cleared == kind(name=name)
    assert not (await people.get("recipients/ann")).HasField("rules")


async def test_personal_rules_that_cannot_be_met_are_refused(people: People) -> None:
    """With the field and the reason; and an update of the recipient does not change them in passing."""
    await people.create("ann", addresses=[recipients.Address(channel="email", value="ann@example.com")])
    stub, kind, name = people.rig.recipients, recipients.PersonalRules, "recipients/ann/rules"
    late, early = kind.Step(channel="email", after=Duration(seconds=9)), kind.Step(channel="email", after=Duration(seconds=-1))
    for wrong, field in (
        (kind(name=name, urgent=[kind.Step(channel="pigeon")]), "rules.urgent[0].channel"),
        (kind(name=name, other=[kind.Step(channel="")]), "rules.other[0].channel"),
        (kind(name=name, other=[early]), "rules.other[0].after"),
        (kind(name=name, urgent=steps("email", "inbox", seconds=86401)), "rules.urgent[1].after"),
        (kind(name=name, urgent=steps(*["email"] * 50)), "rules.urgent"),
        (kind(name=name, urgent=[late, *steps("inbox")]), "rules.urgent[1].after"),
        (kind(name=name, urgent=[late, late]), "rules.urgent[1]"),
        (kind(name=name, urgent=[kind.Step(channel="email", address="bea@example.com")]), "rules.urgent[0].address"),
        (kind(name=name, urgent=[kind.Step(channel="email", address="nothing")]), "rules.urgent[0].address"),
        (kind(), "rules"),
    ):
        with pytest.raises(InvalidInput) as refused:
            await people.call(stub.ReplacePersonalRules, recipients.ReplacePersonalRulesRequest(rules=wrong))
        assert [violation.field for violation in refused.value.violations] == [field]
    gone = recipients.ReplacePersonalRulesRequest(rules=kind(name="recipients/bea/rules"))
    with pytest.raises(NotFound):
        await people.call(stub.ReplacePersonalRules, gone)
    with pytest.raises(InvalidInput, match="PUT /v1/recipients/ann/rules"):
        await people.update("rules", name="recipients/ann", rules=kind(urgent=steps("email")))
    with pytest.raises(InvalidInput) as refused:
        await people.create("bea", rules=kind(other=[kind.Step(channel="email", address="ann@example.com")]))
    assert [violation.field for violation in refused.value.violations] == ["recipient.rules.other[0].address"]
