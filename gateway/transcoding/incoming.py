"""The parts of an HTTP request that a message is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """The parts of an HTTP request that make up a message."""

    variables: Mapping[str, str]
    query_string: bytes = b""
    body: bytes = b""
    content_type: str = ""
    last_event_id: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    is_form: bool = False
    """Whether the body is application/x-www-form-urlencoded."""
    is_multipart: bool = False
    """Whether the body is multipart/form-data."""
    accept: str = ""
    """The Accept header."""

    @property
    def is_body_alone(self) -> bool:
        """Whether all is said by the path and by a body of JSON."""
        return bool(self.body) and not (self.query_string or self.last_event_id or self.is_form or self.is_multipart)

    method: str = ""
    """As it was sent."""
    address: str = ""
    """Of the client."""
    request_id: str = ""
    """The identity of a request that has none; a new one unless given."""
