"""The archive's files: what other tools read, what is found when one is damaged, and what its page says of them."""

import re
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, Final

import pyarrow.dataset
import pyarrow.parquet
import pytest

from tocsin.archive import audit
from tocsin.archive.columns import DELIVERIES, FIRINGS, KINDS, ArchivedDelivery, ArchivedFiring, ArchiveKind
from tocsin.archive.errors import ArchiveDamaged, ArchiveNotPossible, ArchiveUnavailable
from tocsin.archive.folder import ArchiveFolder
from tocsin.archive.parquet import read_columns, read_file, write_file

PAGE: Final = Path(__file__).resolve().parents[3] / "docs/archive.md"
DAY: Final = date(2026, 1, 31)
NOON: Final = 1_769_860_800_000_000
ROW: Final = ArchivedFiring(
    *("a1", "t1", "alarm1", "SCHEDULE", "NORMAL", NOON, NOON + 1, None, "FIRED", "", "SUCCEEDED", 1, "notify"),
    *("", '{"ok": true}', None, None, "", b"\x00\xff", 7),
)


DELIVERY: Final = ArchivedDelivery(
    *("d1", "t1", "f1", "alarm1", "", "", "", "email", "r1", "a@example.org", "Hello", "NORMAL", NOON, NOON + 1, "DEAD", "", 1),
    *("<d1@example.org>", "", '[{"state":"ACCEPTED"},{"state":"DEAD"}]', "", 9),
)
LINE: Final = re.compile(r"^\| `(\w+)` \| (\w+)(, may be missing)? \| (.+) \|$", re.MULTILINE)


def archived(root: Path, name: str, *rows: tuple[Any, ...], tenant: str = "t1", day: date = DAY, kind: ArchiveKind = FIRINGS) -> Path:
    """A file that has its place."""
    folder = ArchiveFolder(root, kind)
    folder.write_draft(name, rows)
    assert folder.publish(name, tenant=tenant, day=day)
    assert folder.publish(name, tenant=tenant, day=day)
    return next(file.path for file in folder.files(tenant) if file.path.stem == name)


def name_of(number: int) -> str:
    """A name as files have it."""
    return f"{number:026d}"


@pytest.mark.parametrize(("kind", "fields"), [(FIRINGS, ArchivedFiring._fields), (DELIVERIES, ArchivedDelivery._fields)])
def test_columns_are_those_of_the_page(kind: ArchiveKind, fields: tuple[str, ...]) -> None:
    """Names, types and meanings, in order; every kind has a section."""
    assert [column.name for column in kind.columns] == list(fields)
    assert {kind.time, "id", "tenant", "change", "alarm"} <= {*fields}
    section = PAGE.read_text("utf-8").partition(f"### `{kind.name}/")[2].partition("\n#")[0]
    assert LINE.findall(section) == [
        (each.name, each.kind, ", may be missing" if each.optional else "", each.meaning) for each in kind.columns
    ]
    assert KINDS[kind.name] is kind


def test_kinds_do_not_meet(tmp_path: Path) -> None:
    """What one service leaves unfinished is not the other's to remove, nor its tenants' files."""
    firings, deliveries = ArchiveFolder(tmp_path, FIRINGS), ArchiveFolder(tmp_path, DELIVERIES)
    firings.write_draft(name_of(1), [ROW])
    deliveries.write_draft(name_of(2), [DELIVERY])
    assert (firings.drafts(), deliveries.drafts()) == ({name_of(1)}, {name_of(2)})
    archived(tmp_path, name_of(3), ROW)
    archived(tmp_path, name_of(4), DELIVERY, kind=DELIVERIES)
    assert [file.path.stem for folder in (firings, deliveries) for file in folder.files()] == [name_of(3), name_of(4)]
    assert (firings.remove_tenant("t1"), len(list(deliveries.files()))) == (1, 1)
    with pytest.raises(ArchiveDamaged, match="no column origin"):
        list(read_file(next(deliveries.files()).path, FIRINGS))


def test_others_read_it_with_its_partitions(tmp_path: Path) -> None:
    """By Arrow's own reader of hive partitions: every column with its type, the tenant's name as it is."""
    archived(tmp_path, name_of(1), ROW, ROW._replace(id="a2"))
    archived(tmp_path, name_of(2), ROW._replace(tenant="a/b=c d"), tenant="a/b=c d")
    found = pyarrow.dataset.dataset(tmp_path / "firings", partitioning="hive").to_table()
    assert sorted(zip(found["tenant"].to_pylist(), found["id"].to_pylist(), map(str, found["date"].to_pylist()), strict=True)) == [
        ("a/b=c d", "a1", "2026-01-31"),
        ("t1", "a1", "2026-01-31"),
        ("t1", "a2", "2026-01-31"),
    ]
    assert str(found.schema.field("due_time").type) == "timestamp[us, tz=UTC]"
    assert found["due_time"].to_pylist()[0].isoformat() == "2026-01-31T12:00:00+00:00"


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    """Every value, the missing ones too; nobody but owner and group may read the file, and none is replaced."""
    path = tmp_path / "one.parquet"
    rows = [ROW, ROW._replace(id="ü\n", complete_time=-1, error="x" * 100_000, result=None)]
    write_file(path, FIRINGS, rows)
    assert [tuple(row.values()) for row in read_file(path, FIRINGS)] == [tuple(row) for row in rows]
    assert path.stat().st_mode & 0o007 == 0
    with pytest.raises(FileExistsError):
        write_file(path, FIRINGS, rows)


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _bit(data: bytes) -> bytes:
    return data[:300] + bytes([data[300] ^ 1]) + data[301:]


