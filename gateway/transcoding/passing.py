"""What is passed on of a request beside its path, its query and its body: chosen headers, and the query as it was sent."""

from collections.abc import Mapping
from typing import Final

from gateway.transcoding.template import TemplateError
from tocsin.api.mesh.v1 import http_pb2 as door_pb2
from tocsin.protojson.fields import FieldKind, JsonValue, MessageField, MessageType
from tocsin.protojson.text import put

_CREDENTIALS: Final = frozenset({"authorization", "cookie", "proxy-authorization"})


class Passed:
    """The fields of one request type that only the door fills (tocsin/api/mesh/v1/http.proto)."""

    def __init__(self, door: door_pb2.Http, request: MessageType) -> None:
        """Compiles the option of a method whose requests are of type ``request``.

        Raises:
            TemplateError: it names a field that does not exist or is of another kind, or a header that is never passed on.
        """
        self._headers = self._field(request, door.headers_field, of_map=True)
        self._query = self._field(request, door.query_field, of_map=False)
        if bool(door.headers) != (self._headers is not None):
            raise TemplateError(f"{request.type_name}: headers and headers_field belong together")
        if wrong := [name for name in door.headers if name in _CREDENTIALS or name != name.lower()]:
            raise TemplateError(f"{request.type_name}: the headers {wrong} are not passed on")
        self.headers = tuple(name.encode() for name in door.headers)

    @property
    def fields(self) -> frozenset[str]:
        """Names of the fields that nothing else may fill."""
        return frozenset(item.name for item in (self._headers, self._query) if item is not None)

    @property
    def takes_query(self) -> bool:
        """Whether the query is passed on as it is."""
        return self._query is not None

    def put(self, message: dict[str, JsonValue], *, headers: Mapping[str, str], query_string: bytes) -> None:
        """Fills the fields of ``message``, whatever stood in them."""
        if self._headers is not None:
            put(message, (self._headers,), dict(headers))
        if self._query is not None:
            put(message, (self._query,), query_string.decode("latin-1"))

    def _field(self, request: MessageType, name: str, *, of_map: bool) -> MessageField | None:
        if not name:
            return None
        found = request.fields.get(name)
        if found is None or found.kind is not FieldKind.STRING or found.map is not of_map or found.repeated:
            kind = "a map<string, string>" if of_map else "a string"
            raise TemplateError(f"{request.type_name}: {name!r} must be {kind}")
        return found
