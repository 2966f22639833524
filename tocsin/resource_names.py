"""Names of resources (AIP-122) and the paths that they become.

A name that a caller brings is checked before it is put into a path: ``records/k1`` in place of an alarm's name would reach another
resource, and so would ``alarms/../records/k1``, for HTTP clients and proxies take dot segments away (RFC 3986, 5.2.4).
"""

import re
from typing import Final
from urllib.parse import quote

from tocsin.errors import InvalidInput

_LONGEST: Final = 64
_ID: Final = re.compile(r"[^/\x00-\x1f\x7f]+")


class NameInvalid(InvalidInput):
    """The resource name is not valid."""


def resource_path(name: str, collection: str, *, field: str = "name") -> str:
    """The REST path of a resource, such as ``/v1/alarms/01J...``; what a path cannot hold is percent-encoded.

    Args:
        name: the full name, such as ``alarms/01J...``.
        collection: what must stand before its id, such as "alarms" or "inbox/messages".
        field: names the argument in the error.

    Raises:
        NameInvalid: the name is of another collection, or its id is empty, longer than 64 characters, or no segment of a path.
    """
    head, _, identity = name.rpartition("/")
    if head != collection or identity in (".", "..") or len(identity) > _LONGEST or _ID.fullmatch(identity) is None:
        raise NameInvalid.at(field, f"must be {collection}/{{id}}")
    return f"/v1/{collection}/{segment(identity)}"


def path_segments(text: str) -> str:
    """``text`` as several segments of a path, divided by its slashes."""
    return "/".join(segment(part) for part in text.split("/"))


def segment(text: str) -> str:
    """``text`` as one segment of a path; a dot segment does not survive as one."""
    return "%2E" * len(text) if text in (".", "..") else quote(text, safe="~", errors="surrogatepass")


def check_unnamed(name: str, *, field: str) -> None:
    """Refuses a name for what is about to be made, where Tocsin gives the names.

    Args:
        name: as the caller's resource has it.
        field: its place in the request, such as "alarm.name".

    Raises:
        NameInvalid: there is one; a caller who is not told would look for the resource under it.
    """
    if name:
        raise NameInvalid.at(field, "is given by Tocsin when it is made; leave it out")
