"""The published keys, kept at hand: in memory and on disk, so that tokens verify while their issuer is down, and after a restart too."""

import asyncio
import json
import os
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, cast

import jwt
from jwt import PyJWK

from tocsin.background import Background
from tocsin.clock import Clock
from tocsin.errors import TocsinError, Unavailable
from tocsin.mesh.tokens import ALGORITHMS, TokenRefused
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

JwksSource = Callable[[], Awaitable[Mapping[str, Any]]]
"""Fetches the JSON Web Key Set as JSON: ``{"keys": [...]}``. Raises a TocsinError when it cannot."""


class KeysUnavailable(Unavailable):
    """Tokens cannot be verified at the moment."""


class JwksCache:
    """A `KeySource` that fetches when it meets an unknown key, or when what it has is old, and otherwise answers from memory.

    Args:
        source: fetches the key set.
        file: keeps the newest key set; None keeps it in memory alone.
        clock: source of time.
        max_age: seconds after which the key set is fetched again in the background.
        pause: least number of seconds between two fetches.
    """

    def __init__(self, *, source: JwksSource, file: Path | None, clock: Clock, max_age: float = 300.0, pause: float = 5.0) -> None:
        self._source = source
        self._file = file
        self._clock = clock
        self._max_age = max_age
        self._pause = pause
        self._keys: dict[str, PyJWK] = {}
        self._fetched = float("-inf")
        self._tried = float("-inf")
        self._background = Background(clock)
        self._fetching: asyncio.Task[bool] | None = None

    async def start(self) -> None:
        """Reads the file. What auth_svc has is fetched when the first token comes, so that services start in any order."""
        if self._file is not None and self._file.exists():
            try:
                self._keys = _parse(json.loads(self._file.read_text(encoding="utf-8")))
            except (OSError, ValueError, RecursionError) as error:
                _log.warning("stored keys not readable", file=str(self._file), error=str(error))

    async def stop(self) -> None:
        """Ends a fetch that is under way."""
        await self._background.stop()

    async def key(self, kid: str) -> PyJWK:
        """The key ``kid``, fetched if it is unknown; a key at hand never waits.

        Raises:
            TokenRefused: there is no such key.
            KeysUnavailable: it is unknown, and the key set cannot be fetched now.
        """
        found = self._keys.get(kid)
        now = self._clock.monotonic()
        if found is not None:
            if now - self._fetched > self._max_age and now - self._tried > self._pause:
                self._fetch()
            return found
        if self._fetching is not None or now - self._tried > self._pause:
            await asyncio.shield(self._fetch())
        found = self._keys.get(kid)
        if found is None:
            if self._tried > self._fetched:
                raise KeysUnavailable(retry_after=self._pause)
            raise TokenRefused("The token is signed with an unknown key.")
        return found

    def _fetch(self) -> "asyncio.Task[bool]":
        """The fetch under way, begun if there is none. It belongs to no request, so it carries neither deadline nor user."""
        if self._fetching is None:
            self._tried = self._clock.monotonic()
            self._fetching = self._background.once("keys", self._refresh)
            self._fetching.add_done_callback(self._done)
        return self._fetching

    def _done(self, _: "asyncio.Task[bool]") -> None:
        self._fetching = None

    async def _refresh(self) -> bool:
        try:
            document = await self._source()
            keys = _parse(document)
        except (TocsinError, ValueError) as error:
            _log.warning("keys not fetched", error=str(error), stale_keys=len(self._keys))
            return False
        changed = keys.keys() != self._keys.keys()
        self._keys = keys
        self._fetched = self._tried
        if changed and self._file is not None:
            await asyncio.to_thread(_write, self._file, document)
        return True


def _parse(document: object) -> dict[str, PyJWK]:
    """The usable keys of a JSON Web Key Set, by id.

    Raises:
        ValueError: it is not a key set.
    """
    listed = cast("Mapping[str, object]", document).get("keys") if isinstance(document, Mapping) else None
    if not isinstance(listed, list):
        raise ValueError("not a JSON Web Key Set")
    found: dict[str, PyJWK] = {}
    for item in cast("list[dict[str, Any]]", listed):
        try:
            key = PyJWK.from_dict(item)
            if key.key_id and key.algorithm_name in ALGORITHMS and item.get("use", "sig") == "sig":
                found[key.key_id] = key
        except (jwt.PyJWTError, AttributeError, TypeError, LookupError, ArithmeticError) as error:  # any of its members may be anything
            raise ValueError("not a JSON Web Key") from error
    return found


def _write(file: Path, document: Mapping[str, Any]) -> None:
    """Replaces ``file`` whole; losing it costs a fetch, so a failure is told and no more."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            json.dump(document, out)
        Path(name).replace(file)
    except OSError as error:
        _log.warning("keys not stored", file=str(file), error=str(error))
