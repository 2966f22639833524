"""`MeshChannel`: what generated stubs take for a channel."""

import asyncio
import enum
from collections.abc import Callable, Mapping
from contextvars import Context
from typing import Any, Final, Self

import grpc

from tocsin.mesh.client.balancing import EndpointLoad
from tocsin.mesh.client.calls import StreamStream, StreamUnary, UnaryStream, UnaryUnary
from tocsin.mesh.client.carried_call import CarriedMethod
from tocsin.mesh.client.carrier import Carriage
from tocsin.mesh.client.direct_call import DirectMethod, PlainMethod, direct
from tocsin.mesh.client.endpoint_view import EndpointTally
from tocsin.mesh.client.method import Method, Pick, Picker, Target, Wire
from tocsin.mesh.client.mirror import Mirror, Ways
from tocsin.mesh.client.preference import Preference
from tocsin.mesh.client.recovery import Recovery
from tocsin.mesh.client.replicas import Replicas
from tocsin.mesh.policy import Balance, MethodKind, MethodPolicy, PolicyError

Dial = Callable[[bool], grpc.aio.Channel]
"""Makes gRPC's own channel; the argument says whether endpoints must report SERVING."""

_CALLS: Final = {
    MethodKind.UNARY_UNARY: UnaryUnary,
    MethodKind.UNARY_STREAM: UnaryStream,
    MethodKind.STREAM_UNARY: StreamUnary,
    MethodKind.STREAM_STREAM: StreamStream,
}


class _Use(enum.Enum):
    """What a connection is for."""

    CALLS = enum.auto()
    STREAMS = enum.auto()
    CONTROL = enum.auto()

    @staticmethod
    def of(policy: MethodPolicy) -> "_Use":
        """The connection that calls of a method take."""
        if policy.is_control:
            return _Use.CONTROL
        return _Use.CALLS if policy.kind is MethodKind.UNARY_UNARY else _Use.STREAMS


# A new connection that does not stand after so many seconds is not better than the old one.
_READY_SECONDS = 5.0


