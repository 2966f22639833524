"""The contract of the measurements, compiled from its source."""

import functools
import importlib.resources
import sys
import sysconfig
from pathlib import Path
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SOURCE: Final = Path(__file__).resolve().parent / "echo.proto"
SERVICE: Final = "bench.v1.Echo"


def compiled(folder: Path) -> Path:
    """The descriptor set, with its imports, in a file of ``folder``."""
    from grpc_tools import protoc

    tool: Any = protoc
    made = folder / "echo.binpb"
    includes = [SOURCE.parent, sysconfig.get_path("purelib"), importlib.resources.files("grpc_tools") / "_proto"]
    if tool.main(["protoc", *(f"-I{each}" for each in includes), "--include_imports", f"--descriptor_set_out={made}", str(SOURCE)]):
        sys.exit("echo.proto cannot be compiled")
    return made


@functools.cache
def item(file: Path) -> Any:
    """The class of an item, from the descriptor set in a file."""
    pool = descriptor_pool.DescriptorPool()
    for each in descriptor_pb2.FileDescriptorSet.FromString(file.read_bytes()).file:
        pool.Add(each)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("bench.v1.Item"))
