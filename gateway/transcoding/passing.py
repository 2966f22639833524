"""What passes the door beside path, query and body.

Of a request: chosen headers, the query as it was sent, the method, the client's address. Of an answer: its status, chosen headers.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from gateway.transcoding.template import TemplateError
from tocsin.api.mesh.v1 import http_pb2 as door_pb2
from tocsin.protojson.codec import UnreadableReply
from tocsin.protojson.fields import FieldKind, JsonValue, MessageField, MessageType, as_object
from tocsin.protojson.text import put

_CREDENTIALS: Final = frozenset({"authorization", "cookie", "proxy-authorization"})
# What frames a message, belongs to its connection, carries a credential, or is the door's own to say.
_NOT_THE_SERVICE_S: Final = frozenset(
    {
        "allow", "connection", "content-encoding", "content-length", "content-security-policy", "content-type", "date", "keep-alive",
        "proxy-authenticate", "referrer-policy", "set-cookie", "strict-transport-security", "te", "trailer", "transfer-encoding",
        "upgrade", "vary", "www-authenticate", "x-content-type-options", "x-trace-id",
    }
)  # fmt: skip
_HEADER_NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\Z")
_HEADER_VALUE: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,998}[\x21-\x7e])?\Z")
_ETAG: Final = re.compile(r'(W/)?"[\x21\x23-\x7e]*"\Z')
_STATUSES: Final = range(200, 600)


class Passed:
    """The fields of one request type that only the door fills (tocsin/api/mesh/v1/http.proto)."""

    def __init__(self, door: door_pb2.Http, request: MessageType) -> None:
        """Compiles the option of a method whose requests are of type ``request``.

        Raises:
            TemplateError: it names a field that does not exist or is of another kind, or a header that is never passed on.
        """
        self._headers = self._field(request, door.headers_field, of_map=True)
        self._query = self._field(request, door.query_field, of_map=False)
        self._method = self._field(request, door.method_field, of_map=False)
        self._address = self._field(request, door.address_field, of_map=False)
        if bool(door.headers) != (self._headers is not None):
            raise TemplateError(f"{request.type_name}: headers and headers_field belong together")
        if wrong := [name for name in door.headers if not _is_passed_on(name)]:
            raise TemplateError(f"{request.type_name}: the headers {wrong} are not passed on")
        self.headers = tuple(name.encode() for name in door.headers)

    @property
    def fields(self) -> frozenset[str]:
        """Names of the fields that nothing else may fill."""
        filled = (self._headers, self._query, self._method, self._address)
        return frozenset(item.name for item in filled if item is not None)

    @property
    def takes_query(self) -> bool:
        """Whether the query is passed on as it is."""
        return self._query is not None

    def put(self, message: dict[str, JsonValue], *, headers: Mapping[str, str], query_string: bytes, method: str, address: str) -> None:
        """Fills the fields of ``message``, whatever stood in them."""
        if self._headers is not None:
            put(message, (self._headers,), dict(headers))
        if self._query is not None:
            put(message, (self._query,), query_string.decode("latin-1"))
        if self._method is not None:
            put(message, (self._method,), method)
        if self._address is not None:
            put(message, (self._address,), address)

    def _field(self, request: MessageType, name: str, *, of_map: bool) -> MessageField | None:
        if not name:
            return None
        found = request.fields.get(name)
        if found is None or found.kind is not FieldKind.STRING or found.map is not of_map or found.repeated:
            kind = "a map<string, string>" if of_map else "a string"
            raise TemplateError(f"{request.type_name}: {name!r} must be {kind}")
        return found


class Head(NamedTuple):
    """The head of an answer: its status, and headers beside that of its type, by names in lower case."""

    status: int
    headers: Mapping[str, str]


class AnswerHead:
    """The fields of one response type that make the head of an answer (tocsin/api/mesh/v1/http.proto)."""

    def __init__(self, door: door_pb2.Http, response: MessageType, *, beside_body: bool) -> None:
        """Compiles the option of a method whose answers are of type ``response``; ``beside_body``: only a part of them is the body.

        Raises:
            TemplateError: it names a field that does not exist or is of another kind, or a header that is not a service's to set.
        """
        self._status = self._field(response, door.status_field, beside_body, FieldKind.INTEGER, of_map=False)
        self._headers = self._field(response, door.response_headers_field, beside_body, FieldKind.STRING, of_map=True)
        if bool(door.response_headers) != (self._headers is not None):
            raise TemplateError(f"{response.type_name}: response_headers and response_headers_field belong together")
        if wrong := [name for name in door.response_headers if not is_settable(name)]:
            raise TemplateError(f"{response.type_name}: the headers {wrong} are not a service's to set")
        self._names = frozenset(door.response_headers)

    def of(self, value: Mapping[str, JsonValue], success: int = 200) -> Head:
        """The head of an answer, whose status is ``success`` unless it has one of its own.

        Raises:
            UnreadableReply: the status is none, or a header is not one of those that the contract names, or has no proper value.
        """
        status = success if self._status is None else value.get(self._status.json_name, success)
        if not isinstance(status, int) or status not in _STATUSES:
            raise UnreadableReply
        said = None if self._headers is None else as_object(value.get(self._headers.json_name))
        headers = {name: str(text) for name, text in (said or {}).items()}
        if not self._names.issuperset(headers) or not all(map(_HEADER_VALUE.match, headers.values())):
            raise UnreadableReply
        if (etag := headers.get("etag")) is not None and not _ETAG.match(etag):
            raise UnreadableReply
        return Head(status, headers)

    def _field(self, response: MessageType, name: str, beside_body: bool, kind: FieldKind, *, of_map: bool) -> MessageField | None:
        if not name:
            return None
        found = response.fields.get(name)
        if not beside_body or found is None or found.kind is not kind or found.map is not of_map or found.repeated:
            wanted = "a map<string, string>" if of_map else "an int32"
            raise TemplateError(f"{response.type_name}: {name!r} must be {wanted} beside a response body")
        return found


def is_settable(name: str) -> bool:
    """Whether a service may set a header of an answer."""
    return _HEADER_NAME.match(name) is not None and name not in _NOT_THE_SERVICE_S and not name.startswith("access-control-")


def _is_passed_on(name: str) -> bool:
    """Whether a header may be passed on, or those whose names begin so: never one that carries a credential."""
    prefix, star, behind = name.partition("*")
    if behind or name != name.lower() or not prefix:
        return False
    return not any(credential.startswith(prefix) if star else credential == name for credential in _CREDENTIALS)
