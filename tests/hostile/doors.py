"""The doors: what an attack is answered with, over REST, gRPC, Connect (JSON), gRPC-Web (binary) and WebSockets."""

import asyncio
import json
import struct
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, Final

import grpc
import httpx2
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus, InvalidURI
from websockets.frames import CloseCode

from tests.hostile.paths import lost
from tests.hostile.walk import Attack, dumps, http_request, wire
from tocsin.mesh.client.final_status import keep_final_status
from tocsin.mesh.policy import MethodKind

_ABREAST: Final = 8
_STREAM_SECONDS: Final = 0.5
_CALL_SECONDS: Final = 30.0
_LONGEST_TARGET: Final = 60_000
"""What this client sends at most."""
_OURS: Final = ("INTERNAL", "UNKNOWN", "DATA_LOSS", "UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED")
"""Codes that are never the caller's fault: for a request that anybody may make they are a defect."""

Send = Callable[[Attack], Awaitable[str | None]]
"""Makes one attack; the code of the answer, "OK" for a good one; None when this door cannot say the value."""


class Verdict:
    """What came of many attacks."""

    def __init__(self) -> None:
        self.codes: Counter[str] = Counter()
        self.defects: list[str] = []

    @property
    def attempts(self) -> int:
        """How many were made."""
        return self.codes.total()

    def __str__(self) -> str:
        """Counts by code."""
        return ", ".join(f"{code} {count}" for code, count in sorted(self.codes.items()))


async def attack_all(attacks: Iterable[Attack], send: Send) -> Verdict:
    """Makes every attack, several at a time."""
    verdict, rest = Verdict(), iter(attacks)

    async def assailant() -> None:
        for attack in rest:
            code = await send(attack)
            if code is None:
                continue
            verdict.codes[code] += 1
            if code in _OURS or code.startswith("no "):
                verdict.defects.append(f"{attack}: {code}")

    await asyncio.gather(*(assailant() for _ in range(_ABREAST)))
    return verdict


def over_rest(client: httpx2.AsyncClient) -> Send:
    """Attacks by the RPC's own route."""

    async def send(attack: Attack) -> str | None:
        request = http_request(attack)
        if request is None:
            return None
        if len(request.target) > _LONGEST_TARGET:
            return None
        url = client.base_url.copy_with(raw_path=request.target)
        headers = {"Content-Type": "application/x-ndjson" if request.streamed else "application/json"} if request.body is not None else {}
        stream = attack.rpc.descriptor.server_streaming
        try:
            async with client.stream(
                request.method,
                url,
                content=request.body,
                headers=headers,
                timeout=httpx2.Timeout(_CALL_SECONDS, read=_STREAM_SECONDS if stream else _CALL_SECONDS),
            ) as answer:
                await answer.aread()
        except httpx2.ReadTimeout:
            # A watch that was accepted and has nothing to say.
            return "OK" if stream else "DEADLINE_EXCEEDED"
        except (httpx2.RemoteProtocolError, httpx2.WriteError, httpx2.ReadError) as error:
            # A body that is far too long is refused by a close, like RFC 9110, 15.5.14 allows; nothing else is.
            return "CLOSED" if request.body is not None and len(request.body) > 1_000_000 else f"no problem document: {error!r}"
        return lost_fields(attack, answer) or code_of(answer)

    return send


def lost_fields(attack: Attack, answer: httpx2.Response) -> str:
    """The fields that a refusal names and that the request does not have; empty if there are none. Those that are unknown it has not."""
    if not answer.headers.get("content-type", "").startswith("application/problem+json"):
        return ""
    violations = [each for detail in answer.json().get("details", ()) for each in detail.get("fieldViolations", ())]
    found = lost(attack.rpc, [each["field"] for each in violations if "unknown" not in each["description"]])
    return f"no such field: {', '.join(found)}" if found else ""


def speaks_plainly(answer: httpx2.Response) -> bool:
    """Whether it is the page for people who follow a link that is none of ours, or the words of a door that other software knows."""
    path, kind = answer.request.url.path, answer.headers.get("content-type", "")
    page = path.startswith(("/u/", "/i/", "/account/")) and kind.startswith("text/html")
    return page or (path.startswith(("/ping/", "/status/", "/badge/", "/v1/feeds/")) and kind.startswith("text/plain"))


def code_of(answer: httpx2.Response) -> str:
    """The code that an HTTP answer names; what is no problem document is a defect."""
    if answer.is_success:
        return "OK"
    if speaks_plainly(answer):
        return "NOT_FOUND"
    if answer.request.url.path == "/v2/enqueue" and answer.status_code == 400 and answer.json().get("status") == "invalid event":
        return "INVALID_ARGUMENT"  # as PagerDuty says it
    if not answer.headers.get("content-type", "").startswith("application/problem+json"):
        return f"no problem document: {answer.status_code} {answer.text[:100]}"
    return str(answer.json().get("code", f"no problem code: {answer.status_code}"))


def over_grpc(channel: grpc.aio.Channel, token: str) -> Send:
    """Attacks by bytes on the gRPC edge."""
    metadata = (("authorization", f"Bearer {token}"),)

    async def send(attack: Attack) -> str | None:
        message = wire(attack)
        if message is None:
            return None
        policy = attack.rpc.policy
        given: Any = _one(message) if attack.rpc.descriptor.client_streaming else message
        timeout = _STREAM_SECONDS if policy.kind is MethodKind.UNARY_STREAM else _CALL_SECONDS
        try:
            call: Any = getattr(channel, policy.kind.value)(policy.path)(given, metadata=metadata, timeout=timeout)
            if attack.rpc.descriptor.client_streaming:
                call = keep_final_status(call)  # grpc.aio's client tells INTERNAL when a call ends while it writes
            if attack.rpc.descriptor.server_streaming:
                async for _ in call:
                    pass
            else:
                await call
        except grpc.aio.AioRpcError as error:
            watching = policy.kind is MethodKind.UNARY_STREAM and error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            return "OK" if watching else error.code().name
        except ValueError:
            return None  # the library itself refuses to send it
        return "OK"

    return send


