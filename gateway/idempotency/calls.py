"""Runs the call of a key once, and answers the others from what that one was answered with."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, NamedTuple, Protocol, TypeAlias

from google.rpc import status_pb2

from gateway.idempotency.keys import fingerprint_of, key_id, parse_key, request_id_of
from gateway.idempotency.shared import SharedKey, SharedKeys
from gateway.limits import Tell
from gateway.metrics import KeyMetrics
from gateway.ports import Unary
from gateway.transcoding.problems import IdempotencyKeyInUse, IdempotencyKeyReused
from tocsin.background import Background
from tocsin.clock import SECOND, Clock
from tocsin.database import GroupCommit
from tocsin.errors import AlreadyExists, FailedPrecondition, InvalidInput, NotFound, OutOfRange, TocsinError
from tocsin.mesh.policy import MethodPolicy
from tocsin.mesh.status import from_status, to_status
from tocsin.mesh.tokens import Principal
from tocsin.sealing import Sealer
from tocsin.telemetry import get_logger
from tocsin.wake import Wake

_log = get_logger(__name__)

Reply: TypeAlias = tuple[int | None, bytes]
"""An HTTP status in place of the usual one, and the answer's wire bytes."""

KEPT_SECONDS: Final = 24 * 3600
MOST_ANSWER_BYTES: Final = 64 * 1024
_CLEAN_SECONDS: Final = 60.0
_GATHER_SECONDS: Final = 0.05
_MARGIN_SECONDS: Final = 5.0
"""How long a key stays in use beyond the time of its call: for a gateway that died meanwhile."""
_FINAL: Final = (InvalidInput, NotFound, AlreadyExists, FailedPrecondition, OutOfRange)
"""Errors that are the answer; after any other one the same request may succeed."""
_STOP_SECONDS: Final = 1.0
_USUAL, _ACCEPTED, _ERROR = b"u", b"a", b"e"
_ACCEPTED_STATUS: Final = 202


class KeptAnswer(NamedTuple):
    """What a key was used for; the answer is sealed, or None when it was too large to be kept."""

    id: bytes
    tenant: str
    fingerprint: bytes
    answer: bytes | None
    created: int


