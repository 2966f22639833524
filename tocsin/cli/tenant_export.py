"""`tocsin tenant export`: everything that a tenant has, as one folder of NDJSON files with a manifest.

What there is to export is read from the contract: each export and each list of a tenant's own things, and the lists that belong to each of
those. So a list that is added later is exported from the day on which it is there.
"""

import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Annotated, Any, Final, cast

import typer

from tocsin.cli.output import counted, write_json, write_line
from tocsin.cli.target import STATE, JsonOption, KeyOption, StateOption, UrlOption, connect
from tocsin.client import Client
from tocsin.errors import FailedPrecondition, NotFound, ResourceExhausted, TocsinError, Unavailable

MANIFEST: Final = "manifest.json"
_PROGRESS: Final = "progress.json"
_SINGLE: Final = {"tenant": "/v1/tenant", "statusPage": "/v1/statusPage", "preferences": "/v1/preferences"}
_OF_THE_PLATFORM: Final = ("mesh:", "tenants:")
_NO_DATA: Final = ("/v1/handlers", "/v1/providerKinds", "/v1/onCall", "/v1/status", "/v1/sessions")
"""Lists of what the installation can do, of what follows from other data, and of the caller's own sessions."""
_CHILDREN: Final = re.compile(r"/v1/\{\w+=(\w+)/\*\}/(\w+)")
_PART: Final = re.compile(r"/v1/\{\w+=(\w+)/\*/(\w+)\}")
_KEEP_EVERY: Final = 100
_PAGE: Final = 1000
_PATIENCE: Final = 8
_LONGEST_WAIT_SECONDS: Final = 30.0

Line = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportKind:
    """One file of an export.

    Attributes:
        name: of the file, such as "incidents" or "incidents.events".
        path: where it is read; "{parent}" stands for the name of each parent.
        key: the member of a page that holds its items; empty for a stream, and for a part of each parent.
        parent: the kind whose items are the parents; empty without one.
    """

    name: str
    path: str
    key: str = ""
    parent: str = ""


@dataclass(slots=True)
class _FilePlace:
    """How far one file is: bytes that count, lines, parents that are done, the token of the next page, and whether it is whole."""

    size: int = 0
    lines: int = 0
    parents: int = 0
    token: str = ""
    done: bool = False


def export_kinds() -> list[ExportKind]:
    """What there is of a tenant, parents first."""
    from google.api import annotations_pb2  # what it loads is of no use to other commands

    from tocsin.mesh.policy import contract, policies

    rules: Any = annotations_pb2
    messages = {f".{file.package}.{message.name}": message for file in contract().file for message in file.message_type}
    found: dict[str, ExportKind] = {}
    for file in contract().file:
        for service in file.service:
            for method in service.method:
                policy = policies().get(f"/{file.package}.{service.name}/{method.name}")
                path = str(cast("Any", method.options).Extensions[rules.http].get)
                if policy is None or not policy.scope or policy.scope.startswith(_OF_THE_PLATFORM) or path in _NO_DATA:
                    continue
                fields = [each for each in messages[method.output_type].field if each.label == each.LABEL_REPEATED]
                paged = any(each.name == "next_page_token" for each in messages[method.output_type].field)
                if method.server_streaming and path.endswith(":export"):
                    name = path.removeprefix("/v1/").removesuffix(":export")
                    found[name] = ExportKind(name=name, path=path)
                elif kind := _listed(path, fields[0].json_name) if paged else _part(path):
                    found.setdefault(kind.name, kind)
    return sorted(found.values(), key=lambda kind: (bool(kind.parent), kind.name))


def _listed(path: str, key: str) -> ExportKind | None:
    if not path.startswith("/v1/"):
        return None
    if "{" not in path:
        return ExportKind(name=re.sub(r"[/:]", ".", path.removeprefix("/v1/")), path=path, key=key)
    below = _CHILDREN.fullmatch(path)
    if below is None:
        return None
    return ExportKind(name=f"{below[1]}.{below[2]}", path=f"/v1/{{parent}}/{below[2]}", key=key, parent=below[1])


def _part(path: str) -> ExportKind | None:
    found = _PART.fullmatch(path)
    return None if found is None else ExportKind(name=f"{found[1]}.{found[2]}", path=f"/v1/{{parent}}/{found[2]}", parent=found[1])


