"""`tocsin archive`: what has left the databases is listed, checked, read and removed, without any service."""

import csv
import io
import json
from pathlib import Path

import pytest

from tests.unit.cli.test_commands import tocsin
from tests.unit.tocsin.test_archive_files import DELIVERY, ROW, archived, name_of
from tocsin.archive.columns import DELIVERIES


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An archive with two tenants, one of which has deliveries, too."""
    archived(tmp_path, name_of(1), ROW, ROW._replace(id="a2", alarm="alarm2", failed='{"d":["DEAD","x"]}'))
    archived(tmp_path, name_of(2), ROW._replace(tenant="t2", id="b1"), tenant="t2")
    archived(tmp_path, name_of(3), DELIVERY._replace(tenant="t2"), tenant="t2", kind=DELIVERIES)
    return tmp_path


def test_days_are_listed(root: Path) -> None:
    """As a table and as JSON; the folder is that of the setting unless given."""
    done = tocsin("archive", "list", "--archive", str(root))
    assert (done.returncode, done.stdout.split()[:12]) == (
        0,
        ["kind", "tenant", "day", "files", "rows", "bytes", "firings", "t1", "2026-01-31", "1", "2", str(_size(root, "t1"))],
    ), done.stderr
    done = tocsin("archive", "list", "--tenant", "tenants/t2", "--json", "--archive", str(root))
    assert [(day["kind"], day["tenant"], day["day"], day["rows"]) for day in json.loads(done.stdout)["days"]] == [
        ("firings", "t2", "2026-01-31", 1),
        ("deliveries", "t2", "2026-01-31", 1),
    ]
    done = tocsin("archive", "list", "--kind", "deliveries", "--json", "--archive", str(root))
    assert [day["kind"] for day in json.loads(done.stdout)["days"]] == ["deliveries"]
    assert "Nothing is archived." in tocsin("archive", "list", "--to", "2026-01-31", "--archive", str(root)).stdout


def _size(root: Path, tenant: str) -> int:
    (file,) = (root / f"firings/tenant={tenant}").rglob("*.parquet")
    return file.stat().st_size


def test_firings_are_read_back(root: Path) -> None:
    """As NDJSON, whose JSON is JSON, and as CSV; of one alarm, if it is named."""
    done = tocsin("archive", "export", "--archive", str(root))
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["tenant"], row["id"]) for row in rows] == [("t1", "a1"), ("t1", "a2"), ("t2", "b1")]
    assert (rows[0]["due_time"], rows[0]["fire_time"]) == ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000001Z")
    assert (rows[0]["result"], rows[0]["complete_time"], rows[0]["action"], rows[0]["failed"]) == ({"ok": True}, None, "AP8=", None)
    assert rows[1]["failed"] == {"d": ["DEAD", "x"]}
    done = tocsin("archive", "export", "--alarm", "alarms/alarm2", "--format", "csv", "--archive", str(root))
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert (row["id"], row["attempts"], row["result"], row["complete_time"]) == ("a2", "1", '{"ok": true}', "")


def test_deliveries_are_read_back(root: Path) -> None:
    """With their timelines; by alarm as well."""
    done = tocsin("archive", "export", "--kind", "deliveries", "--alarm", "alarm1", "--archive", str(root))
    (row,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (row["id"], row["create_time"], row["state"]) == ("d1", "2026-01-31T12:00:00Z", "DEAD")
    assert [entry["state"] for entry in row["timeline"]] == ["ACCEPTED", "DEAD"]
    done = tocsin("archive", "export", "--kind", "deliveries", "--format", "csv", "--archive", str(root))
    (line,) = csv.DictReader(io.StringIO(done.stdout))
    assert (line["address"], json.loads(line["timeline"])) == ("a@example.org", row["timeline"])


def test_damage_is_an_exit_code(root: Path) -> None:
    """And the file is named; what is whole is told as well."""
    done = tocsin("archive", "verify", "--archive", str(root))
    assert (done.returncode, done.stdout) == (
        0,
        "firings: 2 files, 3 rows, 0 repeated\ndeliveries: 1 file, 1 row, 0 repeated\n",
    ), done.stderr
    (file,) = (root / "firings/tenant=t2").rglob("*.parquet")
    file.write_bytes(file.read_bytes()[:-9])
    done = tocsin("archive", "verify", "--json", "--archive", str(root))
    assert (done.returncode, json.loads(done.stdout)["firings"]["rows"]) == (1, 2)
    assert str(file) in json.loads(done.stdout)["firings"]["problems"][0]
    assert tocsin("archive", "export", "--tenant", "t2", "--archive", str(root)).returncode == 1


def test_a_tenant_is_removed_by_force_alone(root: Path) -> None:
    """Counted first."""
    done = tocsin("archive", "remove", "--tenant", "t2", "--archive", str(root))
    assert (done.returncode, done.stdout) == (0, "2 files would be removed; --force removes them.\n"), done.stderr
    assert tocsin("archive", "remove", "--tenant", "t2", "--force", "--archive", str(root)).stdout == "2 files removed\n"
    assert [path.name for kind in ("firings", "deliveries") for path in (root / kind).iterdir()] == ["tenant=t1"]


@pytest.mark.parametrize(
    ("words", "says", "code"),
    [
        (["list", "--from", "yesterday"], "from", 1),
        (["export", "--to", "2026-13-01"], "to", 1),
        (["remove", "--tenant", ""], "tenant", 1),
        (["remove", "--force"], "--tenant", 2),
        (["list", "--archive", "/nowhere"], "/nowhere", 69),
        (["remove", "--tenant", "t1", "--archive", "/nowhere"], "/nowhere", 69),
        (["export", "--format", "xml"], "xml", 2),
        (["list", "--kind", "alarms"], "alarms", 2),
    ],
)
def test_bad_words_are_named(root: Path, words: list[str], says: str, code: int) -> None:
    """Nothing is removed, and no traceback is shown."""
    where = [] if "--archive" in words else ["--archive", str(root)]
    done = tocsin("archive", *words, *where)
    assert (done.returncode, says in done.stderr, "Traceback" in done.stderr) == (code, True, False), done.stderr
    assert len(list(root.rglob("*.parquet"))) == 3
