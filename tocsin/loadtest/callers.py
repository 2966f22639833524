"""The calls of a mixed load: each as a client of the public API makes it, over REST, over gRPC, or as an event."""

import itertools
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

import grpc
import httpx2
from google.protobuf.timestamp_pb2 import Timestamp

from tocsin.api.scheduler.v1 import alarm_pb2, alarm_service_pb2, alarm_service_pb2_grpc
from tocsin.client import authorization
from tocsin.errors import DeadlineExceeded, Unavailable
from tocsin.loadtest.target import LoadTarget
from tocsin.mesh.foreign import door_channel
from tocsin.mesh.status import from_foreign
from tocsin.problems import error_of

LABEL: Final = "tocsin-bench"
_FAR: Final = datetime(2999, 1, 1, tzinfo=UTC)
_CALL_SECONDS: Final = 30.0
_PAGE: Final = 20
_PER_TURN: Final = 3
"""Of so many calls one makes an alarm, one reads it, one lists."""

Call = Callable[[], Awaitable[None]]


class LoadClient:
    """The doors of one installation: connections that last, as a program that lives has them."""

    def __init__(self, target: LoadTarget, run: str) -> None:
        """Connects with the first call.

        Args:
            target: the installation.
            run: the value of the label that everything gets which is made.
        """
        self._target = target
        self._run = run
        self._open = AsyncExitStack()
        self.http = httpx2.AsyncClient(
            base_url=target.http,
            headers={"Authorization": authorization(target.api_key)},
            timeout=_CALL_SECONDS,
            trust_env=False,
            verify=target.verify if target.http.startswith("https:") else False,
        )
        self._metadata = (("authorization", authorization(target.api_key)),)
        self._channel: grpc.aio.Channel | None = None

    async def __aenter__(self) -> Self:
        """Returns the client."""
        await self._open.enter_async_context(self.http)
        return self

    async def __aexit__(self, *error: object) -> None:
        """Closes its connections."""
        if self._channel is not None:
            await self._channel.close()
        await self._open.aclose()

    async def call(self, method: str, path: str, **sent: Any) -> dict[str, Any]:
        """A call by REST.

        Raises:
            TocsinError: the answer's.
        """
        try:
            answer = await self.http.request(method, path, **sent)
        except httpx2.TimeoutException as error:
            raise DeadlineExceeded(f"{path} was not answered in {_CALL_SECONDS:g} s") from error
        except httpx2.HTTPError as error:
            raise Unavailable(f"{self._target.http} cannot be reached: {error}") from error
        if answer.is_error:
            raise error_of(answer)
        found: dict[str, Any] = answer.json() if answer.content else {}
        return found

    def labels(self, part: str) -> dict[str, str]:
        """The labels of what a part of the test makes."""
        return {LABEL: self._run, f"{LABEL}-part": part}

    def calls(self, mix: Mapping[str, int]) -> Callable[[], tuple[str, Call]]:
        """The next call of a mix, with its kind: in turns, as often as each has a share."""
        kinds: dict[str, Call] = {"rest": self._by_rest(), "events": self._event}
        if "grpc" in mix:
            kinds["grpc"] = self._by_grpc()
        turns = itertools.cycle([kind for share in range(max(mix.values())) for kind in mix if mix[kind] > share])

        def following() -> tuple[str, Call]:
            kind = next(turns)
            return kind, kinds[kind]

        return following

    def alarm(self, part: str, number: int, due: datetime = _FAR) -> dict[str, Any]:
        """An alarm of the test, which runs nothing; one that fires far in the future unless said otherwise.

        Its key tells it from the others of its part: an import knows a line without a key again by what it says.
        """
        trigger = {"at": due.isoformat(), "catchUp": {"mode": "LATEST"}}
        action = {"task": {"handler": "noop"}}
        return {"key": f"{LABEL}-{self._run}-{part}-{number}", "labels": self.labels(part), "trigger": trigger, "action": action}

    @property
    def topic(self) -> str:
        """Of the events of this test."""
        return f"{LABEL}.{self._run}"

    def _by_rest(self) -> Call:
        numbers, names = itertools.count(), list[str]()

        async def call() -> None:
            number = next(numbers)
            turn = number % _PER_TURN
            if turn == 0 or not names:
                made = await self.call("POST", "/v1/alarms", json=self.alarm("mixed", number), params={"requestId": str(uuid.uuid4())})
                names[:] = [str(made["name"])]
            elif turn == 1:
                await self.call("GET", f"/v1/{names[0]}")
            else:
                await self.call("GET", "/v1/alarms", params={"pageSize": _PAGE})

        return call

    def _by_grpc(self) -> Call:
        stub: Any = alarm_service_pb2_grpc.AlarmServiceStub(self._connected())
        numbers, names = itertools.count(), list[str]()
        due = Timestamp()
        due.FromDatetime(_FAR)
        alarm = alarm_pb2.Alarm(
            labels=self.labels("mixed"),
            trigger=alarm_pb2.Trigger(at=due),
            action=alarm_pb2.Action(task=alarm_pb2.Task(handler="noop")),
        )

        async def call() -> None:
            turn = next(numbers) % _PER_TURN
            sent = {"metadata": self._metadata, "timeout": _CALL_SECONDS}
            try:
                if turn == 0 or not names:
                    made = await stub.CreateAlarm(alarm_service_pb2.CreateAlarmRequest(alarm=alarm, request_id=str(uuid.uuid4())), **sent)
                    names[:] = [made.name]
                elif turn == 1:
                    await stub.GetAlarm(alarm_service_pb2.GetAlarmRequest(name=names[0]), **sent)
                else:
                    await stub.ListAlarms(alarm_service_pb2.ListAlarmsRequest(page_size=_PAGE), **sent)
            except grpc.aio.AioRpcError as error:
                raise from_foreign(error, target=self._target.grpc) from error

        return call

    async def _event(self) -> None:
        await self.call("POST", "/v1/events", json={"topic": self.topic, "id": str(uuid.uuid4()), "data": {}})

    def _connected(self) -> grpc.aio.Channel:
        if self._channel is None:
            roots = Path(self._target.certificate).read_bytes() if self._target.certificate else None
            self._channel = door_channel(self._target.grpc, secure=self._target.http.startswith("https:"), roots=roots)
        return self._channel
