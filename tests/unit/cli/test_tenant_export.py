"""`tocsin tenant export`: what it asks for, and that one which was interrupted goes on to the same files."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tocsin.cli import tenant_export
from tocsin.cli.tenant_export import export_kinds
from tocsin.errors import FailedPrecondition, NotFound, PermissionDenied

PAGES = 3


class Half:
    """Answers like a gateway: three pages of two for each list; breaks with the call whose number is `breaks`."""

    def __init__(self, *, breaks: int = 0, tenant: str = "tenants/t") -> None:
        self.calls: list[tuple[str, str]] = []
        self._breaks = breaks
        self._tenant = tenant
        self._keys = {kind.path: kind.key for kind in export_kinds()}

    def call(self, method: str, path: str, *, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One page, or one thing."""
        token = str((params or {}).get("pageToken", ""))
        self.calls.append((path, token))
        if len(self.calls) == self._breaks:
            raise PermissionDenied
        if path == "/v1/tenant":
            return {"name": self._tenant}
        if path == "/v1/statusPage":
            raise NotFound
        whole, _, name = path.removeprefix("/v1/").partition("/")
        key = self._keys.get(path) or self._keys.get(f"/v1/{{parent}}/{name.rpartition('/')[2]}")
        if not key:
            return {"of": path}
        page = int(token or "0")
        items = [{"name": f"{whole}/{2 * page + number}", "text": "zwölf\n"} for number in range(2)]
        return {key: items, **({"nextPageToken": str(page + 1)} if page + 1 < PAGES else {})}

    def stream(self, path: str, params: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """Three lines."""
        self.calls.append((path, ""))
        for number in range(3):
            yield {"name": f"{path.removeprefix('/v1/').removesuffix(':export')}/{number}"}


def write(folder: Path, gateway: Half) -> Mapping[str, Any]:
    """Exports into the folder."""
    folder.mkdir(exist_ok=True)
    return tenant_export.TenantExport(client=gateway, folder=folder).run()  # pyright: ignore[reportArgumentType]  the part of a client


def test_everything_of_a_tenant_is_asked_for() -> None:
    """By the contract: exports, lists, and what belongs to each of their items; nothing of the platform's."""
    names = {kind.name for kind in export_kinds()}
    assert {"alarms", "firings", "incidents", "incidents.events", "recipients.preferences", "records", "users", "auditLogs"} <= names
    assert not {"tenants", "mesh", "spooledCalls", "handlers", "onCall"} & names
    parents = {kind.parent for kind in export_kinds()} - {""}
    assert parents <= names


def test_an_interrupted_export_ends_with_the_same_files(tmp_path: Path) -> None:
    """Whichever call breaks it; and what was read before is not asked for again."""
    whole = Half()
    manifest = write(tmp_path / "whole", whole)
    assert all(entry["lines"] for entry in manifest["files"] if entry["file"] != "statusPage.ndjson")
    for place, breaks in enumerate(range(2, len(whole.calls), 97)):
        folder, first, second = tmp_path / str(place), Half(breaks=breaks), Half()
        with pytest.raises(PermissionDenied):
            write(folder, first)
        assert write(folder, second) == manifest
        assert len(second.calls) < len(whole.calls) or breaks < 8
    lines = (tmp_path / "whole" / "incidents.events.ndjson").read_text("utf-8").splitlines()
    assert json.loads(lines[0]) == {"parent": "incidents/0", "name": "incidents/0", "text": "zwölf\n"}


def test_a_folder_of_others_is_left_alone(tmp_path: Path) -> None:
    """One with other files, and one with the export of another tenant."""
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(FailedPrecondition, match="is not empty"):
        write(tmp_path, Half())
    write(tmp_path / "mine", Half())
    with pytest.raises(FailedPrecondition, match="an export of tenants/t, and the key is one of tenants/u"):
        write(tmp_path / "mine", Half(tenant="tenants/u"))