class MeshChannel(grpc.aio.Channel):
    """Calls one service, or one replica of it, with everything that the policy of each method asks for.

    Connections are made by the first call. Streams have connections of their own: a connection carries so many calls at a time and lets
    the others wait, and no number of streams may keep a call of another tenant waiting. Methods that look at the mesh itself use a third
    one that is not cut when the service reports that it cannot work, so that it can still say why.
    """

    def __init__(
        self,
        *,
        target: Target,
        methods: Mapping[str, MethodPolicy],
        dial: Dial,
        replicas: "Replicas[MeshChannel] | None",
        now: Callable[[], float],
        preference: Callable[[MethodPolicy], Preference | None] = lambda _: None,
        mirror: Callable[[MethodPolicy, Ways], Mirror | None] = lambda _, __: None,
        most_bytes: int = 0,
    ) -> None:
        """Connects nothing.

        Args:
            target: what is called.
            methods: the policies.
            dial: makes connections.
            replicas: of the service, with a channel each; None for a channel to one of them.
            now: monotonic seconds.
            preference: makes what tells which replicas calls of a method prefer; None where there is no difference.
            mirror: makes what copies calls of a method; None where none ever is.
            most_bytes: of an answer that comes on a carrier; 0 lets no calls ride.
        """
        self._most_bytes = most_bytes
        self._carriages: dict[grpc.aio.Channel, Carriage] = {}
        self._mirror = mirror
        self._now = now
        self._preference = preference
        self._steered: list[Preference | Mirror] = []
        self._target = target
        self._replicas = replicas
        self._methods = methods
        self._dial = dial
        self._wires: dict[_Use, grpc.aio.Channel] = {}
        self._retiring: dict[asyncio.Task[None], grpc.aio.Channel] = {}
        self._callables: dict[tuple[Any, ...], Any] = {}
        self._picks: dict[tuple[Any, ...], Pick] = {}
        self._connections = {use: _Connection(self, use) for use in _Use}
        self._recoveries = {use: Recovery(connection) for use, connection in self._connections.items()}

    @property
    def target(self) -> str:
        """The service, or "service@endpoint"."""
        return self._target.label

    @property
    def seen(self) -> tuple[str, EndpointTally]:
        """The state of its connection, empty before one was wanted, and what was called there. Connects nothing."""
        wires = [wire for use, wire in self._wires.items() if use is not _Use.CONTROL] or [*self._wires.values()]
        return (next(iter(wires)).get_state().name if wires else ""), self._target.tally

    def unary_unary(self, method: str, request_serializer: Any = None, response_deserializer: Any = None, *_: Any, **__: Any) -> Any:
        """A `UnaryUnary`; without serializers it carries bytes. The same arguments give the same object."""
        return self._callable(MethodKind.UNARY_UNARY, method, request_serializer, response_deserializer)

    def unary_stream(self, method: str, request_serializer: Any = None, response_deserializer: Any = None, *_: Any, **__: Any) -> Any:
        """A `UnaryStream`."""
        return self._callable(MethodKind.UNARY_STREAM, method, request_serializer, response_deserializer)

    def stream_unary(self, method: str, request_serializer: Any = None, response_deserializer: Any = None, *_: Any, **__: Any) -> Any:
        """A `StreamUnary`."""
        return self._callable(MethodKind.STREAM_UNARY, method, request_serializer, response_deserializer)

    def stream_stream(self, method: str, request_serializer: Any = None, response_deserializer: Any = None, *_: Any, **__: Any) -> Any:
        """A `StreamStream`."""
        return self._callable(MethodKind.STREAM_STREAM, method, request_serializer, response_deserializer)

    def _callable(self, kind: MethodKind, path: str, serializer: Any, deserializer: Any) -> Any:
        key = (kind, path, serializer, deserializer)
        found = self._callables.get(key)
        if found is None:
            shared = self.way(key)
            replicated = self._replicas is not None and not shared.method.policy.is_control
            picker = Picker(shared)
            if self._replicas is not None and replicated:
                picker = self._steered_picker(shared, self._replicas, key)
            found = self._callables[key] = _CALLS[kind](picker)
        return found

    def _steered_picker(self, shared: Pick, replicas: "Replicas[MeshChannel]", key: tuple[MethodKind, str, Any, Any]) -> "_ReplicaPicker":
        policy = shared.method.policy
        preference = self._preference(policy)
        picker = _ReplicaPicker(shared, replicas, key, preference)
        picker.mirror = mirror = self._mirror(policy, picker.way_to) if policy.kind is MethodKind.UNARY_UNARY else None
        self._steered += [each for each in (preference, mirror) if each is not None]
        return picker

    def way(self, key: tuple[MethodKind, str, Any, Any]) -> Pick:
        """The stages of one method and gRPC's own multi-callable, on this connection; made once.

        Args:
            key: kind, path, serializer and deserializer.

        Raises:
            PolicyError: the contract has no policy for the method.
        """
        found = self._picks.get(key)
        if found is None:
            policy = self._methods.get(key[1])
            if policy is None:
                raise PolicyError([f"{key[1]}: the contract has no policy for it"])
            use = _Use.of(policy)
            load = EndpointLoad(self._now) if use is _Use.CALLS and self._replicas is None else None
            method = Method(policy=policy, target=self._target, recovery=self._recoveries[use], load=load)
            found = self._picks[key] = Pick(method, self._wire_of(lambda now: self._attempts(now, *key), use=use))
        return found

    def adopt_policies(self) -> None:
        """Lets calls that begin from now on keep to the policies that hold now."""
        for (_, path, _, _), pick in self._picks.items():
            policy = self._methods.get(path)
            if policy is not None and policy is not pick.method.policy:
                pick.method.adopt(policy)
        for each in self._steered:
            each.adopt()

    def connection(self, policy: MethodPolicy) -> "_Connection":
        """The connection that calls of a method take."""
        return self._connections[_Use.of(policy)]

    def _wire_of(self, make: Callable[[grpc.aio.Channel], Any], *, use: _Use) -> Wire:
        made_for: grpc.aio.Channel | None = None
        made: Any = None

        def wire() -> Any:
            nonlocal made_for, made
            channel = self.wire(use)
            if channel is not made_for:
                made_for, made = channel, make(channel)
            return made

        return wire

    def _attempts(self, channel: grpc.aio.Channel, kind: MethodKind, path: str, serializer: Any, deserializer: Any) -> Any:
        """What makes attempts at a method on ``channel``: they ride where its policy lets them."""
        made = direct(channel, kind, path, serializer, deserializer)
        policy = self._methods[path]
        if (
            not (policy.carried and self._most_bytes)
            or kind is not MethodKind.UNARY_UNARY
            or not isinstance(made, DirectMethod | PlainMethod)
        ):
            return made
        carriage = self._carriages.get(channel)
        if carriage is None:
            replicas = self._replicas
            count = self._target.metrics.carried(self._target.service)
            carriage = Carriage(channel, sole=lambda: replicas is None or replicas.sole, elsewhere=replicas is None, count=count)
            self._carriages[channel] = carriage
        # A call that its carrier left may find its connection closed: another has taken its place.
        plain = self._wire_of(lambda now: direct(now, kind, path, None, deserializer), use=_Use.of(policy))
        return CarriedMethod(carriage, path, plain, serializer, deserializer, most_bytes=self._most_bytes)

    def wire(self, use: _Use) -> grpc.aio.Channel:
        """gRPC's own channel for a use, made when it is first asked for."""
        channel = self._wires.get(use)
        if channel is None:
            channel = self._wires[use] = self._dial(use is not _Use.CONTROL)
        return channel

    async def close(self, grace: float | None = None) -> None:
        """Closes the connections; the next call opens them anew. Calls under way get ``grace`` seconds."""
        for recovery in self._recoveries.values():
            await recovery.stop()
        retiring, self._retiring = self._retiring, {}
        for task in retiring:
            task.cancel()
        await asyncio.gather(*retiring, return_exceptions=True)
        wires, self._wires = self._wires, {}
        for wire in (*wires.values(), *retiring.values()):
            self._alight(wire)
            await wire.close(grace)

    async def renew(self, *, grace: float) -> bool:
        """Dials anew, and moves to the new connections as soon as they stand; no call fails by that.

        Args:
            grace: seconds that calls under way have to end on the old ones.

        Returns:
            False when an old connection is ready and the new one does not: the old one stays.
        """
        done = True
        for use, old in tuple(self._wires.items()):
            new = self._dial(use is not _Use.CONTROL)
            connected = await _connected(new)
            if self._wires.get(use) is old and (connected or old.get_state() is not grpc.ChannelConnectivity.READY):
                self._wires[use] = new
                self._retire(old, grace)
                await self._recoveries[use].moved()
            else:
                done = done and self._wires.get(use) is not old
                await new.close()
        return done

    def drop(self, *, grace: float) -> None:
        """Takes no more calls on the connections that there are; those under way get ``grace`` seconds."""
        wires, self._wires = self._wires, {}
        for wire in wires.values():
            self._retire(wire, grace)

    def _retire(self, wire: grpc.aio.Channel, grace: float) -> None:
        # Waits for the calls under way, and cancels what is left of them.
        self._alight(wire)
        task = asyncio.get_running_loop().create_task(wire.close(grace), context=Context())
        self._retiring[task] = wire
        task.add_done_callback(lambda ended: self._retiring.pop(ended, None))

    @property
    def retiring(self) -> bool:
        """Whether calls are under way on connections that take no more."""
        return bool(self._retiring)

    @property
    def carrying(self) -> bool:
        """Whether calls can ride now."""
        return any(carriage.stands for carriage in self._carriages.values())

    def _alight(self, wire: grpc.aio.Channel) -> None:
        """Lets no more calls ride on a connection, so that nothing of it stays when those under way have ended."""
        if (carriage := self._carriages.pop(wire, None)) is not None:
            carriage.close()

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """The state of the connection for calls."""
        return self._main().get_state(try_to_connect)

    def connected(self, policy: MethodPolicy | None = None) -> bool:
        """Whether an endpoint that reports SERVING is connected, or what calls of ``policy`` take is; asks for a connection if not."""
        way = self if policy is None else self.connection(policy)
        return way.get_state(try_to_connect=True) is grpc.ChannelConnectivity.READY

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Returns when the state is another."""
        await self._main().wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Returns when an endpoint that reports SERVING is connected."""
        await self._main().channel_ready()

    def _main(self) -> grpc.aio.Channel:
        return self.wire(_Use.CALLS)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class _Connection:
    """One connection of a channel, whichever of gRPC's channels it is at the moment; gRPC's own words."""

    __slots__ = ("_channel", "_use")

    def __init__(self, channel: MeshChannel, use: _Use) -> None:
        self._channel = channel
        self._use = use

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """The state now."""
        return self._channel.wire(self._use).get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Returns when the state is another."""
        await self._channel.wire(self._use).wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Returns when an endpoint that reports SERVING is connected."""
        await self._channel.wire(self._use).channel_ready()


