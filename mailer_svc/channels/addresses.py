"""Addresses that are not email addresses: what the contract's pattern says, and URLs read strictly."""

from collections.abc import Callable

from tocsin.addresses import AddressInvalid
from tocsin.channels import normal_address
from tocsin.egress.urls import UrlRefused, parse_url


def pattern_address(channel: str) -> Callable[[str], str]:
    """Takes what matches the pattern that the contract has for ``channel``, as it is."""
    return lambda text: normal_address(text, [channel])


def url_address(channel: str) -> Callable[[str], str]:
    """Takes URLs for ``channel``, in their normal form; where they lead is judged when a message is sent."""

    def normal(text: str) -> str:
        normal_address(text, [channel])
        try:
            return str(parse_url(text))
        except UrlRefused as error:
            raise AddressInvalid.at("to", str(error)) from None

    return normal


def is_url(address: str) -> bool:
    """Whether an address is the URL of something."""
    return address.startswith(("https://", "http://"))
