"""The fast path from JSON text to messages: it takes what is surely valid; the fallback, `tocsin.protojson.codec`, decides on all else.

The types of a contract are compiled to types of msgspec, which parses a text and checks it in one go. A text that passes is converted as
it stands, by the rules that the fallback follows as well. So the check has to keep out what the fallback refuses or rewrites before it
converts: names that are unknown or given twice, two members of a oneof, null, free-form JSON beyond the bounds of
`tocsin.values`, durations in other forms than protobuf's. Whatever else is wrong, the converter refuses.

With `KnownRules` the message must also be valid by the rules of the contract (buf.validate), so that no validator need be asked.
"""

from collections.abc import Collection
from typing import Any, Final

import msgspec
from google.protobuf.descriptor import Descriptor

from tocsin.protojson.codec import Codec
from tocsin.protojson.constraints import KnownRules, UnknownRule
from tocsin.protojson.converters import FAILURES, Message
from tocsin.protojson.guards import FastPathMiss, GuardCompiler, Reader
from tocsin.values import MAX_ITEMS

__all__ = ["FastCodec", "FastFields", "FastPathMiss"]

_FAILURES: Final = (msgspec.MsgspecError, *FAILURES)
_MAX_VALIDATED: Final = 8 * 1024
_BACKSLASH, _DELETE, _QUOTE, _UNDERSCORE = b'\\\x7f"_'
_encode: Final = msgspec.json.Encoder().encode


class FastCodec:
    """Reads the JSON of one type on the fast path."""

    def __init__(self, codec: Codec, *, rules: KnownRules | None = None) -> None:
        """Compiles the type.

        Args:
            codec: converts the type, and is the fallback.
            rules: asks for messages that are valid by the rules of the contract; None asks for messages alone.
        """
        self._read = _Texts(codec.descriptor, rules=rules).read
        self._parse = codec.converter.read_text
        self._wire = codec.converter.wire

    def message(self, text: bytes) -> Message:
        """The message that a JSON object means.

        Raises:
            FastPathMiss: the fallback has to decide.
        """
        try:
            self._read(text)
            return self._parse(text)
        except _FAILURES as error:
            raise FastPathMiss from error

    def wire(self, text: bytes) -> bytes:
        """The same as wire bytes.

        Raises:
            FastPathMiss: the fallback has to decide.
        """
        try:  # `message` and `to_wire` in one: the hot path of imports
            self._read(text)
            return self._wire(self._parse(text))
        except _FAILURES as error:
            raise FastPathMiss from error

    def to_wire(self, message: Message) -> bytes:
        """The wire bytes of a message that the fast path has made.

        Raises:
            FastPathMiss: it holds a value that was not checked and cannot be written, such as an enum's number of more than 32 bits.
        """
        try:
            return self._wire(message)
        except _FAILURES as error:
            raise FastPathMiss from error


class FastFields:
    """Reads the fields of the JSON of one type on the fast path, without making a message of them."""

    def __init__(self, codec: Codec, *, rules: KnownRules, raw: Collection[str] = ()) -> None:
        """Compiles the type; ``raw`` are fields, by their names in the contract, that are left as the text that they are."""
        self._read = _Texts(codec.descriptor, rules=rules, raw=raw, converted=False).read

    def read(self, text: bytes) -> Any:
        """The fields of a JSON object as attributes, by their names in the contract; what is not given is false.

        Values are as JSON has them, enums by their names; raw fields are text.

        Raises:
            FastPathMiss: the fallback has to decide.
        """
        try:
            return self._read(text)
        except _FAILURES as error:
            raise FastPathMiss from error


class _Texts:
    """Parses the texts of one type that are surely valid; raises one of `_FAILURES` at others."""

    def __init__(self, descriptor: Descriptor, *, rules: KnownRules | None, raw: Collection[str] = (), converted: bool = True) -> None:
        def compiled(*, plain: bool) -> tuple[Reader, ...]:
            names = (True, False)
            compilers = [GuardCompiler(rules=rules, plain=plain, json_names=json_names, converted=converted) for json_names in names]
            try:
                return tuple(compiler.reader(descriptor, raw) for compiler in compilers)
            except (UnknownRule, ValueError):  # or a JSON name that holds a quote
                return ()

        self._longest = MAX_ITEMS if rules is None else _MAX_VALIDATED
        self._readers = compiled(plain=False)
        self._plain_readers = self._readers if rules is None else compiled(plain=True)

    def read(self, text: bytes) -> Any:
        """The value of a text, whose fields are attributes."""
        if len(text) > self._longest:
            raise FastPathMiss  # it may break a bound on what a message holds in all
        # JSON has no control characters in its strings but behind a backslash, and but for DEL. A byte is looked for faster than bytes.
        if _BACKSLASH not in text and _DELETE not in text:
            return _first(self._plain_readers, text)
        if b"\\u0022" in text or b"\\u0000" in text:
            raise FastPathMiss
        return _first(self._readers, text)


def _first(readers: tuple[Reader, ...], text: bytes) -> Any:
    """The value that the first reader makes which knows the names of the text."""
    # Names of the contract have an underscore nearly always; those that have none are for the fallback.
    for reader in readers if _UNDERSCORE in text else readers[:1]:
        try:
            value = reader.decode(text)
        except msgspec.ValidationError:
            continue
        # A name that is given twice is given once in what is written again.
        if _encode(value).count(_QUOTE) != text.count(_QUOTE):
            raise FastPathMiss
        if reader.guard is not None:
            reader.guard(value)
        return value
    raise FastPathMiss