class _ReplicaPicker(Picker):
    """Picks a replica for each attempt at one method."""

    __slots__ = ("_key", "_preference", "_replicas")

    def __init__(
        self, shared: Pick, replicas: Replicas[MeshChannel], key: tuple[MethodKind, str, Any, Any], preference: Preference | None
    ) -> None:
        super().__init__(shared)
        self._preference = preference
        self._replicas = replicas
        self._key = key

    @property
    def balanced(self) -> bool:
        return self._replicas.balanced

    async def pick(self, tried: set[str]) -> Pick:
        policy = self.shared.method.policy
        weighed = policy.kind is MethodKind.UNARY_UNARY and policy.balance is Balance.LEAST_REQUEST
        cost = self._cost if weighed else None
        found = await self._replicas.pick(tried, connection=self._connection, admits=self._admits, cost=cost, preference=self._preference)
        return self.shared if found is None else found.way(self._key)

    def way_to(self, address: str) -> Wire | None:
        """What makes attempts at a replica; None while it does not serve."""
        replica = self._replicas.channel(address)
        if self._connection(replica).get_state(try_to_connect=True) is not grpc.ChannelConnectivity.READY:
            return None
        return replica.way(self._key).wire

    def _connection(self, replica: MeshChannel) -> "_Connection":
        return replica.connection(self.shared.method.policy)

    def _admits(self, replica: MeshChannel) -> bool:
        return replica.way(self._key).method.admits

    def _cost(self, replica: MeshChannel) -> float:
        load = replica.way(self._key).method.load
        return 0.0 if load is None else load.cost()


async def _connected(channel: grpc.aio.Channel) -> bool:
    try:
        async with asyncio.timeout(_READY_SECONDS):
            await channel.channel_ready()
    except TimeoutError:
        return False
    return True
