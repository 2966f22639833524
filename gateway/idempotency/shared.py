"""What replicas tell one another about keys, in Redis: which are in use, and what those were answered with that are done."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tocsin.redis import NAMESPACE, Redis

if TYPE_CHECKING:
    import redis.asyncio as redis_client

_FINGERPRINT_BYTES: Final = 32
_IN_USE: Final = b"u"
_DONE: Final = b"d"
_TOO_LARGE: Final = b"t"


class SharedKey(NamedTuple):
    """A key that another request has; ``answer`` is sealed, and None while it is in use and when it was too large to be kept."""

    in_use: bool
    fingerprint: bytes
    answer: bytes | None


class SharedKeys:
    """Keys in Redis. While it is away, each gateway knows its own."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def claim(self, identity: bytes, fingerprint: bytes, *, seconds: float) -> SharedKey | None:
        """Takes a key for ``seconds`` by one atomic command; None if it is ours now, or nobody can say, else what is known of it."""

        async def ask(client: "redis_client.Redis") -> Any:
            return await client.set(_name(identity), _IN_USE + fingerprint, nx=True, get=True, px=max(1, round(seconds * 1000)))

        raw: Any = await self._redis.attempt(ask, lambda: None)
        if not isinstance(raw, bytes) or len(raw) <= _FINGERPRINT_BYTES:
            return None
        kind, said, answer = raw[:1], raw[1 : _FINGERPRINT_BYTES + 1], raw[_FINGERPRINT_BYTES + 1 :]
        return SharedKey(kind == _IN_USE, said, answer if kind == _DONE else None)

    async def keep(self, identity: bytes, fingerprint: bytes, answer: bytes | None, *, seconds: int) -> None:
        """Says what a key was answered with."""
        value = (_TOO_LARGE if answer is None else _DONE) + fingerprint + (answer or b"")

        async def tell(client: "redis_client.Redis") -> None:
            await client.set(_name(identity), value, ex=seconds)

        await self._redis.attempt(tell, lambda: None)

    async def forget(self, ids: Sequence[bytes]) -> None:
        """Gives keys back."""

        async def tell(client: "redis_client.Redis") -> None:
            await client.unlink(*map(_name, ids))

        if ids:
            await self._redis.attempt(tell, lambda: None)


def _name(identity: bytes) -> str:
    return f"{NAMESPACE}idempotency:{identity.hex()}"
