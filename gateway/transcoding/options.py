"""What the operator may choose for a contract of another team, beside the strict rules of the door, which are the defaults.

The names of Envoy's transcoder and of grpc-gateway for the same things stand in docs/any-service.md.
"""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from tocsin.protojson.printing import PLAIN, Printing

StreamForm: TypeAlias = Literal["lines", "array", "events"]
"""What a stream of answers is: a line each, one JSON array, Server-Sent Events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcoding:
    """How the requests and answers of one method are read and shown.

    Attributes:
        status: HTTP status of a success.
        unknown_parameters: unknown query parameters are passed over.
        ignored_parameters: query parameters of these names are passed over.
        unknown_fields: unknown fields of JSON are passed over.
        enums_in_any_case: names of enums are read in upper and lower case.
        fields_parameter: the query parameter that names the fields of the answer which are shown; empty for none.
        forms: bodies may be application/x-www-form-urlencoded, and multipart/form-data.
        printing: how answers are written.
        printing_by_client: the client may choose otherwise by parameters of its Accept header.
        streams: what a stream of answers is when the client does not say.
    """

    status: int = 200
    unknown_parameters: bool = False
    ignored_parameters: frozenset[str] = frozenset()
    unknown_fields: bool = False
    enums_in_any_case: bool = False
    fields_parameter: str = ""
    forms: bool = False
    printing: Printing = PLAIN
    printing_by_client: bool = False
    streams: StreamForm = "lines"


STRICT: Final = Transcoding()
"""The rules of the door for Tocsin's own contract."""