@dataclass(slots=True, kw_only=True)
class TenantExport:
    """An export under way: what was written counts once the progress says so."""

    client: Client
    folder: Path
    places: dict[str, _FilePlace] = field(default_factory=dict[str, _FilePlace])

    def run(self) -> Mapping[str, Any]:
        """Writes what is missing, and the manifest; the manifest."""
        tenant = self._patiently(lambda: self.client.call("GET", "/v1/tenant"))
        self._resume(str(tenant.get("name", "")))
        for name, path in _SINGLE.items():
            self._single(name, path)
        for kind in export_kinds():
            self._kind(kind)
        return self._finish(str(tenant.get("name", "")))

    def _resume(self, tenant: str) -> None:
        file = self.folder / _PROGRESS
        if not file.exists():
            if any(self.folder.iterdir()):
                raise FailedPrecondition(f"{self.folder} is not empty, and has no export that could be gone on with")
            self._keep(tenant)
            return
        said = json.loads(file.read_text("utf-8"))
        if said.get("tenant") != tenant:
            raise FailedPrecondition(f"{self.folder} has an export of {said.get('tenant')}, and the key is one of {tenant}")
        self.places = {name: _FilePlace(**place) for name, place in said["files"].items()}

    def _keep(self, tenant: str) -> None:
        """Says how far it is, after what it says is on the disk."""
        files = {name: {key: getattr(place, key) for key in _FilePlace.__slots__} for name, place in self.places.items()}
        _write_whole(self.folder / _PROGRESS, json.dumps({"tenant": tenant, "files": files}).encode())

    def _single(self, name: str, path: str) -> None:
        place = self.places.setdefault(name, _FilePlace())
        if place.done:
            return
        with self._opened(name, place) as out:
            self._one(out, place, path, {})
            self._whole(out, place)

    def _one(self, out: IO[bytes], place: _FilePlace, path: str, more: Mapping[str, str]) -> None:
        """What is there once, if it is."""
        try:
            found = self._patiently(lambda: self.client.call("GET", path))
        except NotFound:
            return
        self._write(out, place, [{**more, **found}])

    def _kind(self, kind: ExportKind) -> None:
        place = self.places.setdefault(kind.name, _FilePlace())
        if place.done:
            return
        with self._opened(kind.name, place) as out:
            if kind.parent:
                for number, parent in enumerate(self._parents(kind.parent)):
                    if number >= place.parents:
                        self._of_parent(out, place, kind, parent)
                        place.parents, place.token = number + 1, ""
                        if not place.parents % _KEEP_EVERY:
                            self._keep_place(out)
            elif kind.key:
                self._pages(out, place, kind, kind.path, {})
            else:
                place.size = place.lines = 0  # a stream begins anew
                out.truncate(0)
                self._write(out, place, self.client.stream(kind.path, {}))
            self._whole(out, place)

    def _of_parent(self, out: IO[bytes], place: _FilePlace, kind: ExportKind, parent: str) -> None:
        path, more = kind.path.replace("{parent}", parent), {"parent": parent}
        if kind.key:
            self._pages(out, place, kind, path, more)
        else:
            self._one(out, place, path, more)

    def _parents(self, kind: str) -> Iterator[str]:
        with (self.folder / f"{kind}.ndjson").open(encoding="utf-8") as lines:
            for line in lines:
                if name := json.loads(line).get("name"):
                    yield str(name)

    def _pages(self, out: IO[bytes], place: _FilePlace, kind: ExportKind, path: str, more: Mapping[str, str]) -> None:
        while True:
            try:
                page = self._page(path, place.token)
            except NotFound:  # its parent has gone since it was listed
                return
            self._write(out, place, ({**more, **item} for item in cast("list[Line]", page.get(kind.key, []))))
            place.token = str(page.get("nextPageToken", ""))
            if not place.token:
                return
            self._keep_place(out)

    def _page(self, path: str, token: str) -> Line:
        params: dict[str, str | int] = {"pageSize": _PAGE, **({"pageToken": token} if token else {})}
        return self._patiently(lambda: self.client.call("GET", path, params=params))

    def _write(self, out: IO[bytes], place: _FilePlace, items: Iterable[Line]) -> None:
        for item in items:
            place.size += out.write(json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
            place.lines += 1

    def _opened(self, name: str, place: _FilePlace) -> IO[bytes]:
        """The file, without what was written after the progress was kept."""
        out = (self.folder / f"{name}.ndjson").open("ab")
        out.truncate(place.size)
        return out

    def _whole(self, out: IO[bytes], place: _FilePlace) -> None:
        place.done = True
        self._keep_place(out)

    def _keep_place(self, out: IO[bytes]) -> None:
        out.flush()
        os.fsync(out.fileno())
        self._keep(json.loads((self.folder / _PROGRESS).read_text("utf-8"))["tenant"])

    def _patiently(self, ask: Callable[[], Line]) -> Line:
        """Asks again while there is no answer, or not yet."""
        wait, tries = 0.5, 0
        while True:
            try:
                return ask()
            except (Unavailable, ResourceExhausted) as error:
                tries += 1
                if tries == _PATIENCE:
                    raise
                time.sleep(min(error.retry_after or wait, _LONGEST_WAIT_SECONDS))
                wait *= 2

    def _finish(self, tenant: str) -> Mapping[str, Any]:
        files = [
            {"file": f"{name}.ndjson", "lines": place.lines, "bytes": place.size, "sha256": _sha256(self.folder / f"{name}.ndjson")}
            for name, place in sorted(self.places.items())
        ]
        manifest = {"format": 1, "tenant": tenant, "files": files}
        _write_whole(self.folder / MANIFEST, json.dumps(manifest, indent=1).encode() + b"\n")
        return manifest


def export_tenant(
    folder: Annotated[Path, typer.Argument(help="Where to; an interrupted export in it is gone on with.", file_okay=False)],
    state: StateOption = STATE,
    url: UrlOption = None,
    api_key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Export everything that the tenant of the key has, as NDJSON files with a manifest of their hashes."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with connect(state=state, url=url, api_key=api_key) as client:
        try:
            manifest = TenantExport(client=client, folder=folder).run()
        except OSError as error:
            raise TocsinError(f"{folder} cannot be written: {error.strerror}") from error
    digest = _sha256(folder / MANIFEST)
    if as_json:
        write_json({"folder": str(folder), "manifestSha256": digest, **manifest})
    else:
        lines = sum(each["lines"] for each in manifest["files"])
        write_line(f"{counted(lines, 'line')} in {counted(len(manifest['files']), 'file')} in {folder}; SHA-256 of the manifest: {digest}")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_whole(path: Path, data: bytes) -> None:
    """Replaces a file, whole and durably."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    temporary.replace(path)
