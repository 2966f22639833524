"""One file of the archive: written whole and on the disk, read back with its checksums."""

import os
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Final, cast

from tocsin.ledger_archive.columns import COLUMNS, ArchivedFiring
from tocsin.ledger_archive.errors import ArchiveDamaged, ArchiveNotPossible

_BATCH: Final = 1000


def require_library() -> None:
    """Loads what reads and writes Parquet.

    Raises:
        ArchiveNotPossible: it is not installed.
    """
    _modules()


def write_file(path: Path, rows: Sequence[ArchivedFiring]) -> None:
    """Makes the file, for its owner and group alone; it is on the disk and was read back when this returns.

    Raises:
        OSError: the disk is full, or the like.
        ArchiveDamaged: what was read back is not what was written.
        ArchiveNotPossible: see `require_library`.
    """
    arrow, parquet = _modules()
    columns = [arrow.array(list(values), type=field.type) for values, field in zip(zip(*rows, strict=True), _schema(arrow), strict=True)]
    table = arrow.Table.from_arrays(columns, schema=_schema(arrow))
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640), "wb") as out:
        parquet.write_table(table, out, compression="zstd", write_page_checksum=True)
        out.flush()
        os.fsync(out.fileno())
    if list(read_columns(path, ("id", "due_time", "change"))) != [(row.id, row.due_time, row.change) for row in rows]:
        raise ArchiveDamaged(f"{path} does not hold what was written")
    if read_count(path) != len(rows):
        raise ArchiveDamaged(f"{path} does not hold as many firings as were written")


def read_count(path: Path) -> int:
    """How many firings a file says that it has.

    Raises:
        OSError: it cannot be read.
        ArchiveDamaged: it is no whole file of an archive.
    """
    with path.open("rb") as source:
        return int(_opened(path, source).metadata.num_rows)


def read_file(path: Path) -> Iterator[Mapping[str, Any]]:
    """The firings of a file, in the order of their due times; instants are microseconds since the Unix epoch.

    Raises:
        OSError: it cannot be read.
        ArchiveDamaged: it is no whole file of an archive.
    """
    names = [column.name for column in COLUMNS]
    for row in read_columns(path, names):
        yield dict(zip(names, row, strict=True))


def read_columns(path: Path, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """The values of some columns, row by row; errors as `read_file`."""
    arrow, _ = _modules()
    with path.open("rb") as source:
        file = _opened(path, source)
        try:
            for batch in file.iter_batches(batch_size=_BATCH, columns=list(names), use_threads=False):
                columns = [_plain(arrow, batch.column(name)) for name in names]
                yield from zip(*columns, strict=True)
        except (arrow.ArrowException, UnicodeDecodeError, OSError) as error:  # a wrong checksum is an OSError there
            raise ArchiveDamaged(f"{path}: {error}") from error


def _opened(path: Path, source: IO[bytes]) -> Any:
    """The file, if it has the columns of an archive; one of a later version may have more."""
    arrow, parquet = _modules()
    try:
        file = parquet.ParquetFile(source, page_checksum_verification=True)
        found = file.schema_arrow
        for field in _schema(arrow):
            if field.name not in found.names or found.field(field.name).type != field.type:
                raise ArchiveDamaged(f"{path} has no column {field.name} of type {field.type}")
    except (arrow.ArrowException, UnicodeDecodeError, OSError) as error:
        raise ArchiveDamaged(f"{path}: {error}") from error
    return file


def _plain(arrow: Any, column: Any) -> list[Any]:
    """The values as Python has them; an instant as a number, which loses nothing."""
    return cast("list[Any]", (column.cast(arrow.int64()) if arrow.types.is_timestamp(column.type) else column).to_pylist())


def _schema(arrow: Any) -> Any:
    kinds = {"string": arrow.string(), "timestamp": arrow.timestamp("us", tz="UTC"), "int64": arrow.int64(), "binary": arrow.binary()}
    return arrow.schema(
        [arrow.field(each.name, kinds[each.kind], nullable=each.optional, metadata={"comment": each.meaning}) for each in COLUMNS]
    )


def _modules() -> tuple[Any, Any]:
    """Loaded where they are needed: they take as much memory as half a service."""
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        raise ArchiveNotPossible from error
