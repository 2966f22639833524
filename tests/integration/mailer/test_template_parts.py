"""Templates in several versions, channels and languages, and with declared variables."""

from typing import Any

import pytest
from google.protobuf import struct_pb2

from tests.integration.mailer.support import Rig, message
from tocsin.api.mailer.v1 import delivery_service_pb2
from tocsin.api.mailer.v1 import template_service_pb2 as pb
from tocsin.errors import InvalidInput, NotFound

NAME = "templates/greeting"
PARTS: list[dict[str, Any]] = [
    {"channel": "inbox", "text": "inbox"},
    {"channel": "inbox", "locale": "de", "text": "inbox de", "subject": "Hallo"},
    {"locale": "de_ch", "text": "Grüezi {{ recipient.name }} {{ recipient.attributes.plan }}{{ recipient_attributes_plan }}"},
    {"locale": "de", "text": "Guten Tag {{ recipient.name|default('unbekannt') }}"},
]


async def rendered(rig: Rig, **fields: Any) -> pb.RenderTemplateResponse:
    """What a template says."""
    with rig.user():
        return await rig.templates.RenderTemplate(pb.RenderTemplateRequest(name=NAME, **fields))


async def update(rig: Rig, text: str, **fields: Any) -> pb.Template:
    """A new version."""
    given = pb.Template(name=NAME, subject="Hi", text=text)
    with rig.user():
        return await rig.templates.UpdateTemplate(pb.UpdateTemplateRequest(template=given, **fields))


async def test_a_version_is_promoted_at_once_or_later(rig: Rig) -> None:
    """Messages are made of the promoted one; each can be read, listed and rendered."""
    await rig.template(text="one {{ name }}")
    assert (await update(rig, "two {{ name }}")).promoted
    later = await update(rig, "three", promote=False)
    assert (later.version, later.promoted) == (3, False)
    use = delivery_service_pb2.TemplateContent(template=NAME, variables={"name": "Ann"})
    await rig.deliver(message(1, template=use))
    with rig.user():
        assert (await rig.templates.GetTemplate(pb.GetTemplateRequest(name=NAME))).text == "two {{ name }}"
        promoted = await rig.templates.PromoteTemplate(pb.PromoteTemplateRequest(name=NAME, version=1))
        assert (promoted.version, promoted.text, promoted.promoted) == (1, "one {{ name }}", True)
        page = await rig.templates.ListTemplateVersions(pb.ListTemplateVersionsRequest(name=NAME, page_size=2))
        rest = await rig.templates.ListTemplateVersions(pb.ListTemplateVersionsRequest(name=NAME, page_token=page.next_page_token))
    assert [(item.version, item.promoted) for item in (*page.templates, *rest.templates)] == [(3, False), (2, False), (1, True)]
    await rig.deliver(message(2, template=use))
    assert sorted(mail.text for mail in await rig.messages()) == ["one Ann", "two Ann"]
    assert (await rendered(rig, version=3)).text == "three"


@pytest.mark.parametrize("name", [NAME, "templates/nope"])
async def test_a_version_that_is_not_there_cannot_be_promoted(rig: Rig, name: str) -> None:
    """Nor can one of another tenant; nor are there versions of nothing."""
    await rig.template(tenant="t2")
    with rig.user(), pytest.raises(NotFound):
        await rig.templates.PromoteTemplate(pb.PromoteTemplateRequest(name=name, version=1))
    with rig.user(), pytest.raises(NotFound):
        await rig.templates.ListTemplateVersions(pb.ListTemplateVersionsRequest(name=name))


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("channel", "locale", "text"),
    [
        ("inbox", "de-AT", "inbox de"),
        ("inbox", "fr", "inbox"),
        ("inbox", "", "inbox"),
        ("push", "de-CH-1996", "Grüezi Ann goldgold"),
        ("push", "de", "Guten Tag Ann"),
        ("", "DE_ch", "Grüezi Ann goldgold"),
        ("", "", "Hello Ann.\n"),
        ("push", "fr", "Hello Ann.\n"),
    ],
)
async def test_the_part_is_the_nearest_one(shared: Rig, channel: str, locale: str, text: str) -> None:
    """The channel goes before the language; the recipient is there by name, as a structure and as one name."""
    await shared.template(parts=PARTS)
    recipient = struct_pb2.Struct()
    recipient.update({"name": "Ann", "locale": "it", "attributes": {"plan": "gold"}})
    found = await rendered(shared, channel=channel, locale=locale, variables={"name": "Ann"}, recipient=recipient)
    assert found.text == text
    assert found.subject == ("Hallo" if text == "inbox de" else "Hi Ann")


