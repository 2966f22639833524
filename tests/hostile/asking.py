"""Asks a stack for everything that a tenant can read: each GET of the contract, each page of a list, each resource that a list names."""

import asyncio
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import httpx2

from gateway.transcoding.contract import Rpc
from tests.hostile.walk import contract
from tocsin.mesh.policy import MethodKind

_VARIABLE: Final = re.compile(r"\{\w+(?:=([^}]*))?\}")
_PARAMETERS: Final[Mapping[str, Mapping[str, str]]] = {
    "/v1/firings:audit": {"startTime": "2026-01-01T00:00:00Z"},
    "/v1/names:batchGet": {"names": "recipients/ann"},
}
_UNQUOTED: Final = "/:@!$&'()*+,;=~"
"""What a path says by itself; a stored id may hold anything else."""
_LONGEST: Final = 60_000
"""Of a path, in characters: what asks takes no URL that is longer than 64 KiB, nor does the gateway."""
_WITHOUT_END: Final = re.compile(r":watch$")
_MOST_PAGES: Final = 200
_AT_ONCE: Final = 4
_NAMES_OF_A_SHAPE: Final = 3


@dataclass(slots=True)
class Answers:
    """What was answered.

    Attributes:
        names: of everything that some list shows.
        problems: answers that say that something in the house went wrong, or lists without end.
        asked: how many paths.
    """

    names: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    asked: int = 0


def quoted(path: str) -> str:
    """The path as it stands in a URL; of one that no URL can be so much that it names nothing."""
    return quote(path.encode("utf-8", "replace"), safe=_UNQUOTED)[:_LONGEST]


def templates() -> Iterator[str]:
    """Every path that can be read and ends, by the contract."""
    for rpc in contract().rpcs():
        if rpc.rule is not None and rpc.policy.kind in (MethodKind.UNARY_UNARY, MethodKind.UNARY_STREAM):
            yield from (path for path in _paths(rpc) if not _WITHOUT_END.search(path))


def _paths(rpc: Rpc) -> Iterator[str]:
    rules: Any = (rpc.rule, *(rpc.rule.additional_bindings if rpc.rule is not None else ()))
    yield from (rule.get for rule in rules if rule.get)


async def ask(client: httpx2.AsyncClient, names: Sequence[str] = ()) -> Answers:
    """Asks for everything, below ``names`` and below the first few names of each shape that lists show.

    Args:
        client: of the tenant.
        names: what is known beside.
    """
    answers = Answers()
    turn = asyncio.Semaphore(_AT_ONCE)

    async def one(path: str, template: str) -> None:
        async with turn:
            await _read(client, path, _PARAMETERS.get(template, {}), answers)

    each = sorted(set(templates()))
    await asyncio.gather(*(one(path, path) for path in each if "{" not in path))
    shapes: defaultdict[str, list[str]] = defaultdict(list)
    for name in (*names, *sorted(answers.names)):
        shapes[_shape(name)].append(name)
    named = [(template, found[1]) for template in each if (found := _VARIABLE.search(template)) and found[1]]
    await asyncio.gather(
        *(one(_VARIABLE.sub(name, template, count=1), template) for template, shape in named for name in shapes[shape][:_NAMES_OF_A_SHAPE])
    )
    return answers


def _shape(name: str) -> str:
    """``users/*/sessions/*`` for the name of a session; a collection of two words stays."""
    *before, last = re.sub(r"^(inbox/messages|security/alerts|pii/policies)/", lambda found: found[1].replace("/", ":") + "/", name).split(
        "/"
    )
    parts = [part if number % 2 == 0 else "*" for number, part in enumerate((*before, last))]
    return "/".join(parts).replace(":", "/")


async def _read(client: httpx2.AsyncClient, path: str, parameters: Mapping[str, str], answers: Answers) -> None:
    token = ""
    for _ in range(_MOST_PAGES):
        answers.asked += 1
        answer = await client.get(quoted(path), params={**parameters, "pageToken": token} if token else parameters)
        if answer.status_code >= 500:
            answers.problems.append(f"{path}: {answer.status_code} {answer.text[:300]}")
        if '"@type"' in answer.text and answer.text.rstrip().endswith("}") and '"INTERNAL"' in answer.text.splitlines()[-1]:
            answers.problems.append(f"{path}: broken off {answer.text.splitlines()[-1][:300]}")
        if answer.status_code != 200 or "json" not in answer.headers.get("content-type", ""):
            return
        try:
            document = answer.json()
        except ValueError:  # a stream of lines
            return
        answers.names.update(_names(document))
        token = document.get("nextPageToken", "") if isinstance(document, dict) else ""
        if not token:
            return
    answers.problems.append(f"{path}: a list without end")


def _names(document: Any) -> Iterator[str]:
    """The names of the items of a list."""
    for items in document.values() if isinstance(document, dict) else ():
        for item in items if isinstance(items, list) else ():
            if isinstance(item, dict) and isinstance(item.get("name"), str) and "/" in item["name"]:
                yield item["name"]
            elif isinstance(item, dict) and {"key", "updateTime"} <= item.keys() and "name" not in item:
                yield f"records/{item['key']}"
