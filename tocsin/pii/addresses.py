"""Email and IP addresses."""

import ipaddress
import re
from collections.abc import Iterator
from typing import Final

from tocsin.pii.findings import PiiFinding, PiiKind

_LOCAL: Final = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]")
_LONGEST_LOCAL: Final = 64  # RFC 5321, 4.5.3.1.1
_TOP: Final = re.compile(r"xn--[A-Za-z0-9-]{1,59}|[^\W\d_]{2,63}")
_NAME: Final = re.compile(r"[\w.-]{1,253}+")  # RFC 1035, 2.3.4
# The first character of a pattern is one that is rare and can be searched for; what stands before it is looked at afterwards.
_V4: Final = re.compile(r"[0-9](?<![\w.].)[0-9]{0,2}(?:\.[0-9]{1,3}){3}(?![\w]|\.[0-9])")
_V6: Final = re.compile(r":[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){1,7}+(?:(?:\.[0-9]{1,3}){3})?(?![\w:])")
_HEXTET: Final = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{0,4}\Z")


def emails(text: str) -> Iterator[PiiFinding]:
    """Email addresses, those beyond ASCII too (RFC 6531). Each "@" is looked at once, and no character twice."""
    behind = -1
    while (sign := text.find("@", behind + 1)) >= 0:
        start = sign
        while start > max(behind + 1, sign - _LONGEST_LOCAL) and _LOCAL.match(text, start - 1):
            start -= 1
        while start < sign and text[start] in ".'`/":
            start += 1
        behind = sign
        end = _domain_end(text, sign + 1) if start < sign else 0
        if end:
            yield PiiFinding(PiiKind.EMAIL, start, end)
            behind = end - 1


def _domain_end(text: str, start: int) -> int:
    """Where the domain that begins there ends; 0 when it is none."""
    match = _NAME.match(text, start)
    if match is None:
        return 0
    labels: list[str] = []
    for label in match[0].split("."):
        if not label or len(label) > 63 or label[0] in "-_":
            break
        labels.append(label)
    while labels and _TOP.fullmatch(labels[-1].rstrip("-_")) is None:
        labels.pop()
    if len(labels) < 2:
        return 0
    return start + len(".".join(labels).rstrip("-_"))


def ip_addresses(text: str) -> Iterator[PiiFinding]:
    """IP addresses, but for those that are nobody's: unspecified, loopback, multicast, netmasks."""
    for match in _V4.finditer(text):
        if _is_somebodys(match[0]):
            yield PiiFinding(PiiKind.IP_ADDRESS, *match.span())
    for match in _V6.finditer(text):
        first = _HEXTET.search(text, max(0, match.start() - 5), match.start())
        if first is not None and _is_somebodys(text[first.start() : match.end()]):
            yield PiiFinding(PiiKind.IP_ADDRESS, first.start(), match.end())


def _is_somebodys(written: str) -> bool:
    try:
        address = ipaddress.ip_address(written)
    except ValueError:
        return False
    if written.startswith("255.") or (address.version == 6 and not any(character.isdigit() for character in written)):
        return False  # a netmask; the scope operator of a programming language, as in Add::Face
    return not (address.is_unspecified or address.is_loopback or address.is_multicast)