@pytest.mark.asyncio(loop_scope="module")
async def test_a_reader_whose_language_nobody_says_has_that_of_the_recipient(shared: Rig) -> None:
    """One that says odd things of it is refused."""
    await shared.template(parts=PARTS)
    recipient = struct_pb2.Struct()
    recipient.update({"locale": "de"})
    found = await rendered(shared, variables={"name": "x"}, recipient=recipient)
    assert (found.text, found.locale) == ("Guten Tag unbekannt", "de")
    with pytest.raises(InvalidInput, match="language tag"):
        await rendered(shared, locale="not a tag")


async def test_an_address_gets_the_part_of_its_channel(rig: Rig) -> None:
    """Of which no language is known; the recipient is empty."""
    await rig.template(parts=[{"channel": "inbox", "text": "inbox [{{ recipient.name }}]"}, *PARTS[2:]])
    await rig.deliver(message(1, template=delivery_service_pb2.TemplateContent(template=NAME, variables={"name": "Ann"})))
    assert [mail.text for mail in await rig.messages()] == ["inbox []"]


@pytest.mark.asyncio(loop_scope="module")
async def test_buttons_are_filled_in_and_those_that_open_no_page_are_left_out(shared: Rig) -> None:
    """Whatever an event brings."""
    actions = [
        pb.TemplateAction(label="Open\n{{ name }}", url="https://example.org/{{ id|urlencode }}"),
        pb.TemplateAction(label="{{ none|default('') }}", url="https://example.org/"),
        pb.TemplateAction(label="Odd", url="{{ link }}"),
    ]
    await shared.template(actions=actions)
    found = await rendered(shared, variables={"name": "it", "id": "a/b", "link": "javascript:alert(1)"})
    assert [(action.label, action.url) for action in found.actions] == [("Open it", "https://example.org/a%2Fb")]


DECLARED = [
    pb.TemplateVariable(name="name", required=True, example="Ann"),
    pb.TemplateVariable(name="place", default="here"),
    pb.TemplateVariable(name="unused"),
]


