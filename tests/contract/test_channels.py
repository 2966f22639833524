"""Every channel of the contract is in every place that has to know it. A new channel shows the places that lack it.

Each check takes the descriptor of `tocsin.api.scheduler.v1.Notify`, so that a contract with one more channel can be given to it.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, Final

import pytest
import typer.main
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import Descriptor

import mailer_svc.channels
from mailer_svc.channels import table
from mailer_svc.config import MailerSettings
from tocsin.api.mesh.v1 import policy_pb2
from tocsin.api.scheduler.v1 import alarm_pb2
from tocsin.channels import channels_of
from tocsin.cli.app import make_app
from tocsin.mesh.policy import contract

ROOT: Final = Path(__file__).resolve().parents[2]
NEW: Final = "pigeon"
README: Final = "mailer_svc/README.md"


def names(notify: Descriptor) -> list[str]:
    """The channels of the contract."""
    return list(channels_of(notify.enum_types_by_name["Channel"]))


def missing_in_rule(notify: Descriptor) -> Iterator[str]:
    """Channels that no alarm may name."""
    options: Any = notify.fields_by_name["channels"].GetOptions()
    (rules,) = (value for option, value in options.ListFields() if option.full_name == "buf.validate.field")
    yield from set(names(notify)) - set(getattr(rules.repeated.items.string, "in"))


def missing_in_mailer(notify: Descriptor) -> Iterator[str]:
    """Channels that no mailer sends by: there is no module of that name in mailer_svc/channels."""
    yield from set(names(notify)) - set(table(names(notify)))


def missing_in_command_line(notify: Descriptor) -> Iterator[str]:
    """Channels that the help of ``--channel`` does not name."""
    command: Any = typer.main.get_command(make_app())
    (option,) = (option for option in command.commands["alarm"].commands["add"].params if option.name == "channel")
    yield from (name for name in names(notify) if name not in option.help)


def missing_in_documents(notify: Descriptor, page: Callable[[str], str] = lambda name: (ROOT / name).read_text("utf-8")) -> Iterator[str]:
    """Channels without a row in the README of the mailer."""
    yield from (name for name in names(notify) if f"\n| `{name}` |" not in page(README))


def missing_in_words(notify: Descriptor) -> Iterator[str]:
    """Channels whose addresses are a pattern, and no words for whoever wrote another one."""
    for value in notify.enum_types_by_name["Channel"].values:
        options: Any = value.GetOptions()
        if options.Extensions[policy_pb2.address_pattern] and not options.Extensions[policy_pb2.address_form]:
            yield value.name.lower()


CHECKS: Final = [missing_in_rule, missing_in_mailer, missing_in_command_line, missing_in_documents, missing_in_words]


def grown() -> Descriptor:
    """The contract's Notify with one more channel, which nobody knows."""
    pool: Any = descriptor_pool.DescriptorPool()
    files = descriptor_pb2.FileDescriptorSet()
    files.CopyFrom(contract())
    for file in files.file:
        if file.name == alarm_pb2.DESCRIPTOR.name:
            (notify,) = (message for message in file.message_type if message.name == "Notify")
            (channel,) = (enum for enum in notify.enum_type if enum.name == "Channel")
            value = channel.value.add(name=NEW.upper(), number=1007)
            value.options.Extensions[policy_pb2.address_pattern] = "[a-z]+"
        pool.Add(file)
    return pool.FindMessageTypeByName(alarm_pb2.Notify.DESCRIPTOR.full_name)


@pytest.mark.parametrize("check", CHECKS)
def test_every_channel_is_everywhere(check: Callable[[Descriptor], Iterator[str]]) -> None:
    """The contract as it is."""
    assert list(check(alarm_pb2.Notify.DESCRIPTOR)) == []


@pytest.mark.parametrize("check", CHECKS)
def test_a_new_channel_is_missed(check: Callable[[Descriptor], Iterator[str]]) -> None:
    """Each check names the channel that was added to the contract alone."""
    assert list(check(grown())) == [NEW]


def test_every_module_of_a_channel_is_one_of_the_contract() -> None:
    """A channel that the contract does not name could never be asked for."""
    modules = (import_module(f"mailer_svc.channels.{module.name}") for module in iter_modules(mailer_svc.channels.__path__))
    found = {module.__name__.rpartition(".")[2]: module.CHANNEL.name for module in modules if hasattr(module, "CHANNEL")}
    assert found == {name: name for name in names(alarm_pb2.Notify.DESCRIPTOR)}


def test_the_settings_of_every_channel_are_settings_of_the_mailer() -> None:
    """What a channel's own settings type has, the mailer reads."""
    for channel in table().values():
        assert channel.settings.model_fields.keys() <= MailerSettings.model_fields.keys()


def test_a_channel_without_its_row_is_missed() -> None:
    """Each row is taken out."""
    for name in names(alarm_pb2.Notify.DESCRIPTOR):

        def without(page: str, name: str = name) -> str:
            return (ROOT / page).read_text("utf-8").replace(f"| `{name}` |", "| |")

        assert list(missing_in_documents(alarm_pb2.Notify.DESCRIPTOR, without)) == [name]