async def _one(message: bytes) -> AsyncIterator[bytes]:
    yield message


def over_connect(client: httpx2.AsyncClient) -> Send:
    """Attacks in JSON by the Connect protocol."""

    async def send(attack: Attack) -> str | None:
        kind, body = attack.rpc.descriptor, dumps(attack.request)
        if not (kind.client_streaming or kind.server_streaming):
            answer = await _post(client, attack, body, "application/json")
            return answer if isinstance(answer, str) else "OK" if answer.is_success else _connect_code(answer.json())
        answer = await _post(client, attack, _framed(body), "application/connect+json")
        if isinstance(answer, str):
            return answer
        *_, (flags, last) = _frames(answer.content)
        document = json.loads(last)
        return f"no end: {flags}" if flags != 2 else _connect_code(document["error"]) if "error" in document else "OK"

    return send


def over_grpc_web(client: httpx2.AsyncClient) -> Send:
    """Attacks by bytes in gRPC-Web."""

    async def send(attack: Attack) -> str | None:
        message = wire(attack)
        if message is None:
            return None
        answer = await _post(client, attack, _framed(message), "application/grpc-web+proto")
        if isinstance(answer, str):
            return answer
        trailers = dict(answer.headers)
        if "grpc-status" not in trailers:
            *_, (flags, last) = _frames(answer.content)
            trailers = dict(line.split(": ", 1) for line in last.decode().split("\r\n") if line) if flags == 0x80 else {}
        status = trailers.get("grpc-status")
        return f"no status: {answer.status_code} {answer.text[:100]}" if status is None else _CODES[int(status)]

    return send


def over_websocket(url: str, token: str) -> Send:
    """Attacks on the RPCs that stream, by their own paths: path and query, and a text frame where the rule has a body."""
    headers = {"authorization": f"Bearer {token}"}

    async def send(attack: Attack) -> str | None:
        kind = attack.rpc.descriptor
        request = http_request(attack) if kind.client_streaming or kind.server_streaming else None
        if request is None or len(request.target) > _LONGEST_TARGET:
            return None
        target = url.replace("http", "ws", 1) + request.target.decode("ascii")
        try:
            async with connect(target, additional_headers=headers, proxy=None, max_size=None, open_timeout=_CALL_SECONDS) as socket:
                with suppress(ConnectionClosed):  # what it was told stands before its end
                    if request.body is not None:
                        await socket.send(request.body, text=True)
                    if request.streamed:
                        await socket.send("")
                return await _last_word(socket, watches=kind.server_streaming)
        except InvalidStatus as refused:
            return str(json.loads(refused.response.body).get("code", "no problem code"))
        except InvalidURI:
            return None  # the library itself refuses to ask for it
        except (TimeoutError, InvalidMessage, InvalidHandshake, ConnectionError) as error:
            return f"no answer to the handshake: {error!r}"

    return send


async def _last_word(socket: ClientConnection, *, watches: bool) -> str:
    """How a socket ends: the code of the error in its last frame, whose close code must be one of a client's mistakes; "OK" if it stays."""
    last: Any = {}
    try:
        async with asyncio.timeout(_STREAM_SECONDS if watches else _CALL_SECONDS):
            while True:
                last = json.loads(await socket.recv())
    except TimeoutError:
        return "OK" if watches else "DEADLINE_EXCEEDED"
    except ConnectionClosed:
        code, failed = socket.close_code, isinstance(last, dict) and "error" in last
        if code == CloseCode.NORMAL_CLOSURE and not failed:
            return "OK"
        if code == CloseCode.MESSAGE_TOO_BIG and not failed:
            return "CLOSED"  # the server's own bound
        return str(last["error"]["code"]) if failed else f"no error before the close code {code}"


_CODES: Final = {code.value[0]: code.name for code in grpc.StatusCode}


async def _post(client: httpx2.AsyncClient, attack: Attack, body: bytes, kind: str) -> httpx2.Response | str:
    """The answer; or, where none came, the code that stands for it."""
    watches = attack.rpc.descriptor.server_streaming
    timeout = httpx2.Timeout(_CALL_SECONDS, read=_STREAM_SECONDS if watches else _CALL_SECONDS)
    try:
        return await client.post(attack.rpc.path, content=body, headers={"content-type": kind}, timeout=timeout)
    except httpx2.ReadTimeout:
        return "OK" if watches else "DEADLINE_EXCEEDED"
    except (httpx2.RemoteProtocolError, httpx2.WriteError, httpx2.ReadError) as error:
        return "CLOSED" if len(body) > 1_000_000 else f"no answer: {error!r}"


def _connect_code(error: Any) -> str:
    code = str(error.get("code", "no problem code")).upper()
    return "CANCELLED" if code == "CANCELED" else code


def _framed(message: bytes) -> bytes:
    return struct.pack(">BI", 0, len(message)) + message


def _frames(body: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(body):
        flags, length = struct.unpack_from(">BI", body, at)
        yield flags, body[at + 5 : at + 5 + length]
        at += 5 + length