async def test_declared_variables_are_a_contract(rig: Rig) -> None:
    """What is required and missing is named, and so is what is not declared; defaults are taken, and examples in a preview."""
    made = await rig.template(text="{{ name }} {{ place }} {{ event.data }}", declared_variables=DECLARED)
    assert list(made.required_variables) == ["name"]
    assert (await rendered(rig)).text == "Ann here "

    async def sent(**variables: str) -> tuple[str, str]:
        use = delivery_service_pb2.TemplateContent(template=NAME, variables=variables)
        (ack,) = await rig.deliver(message(len(variables) + 1, template=use))
        return ack.reason, ack.message

    assert await sent() == ("VARIABLE_MISSING", "variables: missing: name")
    assert await sent(name="x", nmae="y") == ("VARIABLE_UNKNOWN", "variables: not declared by the template: nmae")
    assert await sent(name="x") == ("", "")
    assert [mail.text for mail in await rig.messages()] == ["x here "]


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"parts": [{"channel": "pigeon", "text": "x"}]}, "template.parts[0].channel", "there is no channel 'pigeon'"),
    ({"parts": [{"locale": "de", "text": "x"}, {"locale": "DE", "text": "y"}]}, "template.parts[1]", "two parts"),
    ({"parts": [{"text": "x"}]}, "template.parts[0]", "needs a channel or a locale"),
    ({"parts": [{"locale": "a_b_c", "text": "x"}]}, "template.parts[0].locale", "language tag"),
    ({"parts": [{"locale": "de", "subject": "x"}]}, "template.parts[0].text", "at least one"),
    ({"parts": [{"locale": "de", "text": "ok"}, {"locale": "fr", "text": "\n{{ a"}]}, "template.parts[1].text", "line 2"),
    ({"parts": [{"locale": "de", "text": "a\0b"}]}, "template.parts[0].text", "U+0000"),
    ({"text": "{% x %}"}, "template.text", "line 1"),
    ({"actions": [{"label": "a", "url": "ftp://x"}]}, "template.actions[0].url", "must begin with https://"),
    ({"actions": [{"label": "{{ a", "url": "https://x"}]}, "template.actions[0].label", "line 1"),
    ({"parts": [{"locale": "de", "text": "x", "actions": [{"label": "a", "url": "{{ a() }}"}]}]},
     "template.parts[0].actions[0].url", "Call"),
    ({"declared_variables": [{"name": "name"}, {"name": "name"}]}, "template.declared_variables[1].name", "declared twice"),
    ({"declared_variables": [{"name": "x", "required": True, "default": "y"}]}, "template.declared_variables[0].default", "no default"),
    ({"declared_variables": [{"name": "x"}]}, "template", "uses name, which declared_variables does not have"),
    ({"parts": [{"locale": f"a{x}{y}", "text": "".join(f"{{{{ v{x}{y}{n} }}}}" for n in range(9))} for x in "abcd" for y in "abcd"]},
     "template", "uses 145 variables of at most 100"),
]  # fmt: skip


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("fields", "field", "words"), BAD)
async def test_a_template_that_is_wrong_is_refused_by_its_field(shared: Rig, fields: dict[str, Any], field: str, words: str) -> None:
    """At create and at update."""
    await shared.template("templates/good")
    with pytest.raises(InvalidInput) as caught:
        await shared.template(**fields)
    assert ([each.field for each in caught.value.violations], words in caught.value.message) == ([field], True)
    values: dict[str, Any] = {"name": "templates/good", "subject": "s", "text": "{{ name }}", **fields}
    bad = pb.Template(**values)
    with shared.user(), pytest.raises(InvalidInput) as caught:
        await shared.templates.UpdateTemplate(pb.UpdateTemplateRequest(template=bad))
    assert [each.field for each in caught.value.violations] == [field]


@pytest.mark.asyncio(loop_scope="module")
async def test_html_is_kept_as_it_is_written_and_sent_with_its_styles_in_place(shared: Rig) -> None:
    """What is doubtful about it is told at create and at update, and what runs is refused by its field."""
    source = "<style>p{margin:0}</style><p>{{ name }}</p><img src=https://example.org/x.png>"
    made = await shared.template(html=source, parts=[{"locale": "de", "html": "<div>"}])
    assert [(item.field, item.reason.split(";")[0]) for item in made.warnings] == [
        ("template.html", "line 1: img has no alt text"),
        ("template.parts[0].html", "line 1: div is not closed"),
        ("template.parts[0].text", "there is no text for those who read no HTML"),
    ]
    assert made.html == source
    found = await rendered(shared, variables={"name": "<Ann>"})
    assert found.html == source.replace("<p>{{ name }}", '<p style="margin: 0">&lt;Ann&gt;')
    with pytest.raises(InvalidInput, match="script elements") as caught:
        await shared.template("templates/bad", parts=[{"locale": "de", "html": "<script>"}])
    assert [each.field for each in caught.value.violations] == ["template.parts[0].html"]


@pytest.mark.asyncio(loop_scope="module")
async def test_a_template_is_tried_out_before_it_is_saved(shared: Rig) -> None:
    """With its doubts and variables; nothing is stored."""
    given = pb.Template(name=NAME, subject="s", text="{{ a }}", html="<b>", parts=[pb.TemplatePart(locale="de", text="de {{ a }}")])
    with shared.user():
        found = await shared.templates.PreviewTemplate(pb.PreviewTemplateRequest(template=given, variables={"a": "x"}, locale="de-AT"))
        assert (found.text, found.locale, list(found.variables), len(found.warnings)) == ("de x", "de", ["a"], 1)
        with pytest.raises(InvalidInput, match="missing: a"):
            await shared.templates.PreviewTemplate(pb.PreviewTemplateRequest(template=given))
        with pytest.raises(NotFound):
            await shared.templates.GetTemplate(pb.GetTemplateRequest(name=NAME))


