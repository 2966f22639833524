"""One file of the archive: written whole and on the disk, read back with its checksums."""

import os
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Final, cast

from tocsin.archive.columns import ArchiveKind
from tocsin.archive.errors import ArchiveDamaged, ArchiveNotPossible

_BATCH: Final = 1000


def require_library() -> None:
    """Loads what reads and writes Parquet.

    Raises:
        ArchiveNotPossible: it is not installed.
    """
    _modules()


def write_file(path: Path, kind: ArchiveKind, rows: Sequence[tuple[Any, ...]]) -> None:
    """Makes the file, for its owner and group alone; it is on the disk and was read back when this returns.

    Raises:
        OSError: the disk is full, or the like.
        ArchiveDamaged: what was read back is not what was written.
        ArchiveNotPossible: see `require_library`.
    """
    arrow, parquet = _modules()
    schema = _schema(arrow, kind)
    columns = [arrow.array(list(values), type=field.type) for values, field in zip(zip(*rows, strict=True), schema, strict=True)]
    table = arrow.Table.from_arrays(columns, schema=schema)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640), "wb") as out:
        parquet.write_table(table, out, compression="zstd", write_page_checksum=True)
        out.flush()
        os.fsync(out.fileno())
    names = [column.name for column in kind.columns]
    told = ("id", kind.time, "change")
    places = [names.index(name) for name in told]
    if list(read_columns(path, kind, told)) != [tuple(row[place] for place in places) for row in rows]:
        raise ArchiveDamaged(f"{path} does not hold what was written")
    if read_count(path, kind) != len(rows):
        raise ArchiveDamaged(f"{path} does not hold as many {kind.name} as were written")


def read_count(path: Path, kind: ArchiveKind) -> int:
    """How many rows a file says that it has.

    Raises:
        OSError: it cannot be read.
        ArchiveDamaged: it is no whole file of an archive.
    """
    with path.open("rb") as source:
        return int(_opened(path, kind, source).metadata.num_rows)


def read_file(path: Path, kind: ArchiveKind) -> Iterator[Mapping[str, Any]]:
    """The rows of a file, in the order of their times; instants are microseconds since the Unix epoch.

    Raises:
        OSError: it cannot be read.
        ArchiveDamaged: it is no whole file of an archive.
    """
    names = [column.name for column in kind.columns]
    for row in read_columns(path, kind, names):
        yield dict(zip(names, row, strict=True))


def read_columns(path: Path, kind: ArchiveKind, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """The values of some columns, row by row; errors as `read_file`."""
    arrow, _ = _modules()
    with path.open("rb") as source:
        file = _opened(path, kind, source)
        try:
            for batch in file.iter_batches(batch_size=_BATCH, columns=list(names), use_threads=False):
                columns = [_plain(arrow, batch.column(name)) for name in names]
                yield from zip(*columns, strict=True)
        except (arrow.ArrowException, UnicodeDecodeError, OSError) as error:  # a wrong checksum is an OSError there
            raise ArchiveDamaged(f"{path}: {error}") from error


def _opened(path: Path, kind: ArchiveKind, source: IO[bytes]) -> Any:
    """The file, if it has the columns of the kind; one of a later version may have more."""
    arrow, parquet = _modules()
    try:
        file = parquet.ParquetFile(source, page_checksum_verification=True)
        found = file.schema_arrow
        for field in _schema(arrow, kind):
            if field.name not in found.names or found.field(field.name).type != field.type:
                raise ArchiveDamaged(f"{path} has no column {field.name} of type {field.type}")
    except (arrow.ArrowException, UnicodeDecodeError, OSError) as error:
        raise ArchiveDamaged(f"{path}: {error}") from error
    return file


def _plain(arrow: Any, column: Any) -> list[Any]:
    """The values as Python has them; an instant as a number, which loses nothing."""
    return cast("list[Any]", (column.cast(arrow.int64()) if arrow.types.is_timestamp(column.type) else column).to_pylist())


def _schema(arrow: Any, kind: ArchiveKind) -> Any:
    text = arrow.string()
    kinds = {"string": text, "json": text, "timestamp": arrow.timestamp("us", tz="UTC"), "int64": arrow.int64(), "binary": arrow.binary()}
    return arrow.schema(
        [arrow.field(each.name, kinds[each.kind], nullable=each.optional, metadata={"comment": each.meaning}) for each in kind.columns]
    )


def _modules() -> tuple[Any, Any]:
    """Loaded where they are needed: they take as much memory as half a service."""
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        raise ArchiveNotPossible from error
