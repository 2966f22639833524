"""The contract of the tests, compiled from its source."""

import functools
import importlib
import importlib.resources
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final

from google.protobuf import descriptor_pool, message_factory
from grpc_tools import protoc

from gateway.transcoding.contract import Contract
from protos.gen import SOURCE, validate_descriptors
from tocsin.protojson.converters import JsonCodec

PROTOS = Path(__file__).parent / "protos"


@functools.cache
def descriptor_set(file: str = "shelf/v1/shelf.proto") -> bytes:
    """The descriptor set of a file, of shelf.proto unless named, with imports and comments."""
    with tempfile.TemporaryDirectory() as folder:
        validate, out = Path(folder) / "validate.binpb", Path(folder) / "out.binpb"
        validate.write_bytes(validate_descriptors())
        arguments = [
            "protoc",
            f"--proto_path={PROTOS}",
            f"--proto_path={SOURCE}",
            f"--proto_path={importlib.resources.files('google.api').joinpath('../..')}",
            f"--proto_path={importlib.resources.files('grpc_tools') / '_proto'}",
            f"--descriptor_set_in={validate}",
            f"--descriptor_set_out={out}",
            "--include_imports",
            "--include_source_info",
            file,
        ]
        assert protoc.main(arguments) == 0
        return out.read_bytes()


CODECS: Final[tuple[JsonCodec, ...]] = ("protobuf-py", "protobuf")
_chosen: ContextVar[JsonCodec] = ContextVar("chosen", default=CODECS[0])


@contextmanager
def converted_by(codec: JsonCodec) -> Generator[None]:
    """Has the contracts of the tests convert JSON by ``codec`` for a while."""
    token = _chosen.set(codec)
    try:
        yield
    finally:
        _chosen.reset(token)


def chosen_codec() -> JsonCodec:
    """What converts JSON now."""
    return _chosen.get()


def contract() -> Contract:
    """The test contract."""
    return _contract(chosen_codec())


@functools.cache
def _contract(codec: JsonCodec) -> Contract:
    return Contract(descriptor_set=descriptor_set(), package="shelf.", codec=codec)


@functools.cache
def pool() -> descriptor_pool.DescriptorPool:
    """google.protobuf's own pool, with the test contract in it: there the mesh looks for the rules of a method."""
    importlib.import_module("google.api.httpbody_pb2")  # the services' contract brings it in as well, and only once
    made = descriptor_pool.Default()
    for file in contract().files.file:
        try:
            made.FindFileByName(file.name)
        except KeyError:
            made.AddSerializedFile(file.SerializeToString())
    return made


def message_type(name: str) -> Any:
    """google.protobuf's class of a message of the test contract, by its name in shelf.v1 or by its full name."""
    full_name = name if "." in name else f"shelf.v1.{name}"
    return message_factory.GetMessageClass(pool().FindMessageTypeByName(full_name))