@pytest.mark.asyncio(loop_scope="module")
async def test_a_test_message_goes_the_way_of_every_message(shared: Rig) -> None:
    """Its delivery is of nothing that is not there; what cannot be sent is said at once."""
    await shared.template(parts=[{"channel": "inbox", "text": "inbox {{ name }}"}])
    with shared.user():
        values: dict[str, Any] = {"name": NAME, "to": "ann@example.com", "variables": {"name": "Ann"}}
        sent = await shared.templates.SendTestMessage(pb.SendTestMessageRequest(**values))
        for change, words in (({"to": "nobody"}, "to"), ({"variables": {}}, "missing: name")):
            odd: dict[str, Any] = {**values, **change}
            with pytest.raises(InvalidInput, match=words):
                await shared.templates.SendTestMessage(pb.SendTestMessageRequest(**odd))
    found = await shared.get(sent.delivery)
    assert (found.notification, found.firing) == ("", "")
    assert [mail.text for mail in await shared.messages()] == ["inbox Ann"]


@pytest.mark.asyncio(loop_scope="module")
async def test_templates_are_found(shared: Rig) -> None:
    """By what is in names and subjects, whatever the case; those that ship with Tocsin alone, or not at all."""
    await shared.template("templates/order", subject="Bestellung für {{ name }}", text="x")
    await shared.template("templates/zebra", subject="ORDER received", text="x")

    async def found(filter: str, **fields: Any) -> list[str]:  # noqa: A002 - the word of the contract
        with shared.user():
            return [
                item.name for item in (await shared.templates.ListTemplates(pb.ListTemplatesRequest(filter=filter, **fields))).templates
            ]

    assert await found('text="order"') == ["templates/order", "templates/zebra"]
    assert await found('text="FÜR"', show_built_in=True) == ["templates/order"]
    shipped = await found("built_in=true")
    assert "templates/tocsin.alarm" in shipped
    assert await found("built_in=true", show_built_in=True) == shipped
    assert await found("built_in=false", show_built_in=True) == ["templates/order", "templates/zebra"]
    assert await found('text="ALARM" AND built_in=true') == [name for name in shipped if "alarm" in name]
    with pytest.raises(InvalidInput):
        await found('subject="x"')


async def test_templates_ship_and_can_be_replaced(rig: Rig) -> None:
    """Every tenant has them without making any; one of the same code takes its place, and gives it back when it goes."""
    with rig.user():
        listed = await rig.templates.ListTemplates(pb.ListTemplatesRequest(show_built_in=True))
        assert not (await rig.templates.ListTemplates(pb.ListTemplatesRequest())).templates
        names = [item.name for item in listed.templates]
        assert "templates/tocsin.alarm" in names
        assert all(item.built_in and not item.warnings for item in listed.templates)
        for name in names:
            for channel, locale in (("", ""), ("email", "de-CH"), ("push", ""), ("push", "de")):
                context = struct_pb2.Struct()
                context.update({"items": [{"subject": "One", "text": "a", "time": "10:00"}, {"subject": "Two"}]})
                request = pb.RenderTemplateRequest(name=name, channel=channel, locale=locale, context=context)
                said = await rig.templates.RenderTemplate(request)
                assert (bool(said.subject), bool(said.text), bool(said.html)) == (True, True, channel != "push" or said.channel == "")
                assert said.locale == locale[:2]
        with pytest.raises(NotFound, match="ships with Tocsin"):
            await rig.templates.DeleteTemplate(pb.DeleteTemplateRequest(name="templates/tocsin.alarm", force=True))
    use = delivery_service_pb2.TemplateContent(template="templates/tocsin.alarm", variables={"title": "Disk full"})
    await rig.deliver(message(1, template=use))
    await rig.template("templates/tocsin.alarm", subject="Own {{ title }}", text="x")
    await rig.deliver(message(2, template=use))
    with rig.user():
        shown = await rig.templates.ListTemplates(pb.ListTemplatesRequest(show_built_in=True))
        assert [item.name for item in shown.templates] == names
        assert [item.name for item in shown.templates if not item.built_in] == ["templates/tocsin.alarm"]
        await rig.templates.DeleteTemplate(pb.DeleteTemplateRequest(name="templates/tocsin.alarm", force=True))
    await rig.deliver(message(3, template=use))
    assert sorted(mail.subject for mail in await rig.messages()) == ["Disk full", "Disk full", "Own Disk full"]
