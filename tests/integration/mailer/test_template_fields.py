"""Every field of a template that a client can write is honoured, on each kind of database."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from google.api import field_behavior_pb2
from google.protobuf.descriptor import FieldDescriptor

from tests.integration.mailer.support import Rig
from tocsin.api.mailer.v1.template_service_pb2 import (
    CreateTemplateRequest,
    GetTemplateRequest,
    ListTemplatesRequest,
    Template,
    UpdateTemplateRequest,
)

NAME: Final = "templates/every-field"
VALUES: Final[dict[int, tuple[Any, Any]]] = {FieldDescriptor.TYPE_STRING: ("a value", "another"), FieldDescriptor.TYPE_BOOL: (True, False)}
OWN: Final[dict[str, tuple[Any, Any]]] = {  # of fields that take no text, or not any
    "channel": ("inbox", "email"),
    "locale": ("de-CH", "fr"),
    "url": ("https://example.org/1", "https://example.org/{{ a_value }}"),
}
VARIABLE: Final = {"name": "a_value", "description": "d", "example": "e"}
MESSAGES: Final[dict[str, tuple[Any, Any]]] = {  # a variable that is required has no default
    "TemplateVariable": ([{**VARIABLE, "required": True}, {"name": "b", "default": "x"}], [{**VARIABLE, "default": "y"}]),
}


@pytest.fixture
async def rig(tmp_path: Path, database_url: str) -> AsyncIterator[Rig]:
    """A mailer on each kind of database."""
    made = Rig(folder=tmp_path, database_url=database_url)
    await made.start()
    yield made
    await made.stop()


def value(field: FieldDescriptor, index: int) -> Any:
    """A value of a field, the first or the second one."""
    kind = field.message_type
    if kind is None:
        return OWN.get(field.name, VALUES.get(field.type, ()))[index]
    own = MESSAGES.get(kind.name)
    return own[index] if own else [{inner.name: value(inner, index) for inner in kind.fields}]


def full(index: int) -> Template:
    """A template with a value in every field."""
    return Template(name=NAME, **{field.name: value(field, index) for field in writable()})


def writable() -> Iterator[FieldDescriptor]:
    """The fields that are neither the name nor the server's."""
    extension: Any = field_behavior_pb2.field_behavior
    for field in Template.DESCRIPTOR.fields:
        if not {field_behavior_pb2.OUTPUT_ONLY, field_behavior_pb2.IDENTIFIER} & {*field.GetOptions().Extensions[extension]}:
            yield field


def lost(shown: Template, given: Template) -> list[str]:
    """The fields that are not what was given."""
    return [field.name for field in writable() if getattr(shown, field.name) != getattr(given, field.name)]


async def test_every_field_passes_every_door(rig: Rig) -> None:
    """Create, update, get and list show what was given; a field that is added is given, too."""
    first, second = full(0), full(1)
    wrong: list[str] = []
    with rig.user():
        for given, change in (
            (first, lambda: rig.templates.CreateTemplate(CreateTemplateRequest(template=first))),
            (second, lambda: rig.templates.UpdateTemplate(UpdateTemplateRequest(template=second, force=True))),
        ):
            wrong += [f"answer: {name}" for name in lost(await change(), given)]
            wrong += [f"get: {name}" for name in lost(await rig.templates.GetTemplate(GetTemplateRequest(name=NAME)), given)]
            (listed,) = (await rig.templates.ListTemplates(ListTemplatesRequest())).templates
            wrong += [f"list: {name}" for name in lost(listed, given)]
    assert wrong == []


def test_a_field_that_is_lost_is_named() -> None:
    """Whichever it is."""
    given = full(0)
    for field in writable():
        shown: Any = Template()
        shown.CopyFrom(given)
        shown.ClearField(field.name)
        assert lost(shown, given) == [field.name]
