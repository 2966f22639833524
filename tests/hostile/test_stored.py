"""What a row holds costs that row: copies of all of them are spoiled in each column while the stack runs, and it starts again on them."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from tests.hostile.asking import ask, quoted
from tests.hostile.conftest import FULL
from tests.hostile.neighbour import Neighbour, sign_up
from tests.hostile.population import populate
from tests.hostile.spoiling import Copy, Spoiler
from tocsin.testing.stack import STRANGERS, RunningStack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600 if FULL else 600)]

_SINGLES: Final = (
    *("/v1/tenant", "/v1/statusPage", "/v1/status", "/v1/pingKey", "/v1/profile", "/v1/security/alertPolicy", "/v1/usage"),
    *("/v1/alarms", "/v1/incidents", "/v1/recipients", "/v1/firings", "/v1/auditLogs"),
)
"""What shows, or needs, the things that a tenant has one of."""
_KEPT_BY_OTHERS: Final = {400, 403, 409, 412}
"""What DELETE of a resource may answer that others hold."""
_ORDERED: Final = {"created", "due_at", "first_at", "received"}
"""Columns by which lists are ordered: a row without a place in the order is on no page."""
_SAMPLE: Final = 1 if FULL else 8
"""Of the copies that lists show, each so many-th is asked for by itself in the short form; and each that they leave out."""


async def _single(client: httpx2.AsyncClient, paths: Sequence[str]) -> list[str]:
    answers = await asyncio.gather(*(client.get(path) for path in paths))
    return [f"{path}: {each.status_code} {each.text[:300]}" for path, each in zip(paths, answers, strict=True) if each.status_code >= 500]


async def _of_itself(client: httpx2.AsyncClient, copy: Copy, *, listed: bool) -> list[str]:
    """What is wrong with the answers about one row: shown, or damaged by name; and it goes away."""
    path, wrong = f"/v1/{quoted(copy.name)}", list[str]()
    answer = await client.get(path)
    damaged = answer.status_code == 500 and answer.json()["code"] == "DATA_LOSS" and copy.name in answer.json()["detail"]
    if not damaged and answer.status_code not in (200, 404, 405):
        wrong.append(f"GET {copy}: {answer.status_code} {answer.text[:300]}")
    if answer.status_code == 200 and not listed and not (copy.value is None and copy.column in _ORDERED):
        wrong.append(f"LIST {copy}: is left out, and GET shows it")
    answer = await client.delete(path)
    if answer.status_code not in (200, 404, 405) and (damaged or answer.status_code not in _KEPT_BY_OTHERS):
        wrong.append(f"DELETE {copy}: {answer.status_code} {answer.text[:300]}")
    return wrong


async def test_no_stored_row_stops_the_bell(tmp_path: Path, record_property: Any) -> None:
    """Everything that can be read answers beside spoiled rows; a stack that starts on them serves the neighbour."""
    with RunningStack(state=tmp_path / "state", env=STRANGERS) as stack:
        hostile, quiet = await sign_up(stack), await sign_up(stack)
        async with stack.client(key=hostile) as client, stack.client(key=quiet) as neighbour_client:
            below = await populate(client)
            tenant = (await client.get("/v1/tenant")).json()["name"].partition("/")[2]
            before = await ask(client, below)
            assert not before.problems, before.problems
            neighbour = Neighbour(neighbour_client)
            await neighbour.begin()
            spoiler = Spoiler(stack.state, tenant, full=FULL)
            spoiler.allow_nulls()
            copies = spoiler.copies()
            after = await ask(client, (*below, *sorted(before.names)))
            wrong = [*after.problems, *(f"LIST {name}: is left out beside spoiled ones" for name in sorted(before.names - after.names))]
            for number, copy in enumerate(copies):
                if copy.name and (copy.name not in after.names or number % _SAMPLE == 0):
                    wrong += await _of_itself(client, copy, listed=copy.name in after.names)
            for together in spoiler.in_place():
                wrong += [f"{' and '.join(together)}: {problem}" for problem in await _single(client, _SINGLES)]
            suffered = await neighbour.end()
        record_property("account", f"{len(copies)} copies, {spoiler.forbidden} forbidden by a constraint; {suffered}")
        assert len(copies) > 1000
        assert not wrong, "\n".join(wrong)
        assert suffered.fine, suffered
        stack.stop()
        stack.start()
        async with stack.client(key=quiet) as neighbour_client:
            neighbour = Neighbour(neighbour_client)
            await neighbour.begin()
            await asyncio.sleep(3)
            suffered = await neighbour.end()
            health = (await neighbour_client.get("/health")).json()
        errors = "\n".join(line for line in stack.logs().splitlines() if '"error"' in line)
        assert suffered.fine, suffered
        assert health["status"] == "healthy", f"{health}\n{errors}"
