"""Requests that are a JSON body and the texts of their path, on the fast path of `tocsin.protojson.fast`."""

import uuid
from collections.abc import Mapping, Sequence
from functools import cached_property

from tocsin.protojson.codec import Codec
from tocsin.protojson.fast import FastCodec
from tocsin.protojson.fields import MessageField


class FastBinder:
    """Makes request messages of one route."""

    def __init__(
        self,
        *,
        request: Codec,
        body: Codec,
        body_field: MessageField | None,
        variables: Mapping[str, Sequence[MessageField]],
        generated: Sequence[MessageField],
    ) -> None:
        """Compiles the plan.

        Args:
            request: the request type.
            body: the type of the body: that of ``body_field``, or the request type.
            body_field: the field of the request that the body is; None if the body is the request.
            variables: the fields that the path binds, by their paths.
            generated: fields that get a UUID if they are empty.

        Raises:
            LookupError: one of these fields is no text that stands for itself.
        """
        self._body = body
        self._wrap = None if body_field is None else request.converter.wrapper(body_field)
        self._variables = tuple((path, request.text_setter(fields)) for path, fields in variables.items())
        self._generated = tuple(request.text_setter((field,), keeps=True) for field in generated)

    @cached_property
    def _codec(self) -> FastCodec:
        return FastCodec(self._body)  # compiled for the first request: most routes of most gateways see none

    def bind(self, body: bytes, variables: Mapping[str, str], request_id: str = "") -> bytes:
        """Wire bytes of the request message; ``request_id`` is its identity if it has none, or else a new one.

        Raises:
            FastPathMiss: the fallback has to decide.
        """
        message = self._codec.message(body)
        if self._wrap is not None:
            message = self._wrap(message)
        for path, set_text in self._variables:
            set_text(message, variables[path])
        for set_text in self._generated:
            set_text(message, request_id or str(uuid.uuid4()))
        return self._codec.to_wire(message)
