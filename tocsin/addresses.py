"""Addresses of mail: the one place that reads them, for requests, files, settings and the command line (pure).

``ann@example.com`` and ``Ann Example <ann@example.com>`` are understood. Refused is whatever no server could be asked to deliver to: the
syntax and the lengths of RFC 5321, 4.1.2 and 4.5.3.1, with the characters of RFC 6531; whether a domain exists is not asked.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from email_validator import EmailNotValidError, validate_email

from tocsin.errors import InvalidInput

_ANY_DOMAIN: Final = ".example.com"
_MAX_ADDRESS: Final = 254  # octets; RFC 5321, 4.5.3.1.3, less the angle brackets
_MAX_LOCAL: Final = 64  # octets; RFC 5321, 4.5.3.1.1
_LABEL: Final = r"(?![A-Za-z0-9-]{2}--)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"

PLAIN: Final = (
    r"(?=.{1,254}\Z)(?=[^@]{1,64}@)([A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*)@"
    rf"((?:{_LABEL}\.)*(?=[A-Za-z]){_LABEL})\Z"
)
"""What nearly every address matches, and nothing else does: a dot-atom and a host name. Names in Punycode get the full check."""

_PLAIN: Final = re.compile(PLAIN)
_NAMED: Final = re.compile(r"([^<>]*)<([^<>]*)>")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')


class AddressInvalid(InvalidInput):
    """The address is not an email address."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address, and the name of whoever reads what comes there; empty without one."""

    address: str
    name: str = ""


def parse_mailbox(text: str, *, field: str = "to") -> Mailbox:
    """Reads ``ann@example.com`` or ``Ann Example <ann@example.com>``; a name may be in quotes, and need not be, whatever it holds.

    Args:
        text: what somebody wrote; blanks around it mean nothing.
        field: is named by the refusal.

    Raises:
        AddressInvalid: it is neither.
    """
    given = text.strip(" ")
    if not given.isprintable():
        raise AddressInvalid.at(field, "contains a line break or another non-printable character")
    if not given.endswith(">"):
        return Mailbox(_normal(given, field))
    found = _NAMED.fullmatch(given)
    if found is None:
        raise AddressInvalid.at(field, 'must be an address or a name with an address, such as "Ann <ann@example.com>"')
    name = found[1].strip(" ")
    quoted = _QUOTED.fullmatch(name)
    return Mailbox(_normal(found[2].strip(" "), field), re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else name)


def normal_address(text: str, *, field: str = "to") -> str:
    """The address of a mailbox, its domain in lower case and ASCII (IDNA); the local part keeps its case.

    Raises:
        AddressInvalid: see `parse_mailbox`.
    """
    plain = _PLAIN.match(text)
    return f"{plain[1]}@{plain[2].lower()}" if plain else parse_mailbox(text, field=field).address


def _normal(address: str, field: str) -> str:
    plain = _PLAIN.match(address)
    if plain is not None:
        return f"{plain[1]}@{plain[2].lower()}"
    found, problem = _unusual(address)
    if problem:
        raise AddressInvalid.at(field, problem)
    return found


@lru_cache(maxsize=4096)
def _unusual(address: str) -> tuple[str, str]:
    """The normal form of an address, or why it is none."""
    if len(address) > _MAX_ADDRESS:
        return "", f"is longer than {_MAX_ADDRESS} octets"
    try:
        # Mail inside of a company, or of one machine, goes to names such as "localhost" or "intra.local" that the library refuses; as a
        # part of a longer name it asks nothing of them but their form.
        found = validate_email(address + _ANY_DOMAIN, check_deliverability=False, strict=True)
    except EmailNotValidError as error:
        return "", str(error).replace(_ANY_DOMAIN, "")
    domain = (found.ascii_domain or "").removesuffix(_ANY_DOMAIN)
    normal = f"{found.local_part}@{domain}"
    if domain.rpartition(".")[2].isdigit():
        return "", "ends in a number behind the @-sign, not in a name"
    if len(found.local_part.encode()) > _MAX_LOCAL:
        return "", f"has more than {_MAX_LOCAL} octets before the @-sign"
    if len(normal.encode()) > _MAX_ADDRESS:
        return "", f"is longer than {_MAX_ADDRESS} octets"
    return normal, ""
