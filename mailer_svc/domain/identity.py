"""Who a delivery is, and how an address is spelled."""

import hashlib
import re
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email

from mailer_svc.domain.errors import AddressInvalid

_ANY_DOMAIN = ".example.com"
_MAX_ADDRESS = 254  # RFC 5321, 4.5.3.1.3, less the angle brackets
# Nearly every address: dot-atom and host name of RFC 5321, 4.1.2, within the lengths of 4.5.3.1. Names in Punycode get the full check.
_PLAIN_ADDRESS = re.compile(
    r"(?=[^@]{1,64}@)([A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*)@"
    r"((?:(?![A-Za-z0-9-]{2}--)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*(?![A-Za-z0-9-]{2}--)[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)"
)


def delivery_id(*, tenant: str, firing: str, channel: str, address: str) -> str:
    """The id of a delivery: 32 hexadecimal digits that derive from what it is, so that handing it in twice gives the same.

    ``channel`` is the one asked for, empty for the default: a default that changes between two submissions makes no second delivery.
    Addresses that differ in case alone are one.
    """
    identity = "\0".join((tenant, firing, channel, address.casefold())).encode()
    return hashlib.blake2b(identity, digest_size=16).hexdigest()


def message_id(delivery: str, domain: str) -> str:
    """The Message-ID of every attempt at a delivery (RFC 5322, 3.6.4)."""
    return f"<{delivery}@{domain}>"


def normal_address(address: str) -> str:
    """The address with its domain in lower case and ASCII (IDNA); the local part keeps its case.

    Raises:
        AddressInvalid: it is not an address of RFC 5321 and RFC 6531; a line break in it is the usual header injection.
    """
    plain = _PLAIN_ADDRESS.fullmatch(address) if len(address) <= _MAX_ADDRESS else None
    if plain is not None:
        return f"{plain[1]}@{plain[2].lower()}"
    return _unusual_address(address)


@lru_cache(maxsize=4096)
def _unusual_address(address: str) -> str:
    try:
        if len(address) > _MAX_ADDRESS:
            raise AddressInvalid.at("to", f"longer than {_MAX_ADDRESS} characters")
        # Mail inside of a company, or of one machine, goes to names such as "localhost" or "intra.local" that the library refuses; as a
        # part of a longer name it asks nothing of them but their form.
        found = validate_email(address + _ANY_DOMAIN, check_deliverability=False, strict=True)
    except EmailNotValidError as error:
        raise AddressInvalid.at("to", str(error)) from None
    domain = (found.ascii_domain or "").removesuffix(_ANY_DOMAIN)
    if domain.rpartition(".")[2].isdigit():
        raise AddressInvalid.at("to", "the part after the @-sign is a number, not a name")
    return f"{found.local_part}@{domain}"