class AnswerStore(Protocol):
    """Keeps answers on disk; one transaction a method."""

    async def ids(self) -> set[bytes]:
        """Every key."""
        ...

    async def find(self, identity: bytes) -> KeptAnswer | None:
        """What one key was used for."""
        ...

    async def add(self, kept: Sequence[KeptAnswer]) -> None:
        """Keeps answers; of a key that is there the newest counts."""
        ...

    async def ids_of(self, tenant: str) -> list[bytes]:
        """The keys of a tenant."""
        ...

    async def clean(self, *, before: int, keys: int, tenant_keys: int, size: int) -> list[bytes]:
        """Forgets what is older than ``before``, and the oldest beyond the bounds of all and of each tenant; which keys those were."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyBounds:
    """How much is kept.

    Attributes:
        keys: of everybody.
        tenant_keys: of one tenant.
        size: bytes of all answers.
    """

    keys: int
    tenant_keys: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedCall:
    """A call with a key.

    Attributes:
        id: digest of tenant, caller, method and key.
        tenant: of the caller.
        fingerprint: digest of the payload.
        seconds: that the call may take.
        request_id: what makes the request the same one at its service.
        policy: of the method.
        tell: takes fields of the answer.
    """

    id: bytes
    tenant: str
    fingerprint: bytes
    seconds: float
    request_id: str
    policy: MethodPolicy
    tell: Tell

    @classmethod
    def of(cls, raw: bytes, *, principal: Principal, policy: MethodPolicy, payload: Sequence[bytes], tell: Tell) -> "KeyedCall":
        """The call of a request whose header is ``raw``.

        Raises:
            HeadersInvalid: that is no key.
        """
        identity = key_id(parse_key(raw), principal=principal, path=policy.path)
        return cls(
            id=identity,
            tenant=principal.tenant,
            fingerprint=fingerprint_of(*payload),
            seconds=policy.timeout,
            request_id=request_id_of(identity),
            policy=policy,
            tell=tell,
        )

    @classmethod
    def wanted(
        cls, raw: bytes | None, *, principal: Principal | None, policy: MethodPolicy, payload: Sequence[bytes], tell: Tell
    ) -> "KeyedCall | None":
        """The same; None of a request without a key, and of one that has no owner: anybody may call its method.

        Raises:
            HeadersInvalid: as above.
        """
        if raw is None or policy.public or principal is None:
            return None
        return cls.of(raw, principal=principal, policy=policy, payload=payload, tell=tell)

    def of_payload(self, *payload: bytes) -> "KeyedCall":
        """The same call, with a payload that was read after its key."""
        return replace(self, fingerprint=fingerprint_of(*payload))

    def identified(self, request: bytes) -> bytes:
        """The request with the identity that its key gives it, unless it has one."""
        identity = self.policy.identity
        return request if identity is None else identity.ensured(request, self.request_id)


class IdempotentCalls:
    """The keys that this gateway knows; a component.

    A second effect is prevented by the identity that the key gives the request, at the service: also when this gateway is killed, when
    Redis is away and when the answer was not kept. What is kept here spares the call, and shows that a key is used for something else.
    """

    def __init__(
        self, *, store: AnswerStore, shared: SharedKeys, sealer: Sealer, bounds: KeyBounds, clock: Clock, metrics: KeyMetrics
    ) -> None:
        """Takes its parts; keeps nothing before `start`.

        Args:
            store: the answers of this gateway.
            shared: what other gateways know.
            sealer: seals answers, which may hold secrets.
            bounds: how much is kept.
            clock: source of time.
            metrics: counts.
        """
        self._store = store
        self._shared = shared
        self._sealer = sealer
        self._bounds = bounds
        self._clock = clock
        self._metrics = metrics
        self._background = Background(clock)
        self._later = Background(clock)
        self._wake = Wake(clock)
        self._commit = GroupCommit[KeptAnswer, None](flush=self._flush)
        self._under_way: dict[bytes, bytes] = {}
        self._unwritten: dict[bytes, KeptAnswer] = {}
        self._written: set[bytes] = set()

    async def start(self) -> None:
        """Learns which keys are kept."""
        self._written = await self._store.ids()
        await self._commit.start()
        await self._shared.start()
        self._background.woken("idempotency keys written", self._wake, self._write_soon)
        self._background.periodic("idempotency keys", _CLEAN_SECONDS, self.clean)

    async def stop(self) -> None:
        """Writes what is not written yet; may be called twice."""
        await self._background.stop()  # these never return by themselves, so that a grace period would only pass
        await self._later.stop(grace_seconds=_STOP_SECONDS)
        await self._write()
        await self._commit.stop()
        await self._shared.stop()

    async def run(self, call: KeyedCall, send: Callable[[], Awaitable[Reply]]) -> Reply:
        """The answer that the key has, or that of ``send``, which is kept.

        Raises:
            IdempotencyKeyInUse: the first request with the key is under way.
            IdempotencyKeyReused: that had another payload.
            TocsinError: that of ``send``, or the one that was kept.
        """
        if (other := self._under_way.get(call.id)) is not None:
            self._same(call, other)
            self._busy()
        self._under_way[call.id] = call.fingerprint
        try:
            known = await self._known(call)
            if known is not None:
                self._same(call, known.fingerprint)
                if known.in_use:
                    self._busy()
                if known.answer is not None and (found := self._opened(call, known.answer)) is not None:
                    return self._replayed(call, found)
            return await self._sent(call, send)
        finally:
            del self._under_way[call.id]

    async def answer(self, call: KeyedCall | None, request: bytes, send: Unary) -> bytes:
        """The answer to a request, with or without a key, where it has no status of its own.

        Raises:
            TocsinError: as `run`.
        """
        if call is None:
            return await send(request)
        identified = call.identified(request)

        async def sent() -> Reply:
            return None, await send(identified)

        return (await self.run(call, sent))[1]

    async def _sent(self, call: KeyedCall, send: Callable[[], Awaitable[Reply]]) -> Reply:
        self._metrics.used("first")
        try:
            status, answer = await send()
        except _FINAL as error:
            await self._keep(call, _ERROR + to_status(error).SerializeToString())
            raise
        except asyncio.CancelledError:
            self._later.once("idempotency key", partial(self._shared.forget, [call.id]))
            raise
        except BaseException:
            # It may have happened or not. Whoever asks again sends the same identity.
            await self._shared.forget([call.id])
            raise
        await self._keep(call, (_ACCEPTED if status == _ACCEPTED_STATUS else _USUAL) + answer)
        return status, answer

    async def _known(self, call: KeyedCall) -> SharedKey | None:
        """What the key was used for before; None if it is new, and ours from now on."""
        kept = self._unwritten.get(call.id)
        if kept is None and call.id in self._written:
            kept = await self._store.find(call.id)
        if kept is not None and kept.created > self._expired():
            return SharedKey(False, kept.fingerprint, kept.answer)
        return await self._shared.claim(call.id, call.fingerprint, seconds=call.seconds + _MARGIN_SECONDS)

    def _busy(self) -> None:
        self._metrics.used("in_use")
        raise IdempotencyKeyInUse(retry_after=1)

    def _same(self, call: KeyedCall, fingerprint: bytes) -> None:
        if call.fingerprint != fingerprint:
            self._metrics.used("reused")
            raise IdempotencyKeyReused

    async def _keep(self, call: KeyedCall, answer: bytes) -> None:
        sealed = self._sealer.seal_bytes(answer, owner=call.id.hex()) if len(answer) <= MOST_ANSWER_BYTES else None
        kept = KeptAnswer(call.id, call.tenant, call.fingerprint, sealed, self._clock.micros())
        self._unwritten[call.id] = kept
        self._wake.set()
        self._shared.keep(call.id, call.fingerprint, sealed, seconds=KEPT_SECONDS)

    async def _flush(self, batch: Sequence[KeptAnswer]) -> Sequence[None]:
        await self._store.add(batch)
        return [None] * len(batch)

    async def _write_soon(self) -> None:
        """Writes what has come in a moment, in one transaction: a transaction for each key would cost more than all else of it."""
        await self._clock.sleep(_GATHER_SECONDS)
        await self._write()

    async def _write(self) -> None:
        waiting = list(self._unwritten.values())
        for kept, result in zip(waiting, await self._commit.submit_all(waiting), strict=True):
            self._settled(kept, isinstance(result, Exception))

    def _settled(self, kept: KeptAnswer, failed: bool) -> None:
        if self._unwritten.get(kept.id) is kept:
            del self._unwritten[kept.id]
        if failed:
            _log.warning("idempotency key not written")
        else:
            self._written.add(kept.id)

    def _opened(self, call: KeyedCall, sealed: bytes) -> bytes | None:
        """The answer; None of one that another installation has sealed, so that the call is made again."""
        try:
            return self._sealer.open_bytes(sealed, owner=call.id.hex())
        except TocsinError as error:
            _log.warning("kept answer not readable", error=error.message)
            return None

    def _replayed(self, call: KeyedCall, found: bytes) -> Reply:
        kind, answer = found[:1], found[1:]
        self._metrics.used("replayed")
        call.tell(b"idempotency-replayed", b"true")
        if kind == _ERROR:
            raise from_status(status_pb2.Status.FromString(answer))
        return (_ACCEPTED_STATUS if kind == _ACCEPTED else None), answer

    async def clean(self) -> None:
        """Forgets keys that are a day old, and the oldest beyond the bounds, here and in Redis."""
        bounds = self._bounds
        gone = await self._store.clean(before=self._expired(), keys=bounds.keys, tenant_keys=bounds.tenant_keys, size=bounds.size)
        self._written.difference_update(gone)
        await self._shared.forget(gone)

    async def forget_tenant(self, tenant: str) -> int:
        """Forgets what other replicas know of the keys of a tenant that is deleted; 0, for the rows go with all others that it has."""
        await self._shared.forget(await self._store.ids_of(tenant))
        return 0

    async def take_over(self, kept: Sequence[KeptAnswer]) -> None:
        """Keeps what another gateway has left."""
        await self._store.add(kept)
        self._written.update(one.id for one in kept)

    def _expired(self) -> int:
        return self._clock.micros() - KEPT_SECONDS * SECOND
