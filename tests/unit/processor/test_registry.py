"""Handlers are found, described and checked."""

from typing import Any

import pytest

from processor_svc.actions import builtin
from processor_svc.domain import HandlerNotFound
from processor_svc.registry import Registry, handlers_of
from tests.unit.processor import sample_tasks
from tocsin.errors import InvalidInput


@pytest.fixture
def registry() -> Registry:
    """The handlers of the sample module."""
    return Registry(handlers_of(sample_tasks))


def test_marked_functions_alone_become_handlers(registry: Registry) -> None:
    """Each marked function is registered under its name, and nothing else is."""
    names = [handler.name for handler in registry]
    assert names == sorted(names)
    assert "sample.add" in names
    assert len(names) == 10


def test_our_own_handlers_are_async() -> None:
    """They run in the processor's loop."""
    own = handlers_of(builtin)
    assert {handler.name for handler in own} == {"uppercase", "noop", "log"}
    assert all(handler.is_async for handler in own)


def test_two_handlers_of_one_name_stop_the_start() -> None:
    """A name is never silently taken over."""
    with pytest.raises(InvalidInput, match=r"sample\.add"):
        Registry([*handlers_of(sample_tasks), *handlers_of(sample_tasks)])


def test_an_unknown_handler_is_refused_with_the_known_names(registry: Registry) -> None:
    """The error names the field and what there is."""
    with pytest.raises(HandlerNotFound) as caught:
        registry.get("nope")
    assert caught.value.violations[0].field == "handler"
    assert "sample.add" in caught.value.message


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({}, "input.left"),
        ({"left": "x"}, "input.left"),
        ({"left": 1, "other": 2}, "input.other"),
        ({"left": 1.5}, "input.left"),
    ],
)
def test_input_that_does_not_fit_names_the_field(registry: Registry, arguments: dict[str, Any], field: str) -> None:
    """Missing, unknown and mistyped arguments are each told by path."""
    with pytest.raises(InvalidInput) as caught:
        registry.get("sample.add").parse(arguments)
    assert [violation.field for violation in caught.value.violations] == [field]


def test_input_is_converted_and_defaults_are_filled_in(registry: Registry) -> None:
    """JSON numbers arrive as floats; integers come out of them."""
    assert registry.get("sample.add").parse({"left": 2.0}) == {"left": 2, "right": 1}


def test_the_schema_leaves_the_context_out(registry: Registry) -> None:
    """A handler's context is not input."""
    assert registry.get("sample.sync").input_schema.get("properties", {}) == {}
    assert registry.get("sample.add").input_schema["required"] == ["left"]
