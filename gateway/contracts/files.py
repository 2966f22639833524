"""Descriptor sets in files of the operator: read, and checked before anything is made of them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.message import DecodeError

from tocsin.api.mesh.v1 import http_pb2, policy_pb2
from tocsin.mesh.policy import qualified

MAX_BYTES: Final = 50 * 1024 * 1024
"""Largest descriptor set; that of all of googleapis' annotated files is 20 MB."""

_POLICY_FILE: Final = "tocsin/api/mesh/v1/policy.proto"
_DOOR_FILE: Final = "tocsin/api/mesh/v1/http.proto"
_EDITIONS: Final = frozenset({descriptor_pb2.EDITION_2023, descriptor_pb2.EDITION_2024})
_MOST_NAMED: Final = 5
# Everybody has these, in versions of their own.
_COMMON: Final = ("google/", "buf/validate/", "grpc/")


class ContractRefused(ValueError):
    """A file cannot be served; the text says why, without the file's name."""


def read_file(path: Path) -> descriptor_pb2.FileDescriptorSet:
    """The descriptor set in a file, whose files can be loaded in their order.

    Raises:
        ContractRefused: there is no such file, it is too large, or it is no descriptor set with all that it imports.
    """
    try:
        size = path.stat().st_size
        raw = b"" if size > MAX_BYTES else path.read_bytes()
    except OSError as error:
        raise ContractRefused(f"it cannot be read: {error.strerror}") from error
    if size > MAX_BYTES:
        raise ContractRefused(f"it has {size:,} bytes; the most is {MAX_BYTES:,}")
    return checked(raw)


def checked(raw: bytes) -> descriptor_pb2.FileDescriptorSet:
    """The descriptor set that ``raw`` is.

    Raises:
        ContractRefused: as `read_file`.
    """
    try:
        files = descriptor_pb2.FileDescriptorSet.FromString(raw)
    except DecodeError as error:
        raise ContractRefused(_NO_SET) from error
    if not files.file or not all(file.name for file in files.file):
        raise ContractRefused(_NO_SET)
    _check_names(files)
    ordered = descriptor_pb2.FileDescriptorSet(file=_in_order(files))
    _check_syntax(ordered)
    _check_links(ordered)
    _drop_foreign_options(ordered)
    if not any(file.service for file in ordered.file):
        raise ContractRefused("it has no service")
    return ordered


_NO_SET: Final = (
    "it is no descriptor set; make one by `protoc --include_imports --descriptor_set_out=FILE ...` or `buf build -o FILE`, not compressed"
)


def _check_names(files: descriptor_pb2.FileDescriptorSet) -> None:
    seen: set[str] = set()
    for file in files.file:
        if file.name in seen:
            raise ContractRefused(f"it has {file.name} twice")
        seen.add(file.name)
    missing = sorted({name for file in files.file for name in file.dependency} - seen)
    if missing:
        named = ", ".join(missing[:_MOST_NAMED])
        more = f" and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
        raise ContractRefused(f"it misses {named}{more}, which it imports; make it with --include_imports")


def _in_order(files: descriptor_pb2.FileDescriptorSet) -> Iterator[descriptor_pb2.FileDescriptorProto]:
    """The files, each behind those that it imports."""
    waiting = {file.name: file for file in files.file}
    done: set[str] = set()
    while waiting:
        ready = [file for file in waiting.values() if done.issuperset(file.dependency)]
        if not ready:
            raise ContractRefused(f"its files import one another in a circle: {', '.join(sorted(waiting)[:_MOST_NAMED])}")
        for file in ready:
            done.add(file.name)
            del waiting[file.name]
            yield file


def _check_syntax(files: descriptor_pb2.FileDescriptorSet) -> None:
    for file in files.file:
        if file.syntax not in ("", "proto2", "proto3", "editions"):
            raise ContractRefused(f"{file.name} has the syntax {file.syntax!r}; proto2, proto3 and editions are known")
        if file.syntax == "editions" and file.edition not in _EDITIONS:
            known = ", ".join(descriptor_pb2.Edition.Name(each).removeprefix("EDITION_") for each in sorted(_EDITIONS))
            raise ContractRefused(f"{file.name} has an edition that is not known; known are {known}")


def _check_links(files: descriptor_pb2.FileDescriptorSet) -> None:
    """Lets protobuf find what does not fit: types that are not there, symbols that are there twice, numbers that are."""
    pool: Any = descriptor_pool.DescriptorPool()
    for file in files.file:
        try:
            pool.AddSerializedFile(file.SerializeToString())
        except (TypeError, ValueError) as error:
            reason = " ".join(str(error).split())[:300]
            raise ContractRefused(f"{file.name} does not hold together: {reason}") from error


def _drop_foreign_options(files: descriptor_pb2.FileDescriptorSet) -> None:
    """Removes what only looks like an option of Tocsin's: others may use its numbers for options of their own (50000 to 99999 are free)."""
    names = {file.name for file in files.file}
    for file in files.file:
        for service in file.service:
            if _POLICY_FILE not in names:
                service.options.ClearExtension(policy_pb2.defaults)
            for method in service.method:
                if _POLICY_FILE not in names:
                    method.options.ClearExtension(policy_pb2.policy)
                if _DOOR_FILE not in names:
                    method.options.ClearExtension(http_pb2.http)


def services(files: descriptor_pb2.FileDescriptorSet) -> Iterator[str]:
    """The full names of the services in a set."""
    for file in files.file:
        for service in file.service:
            yield qualified(file.package, service.name)


def clashes(sets: Sequence[tuple[str, descriptor_pb2.FileDescriptorSet]]) -> Iterator[str]:
    """What several contracts cannot share: files of one name that differ, and one name in different files; a line for each.

    Args:
        sets: the contracts, with what the operator calls them.
    """
    files: dict[str, tuple[str, bytes]] = {}
    symbols: dict[str, tuple[str, str]] = {}
    for contract, found in sets:
        for file in found.file:
            if file.name.startswith(_COMMON):
                continue
            content = _content(file)
            owner, other = files.setdefault(file.name, (contract, content))
            if owner != contract and other != content:
                yield f"{owner} and {contract} have different files called {file.name}"
            for symbol in _symbols(file):
                first, place = symbols.setdefault(symbol, (contract, file.name))
                if first != contract and place != file.name:
                    yield f"{first} and {contract} both have {symbol}, in {place} and in {file.name}"


def _content(file: descriptor_pb2.FileDescriptorProto) -> bytes:
    plain = descriptor_pb2.FileDescriptorProto()
    plain.CopyFrom(file)
    plain.ClearField("source_code_info")
    return plain.SerializeToString(deterministic=True)


def _symbols(file: descriptor_pb2.FileDescriptorProto) -> Iterator[str]:
    for element in (*file.message_type, *file.enum_type, *file.service):
        yield qualified(file.package, element.name)
