"""Reads what the server has, and writes it: calls that wait where they are told to, and imports of many."""

import asyncio
import json
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from tocsin.cli.apply.kinds import Kind
from tocsin.cli.apply.shapes import SCOPE_LABEL
from tocsin.cli.bulk import BulkImport, ImportMark
from tocsin.client import Client
from tocsin.errors import InvalidInput, NotFound, PermissionDenied, ResourceExhausted, Unavailable
from tocsin.resource_names import resource_path

_FEW: Final = 100
"""So many are read one by one; of more, all are listed."""
_PATIENCE: Final = 8
_FIRST_WAIT_SECONDS: Final = 0.5
_LONGEST_WAIT_SECONDS: Final = 30.0
_RECORD_BYTES: Final = 60_000

Refusals = Callable[[dict[str, Any]], None]


class RecordChanged(InvalidInput):
    """A policy on personal data changed the record of what is applied; let it leave out the records apply.*, or prune by --kinds."""


class Server:
    """The gateway, as `tocsin apply` uses it."""

    def __init__(
        self,
        client: Client,
        *,
        url: str,
        api_key: str | None,
        verify: ssl.SSLContext | bool = True,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._url, self._api_key, self._verify = url, api_key, verify
        self._sleep = sleep

    def call(self, method: str, path: str, *, body: object = None, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        """A call, again where the gateway says so or does not answer; each that is made may be made twice.

        Raises:
            TocsinError: the answer, or the last one.
        """
        wait = _FIRST_WAIT_SECONDS
        for attempt in range(_PATIENCE):
            try:
                return self._client.call(method, path, body=body, params=params)
            except (Unavailable, ResourceExhausted) as error:
                if attempt == _PATIENCE - 1 or (isinstance(error, ResourceExhausted) and error.retry_after is None):
                    raise
                self._sleep(min(max(error.retry_after or 0, wait), _LONGEST_WAIT_SECONDS))
                wait *= 2
        raise Unavailable

    def zone(self) -> str:
        """The time zone of the tenant; empty for a key that may not know it."""
        try:
            return str(self.call("GET", "/v1/tenant").get("timeZone", ""))
        except PermissionDenied:
            return ""

    # -- reading -----------------------------------------------------------------------------------------------------------

    def present(self, kind: Kind, identities: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Those of these that are there, and perhaps others of the kind."""
        few = len(identities) <= _FEW
        if kind.name == "alarm" and few:
            for identity in identities:
                yield from self._alarm(identity)
        elif kind.keys == ("name",) and few and kind.type is kind.line:
            for identity in identities:
                if (found := self._named(kind, identity)) is not None:
                    yield found
        elif kind.imports:
            yield from self._client.stream(f"/v1/{kind.collection}:export", {})
        elif identities:
            yield from self.all(kind)

    def all(self, kind: Kind, condition: str = "") -> Iterator[dict[str, Any]]:
        """All of a kind that the tenant made, with their names."""
        for item in self._client.pages(f"/v1/{kind.collection}", kind.collection, {"filter": condition} if condition else {}):
            if not (item.get("builtIn") or item.get("source") == "SETTINGS"):
                yield item

    def labelled(self, kind: Kind, scope: str) -> Iterator[dict[str, Any]]:
        """Those of a scope."""
        return self.all(kind, f'labels.{SCOPE_LABEL}="{scope}"')

    def _named(self, kind: Kind, name: str) -> dict[str, Any] | None:
        try:
            found = self.call("GET", resource_path(name, kind.collection))
        except NotFound:
            return None
        return None if found.get("builtIn") and kind.name == "template" else found  # one of the tenant's own takes its place

    def _alarm(self, key: str) -> Iterator[dict[str, Any]]:
        if key.startswith("alarms/"):
            try:
                yield {**self.call("GET", resource_path(key, "alarms")), "key": key}
            except NotFound:
                pass
            else:
                return
        words = key.replace("\\", "\\\\").replace('"', '\\"')
        yield from self._client.pages("/v1/alarms", "alarms", {"filter": f'key="{words}"'})

    # -- writing -----------------------------------------------------------------------------------------------------------

    def create(self, kind: Kind, body: Mapping[str, Any]) -> dict[str, Any]:
        """Makes one; where the name goes beside it, it is put there."""
        row = kind.rows["create"]
        beside = [each["json"] for each in row["params"] if each["json"] == f"{_camel(row['body'])}Id"]
        params = dict.fromkeys(beside, str(body.get("name", "")).rpartition("/")[2])
        sent = {name: value for name, value in body.items() if not (beside and name == "name")}
        return self.call("POST", f"/v1/{kind.collection}", body=sent, params=params)

    def update(self, kind: Kind, body: Mapping[str, Any], fields: Sequence[str], etag: str) -> dict[str, Any]:
        """Changes these fields of one, if it is still of this ``etag``."""
        row, path = kind.rows["update"], resource_path(str(body["name"]), kind.collection)
        masked = any(each["json"] == "updateMask" for each in row["params"])
        sent = {**body, **({"etag": etag} if etag else {})}
        return self.call(row["method"], path, body=sent, params={"updateMask": ",".join(fields)} if masked else {})

    def remove(self, kind: Kind, name: str) -> None:
        """Removes one; a silence is expired. One that is not there is removed."""
        path = resource_path(name, kind.collection)
        try:
            if "delete" in kind.rows:
                self.call("DELETE", path)
            else:
                self.call("POST", f"{path}:expire", body={})
        except NotFound:
            return

    def many(self, kind: Kind, file: Path, *, dry_run: bool, tell: Refusals, done: Callable[[int], None]) -> dict[str, int]:
        """Imports a file, a line each; ``tell`` gets the refusals, ``done`` the number of lines.

        Raises:
            TocsinError: it cannot go on.
        """
        work = BulkImport(
            url=self._url,
            api_key=self._api_key,
            verify=self._verify,
            what=kind.collection,
            path=file,
            content_type="application/x-ndjson",
            dry_run=dry_run,
            lines=0,
            mark=ImportMark(None),
            bar=None,
            tell=tell,
            done=done,
        )
        asyncio.run(work.run())
        return work.counts

    # -- what was applied --------------------------------------------------------------------------------------------------

    def recorded(self, scope: str) -> tuple[set[str], int]:
        """What earlier runs applied in a scope, as ``kind identity``, and in how many records; alarms have a label instead."""
        found: set[str] = set()
        for part in count():
            try:
                record = self.call("GET", f"/v1/records/{_record(scope, part)}")
            except NotFound:
                return found, part
            found.update(line for line in str(record.get("value", "")).split("\n") if line)
        raise AssertionError  # count() has no end

    def record(self, scope: str, names: Iterable[str], before: int = 0) -> int:
        """Remembers what is applied in a scope; returns the number of records, of which there were ``before``."""
        parts = list(_parts(sorted(names)))
        for number, part in enumerate(parts):
            kept = self.call("PUT", f"/v1/records/{_record(scope, number)}", body={"value": part})
            if kept.get("value", part) != part:
                raise RecordChanged
        for number in reversed(range(len(parts), before)):
            self.call("DELETE", f"/v1/records/{_record(scope, number)}")
        return len(parts)


def _parts(names: Sequence[str]) -> Iterator[str]:
    """Texts that records have room for."""
    lines: list[str] = []
    size = 0
    for name in names:
        length = len(name.encode()) + 1
        if size + length > _RECORD_BYTES:
            yield "\n".join(lines)
            lines, size = [], 0
        lines.append(name)
        size += length
    if lines:
        yield "\n".join(lines)


def _record(scope: str, part: int) -> str:
    return quote(f"apply.{scope}.{part}", safe="")


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def lines_of(bodies: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The lines of an import."""
    for body in bodies:
        yield json.dumps(body, ensure_ascii=False, separators=(",", ":")) + "\n"