def _noise(data: bytes) -> bytes:
    return b"PAR1" + b"\xff" * len(data) + b"PAR1"


@pytest.mark.parametrize("harm", [_cut, _bit, _noise, lambda _: b""], ids=["cut", "bit", "noise", "empty"])
def test_a_damaged_file_is_named(tmp_path: Path, harm: Callable[[bytes], bytes]) -> None:
    """A single bit, too; the other files are read all the same."""
    path = archived(tmp_path, name_of(1), *(ROW._replace(id=f"a{number}") for number in range(500)))
    archived(tmp_path, name_of(2), ROW)
    path.write_bytes(harm(path.read_bytes()))
    found = audit.verify(tmp_path, FIRINGS)
    assert found.files == 2
    assert [str(path) in problem for problem in found.problems] == [True]
    with pytest.raises(ArchiveDamaged):
        list(audit.rows_of(tmp_path, FIRINGS))


def test_a_file_of_something_else_is_named(tmp_path: Path) -> None:
    """Parquet, but with other columns; and a firing whose file lies with another tenant or day."""
    path = archived(tmp_path, name_of(1), ROW)
    pyarrow.parquet.write_table(pyarrow.table({"id": ["x"]}), path)
    archived(tmp_path, name_of(2), ROW, day=date(2026, 2, 1))
    archived(tmp_path, name_of(3), ROW, tenant="t2")
    problems = audit.verify(tmp_path, FIRINGS).problems
    assert [word in problem for word, problem in zip(("no column tenant", "belongs elsewhere", "belongs elsewhere"), problems, strict=True)]
    assert len(problems) == 3
    assert audit.verify(tmp_path, FIRINGS, tenant="nobody") == audit.VerifiedArchive(0, 0, 0, [])


def test_what_a_restored_database_archives_again_is_read_once(tmp_path: Path) -> None:
    """The later change counts, wherever it is; of equal ones one."""
    archived(tmp_path, name_of(1), ROW._replace(change=9, error="late"), ROW._replace(id="a2"))
    archived(tmp_path, name_of(2), ROW._replace(change=8, error="early"), ROW._replace(id="a2"), ROW._replace(id="a3"))
    found = audit.verify(tmp_path, FIRINGS)
    assert (found.rows, found.repeated, found.problems) == (3, 2, [])
    rows = list(audit.rows_of(tmp_path, FIRINGS))
    assert sorted(row["id"] for row in rows) == ["a1", "a2", "a3"]
    assert next(row["error"] for row in rows if row["id"] == "a1") == "late"


def test_days_are_listed_and_bounded(tmp_path: Path) -> None:
    """By tenant and day; drafts and other files are none of it."""
    archived(tmp_path, name_of(1), ROW)
    archived(tmp_path, name_of(2), ROW._replace(id="a2"))
    archived(tmp_path, name_of(3), ROW._replace(due_time=NOON + 86_400_000_000), day=date(2026, 2, 1))
    ArchiveFolder(tmp_path, FIRINGS).write_draft(name_of(4), [ROW])
    (tmp_path / "firings/tenant=t1/date=2026-01-31/README.txt").touch()
    assert [(day.tenant, str(day.day), day.files, day.rows) for day in audit.list_days(tmp_path, FIRINGS)] == [
        ("t1", "2026-01-31", 2, 2),
        ("t1", "2026-02-01", 1, 1),
    ]
    assert [day.rows for day in audit.list_days(tmp_path, FIRINGS, first=date(2026, 2, 1))] == [1]
    assert [day.rows for day in audit.list_days(tmp_path, FIRINGS, end=date(2026, 2, 1))] == [2]
    assert list(audit.list_days(tmp_path, FIRINGS, tenant="t")) == []
    with pytest.raises(ArchiveUnavailable):
        list(audit.list_days(tmp_path / "nowhere", FIRINGS))


def test_a_tenant_is_removed_alone(tmp_path: Path) -> None:
    """However its name is written."""
    archived(tmp_path, name_of(1), ROW)
    archived(tmp_path, name_of(2), ROW._replace(tenant="../t1"), tenant="../t1")
    folder = ArchiveFolder(tmp_path, FIRINGS)
    assert [folder.remove_tenant(name) for name in ("t", "../t1", "../t1", "")] == [0, 1, 0, 0]
    assert [file.tenant for file in folder.files()] == ["t1"]


def test_what_is_not_installed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the words that install it."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ArchiveNotPossible, match=re.escape("tocsin[archive]")):
        list(read_columns(tmp_path / "x", FIRINGS, ("id",)))
