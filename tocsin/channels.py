"""The channels of the contract: their names, and the addresses that each takes.

Every list of channels is this one: those of the command line, of filters and of the mailer's table.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from google.protobuf.descriptor import EnumDescriptor

from tocsin import addresses
from tocsin.addresses import AddressInvalid
from tocsin.api.mesh.v1 import policy_pb2
from tocsin.api.scheduler.v1 import alarm_pb2

EMAIL_ADDRESS: Final = ""
"""The address pattern of a channel that takes email addresses."""


def channels_of(enum: EnumDescriptor) -> Mapping[str, str]:
    """The address pattern of each channel, by the channel's name: ``{"email": ""}``."""
    return {value.name.lower(): value.GetOptions().Extensions[policy_pb2.address_pattern] for value in enum.values if value.number}


CHANNELS: Final = channels_of(alarm_pb2.Notify.Channel.DESCRIPTOR)

_FORMS: Final = {
    value.name.lower(): value.GetOptions().Extensions[policy_pb2.address_form] for value in alarm_pb2.Notify.Channel.DESCRIPTOR.values
}


def normal_address(text: str, channels: Iterable[str] = (), *, field: str = "to", known: Mapping[str, str] = CHANNELS) -> str:
    """The address in its normal form, if every one of the channels takes it; without a channel it is an email address.

    Args:
        text: what somebody wrote.
        channels: names; one that is not known takes whatever the others take.
        field: is named by the refusal.
        known: address patterns by channel.

    Raises:
        AddressInvalid: a channel does not take it.
    """
    named = {name: known[name] for name in channels if name in known}
    for name, pattern in named.items():
        if pattern and not re.fullmatch(pattern, text):
            raise AddressInvalid.at(field, f"must be {_FORMS.get(name) or f'what matches {pattern}'}")
    return addresses.normal_address(text, field=field) if not named or EMAIL_ADDRESS in named.values() else text
