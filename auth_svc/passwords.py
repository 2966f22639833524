"""Passwords by Argon2id (RFC 9106), in threads of their own, so that the event loop stays free."""

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

import argon2
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from prometheus_client import CollectorRegistry

from auth_svc.fair_queue import FairQueue
from auth_svc.metrics import PasswordMetrics
from auth_svc.ports import PasswordCheck
from tocsin.errors import DataLoss, Unavailable

T = TypeVar("T")

_SALT_BYTES: Final = 16
_HASH_BYTES: Final = 32


class Argon2Passwords:
    """Implements `auth_svc.ports.PasswordHasher`; a component.

    Threads bound the memory that hashing takes (threads x memory), the queue bounds how long a caller waits, and shares it fairly among
    clients: see `FairQueue`.
    """

    def __init__(
        self, *, memory_kib: int, iterations: int, parallelism: int, threads: int, queue: int, share: int, registry: CollectorRegistry
    ) -> None:
        self._argon2 = argon2.PasswordHasher(
            time_cost=iterations,
            memory_cost=memory_kib,
            parallelism=parallelism,
            hash_len=_HASH_BYTES,
            salt_len=_SALT_BYTES,
            type=argon2.Type.ID,
        )
        self._threads = threads
        self._queue = FairQueue(turns=threads, places=queue, share=share)
        self._pool: ThreadPoolExecutor | None = None
        self._nobody = ""
        self._metrics = PasswordMetrics(registry, in_progress=lambda: self._queue.busy)

    async def start(self) -> None:
        """Makes the threads, and the hash that stands for accounts that do not exist."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="argon2")
            self._nobody = await self._run("", lambda: self._argon2.hash(secrets.token_urlsafe()))

    async def stop(self) -> None:
        """Shut the threads down; what they are doing ends without a result."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: str, *, client: str = "") -> str:
        """The hash, in the PHC string format."""
        return await self._run(client, lambda: self._argon2.hash(password))

    async def verify(self, password_hash: str | None, password: str, *, client: str = "") -> PasswordCheck:
        """Compares; without a hash, with that of a password which nobody knows."""
        return await self._run(client, lambda: self._verify(password_hash or self._nobody, password))

    def _verify(self, password_hash: str, password: str) -> PasswordCheck:
        try:
            self._argon2.verify(password_hash, password)
        except VerifyMismatchError:
            return PasswordCheck.WRONG
        except InvalidHashError as error:
            raise DataLoss("A stored password hash is damaged.") from error
        return PasswordCheck.OUTDATED if self._argon2.check_needs_rehash(password_hash) else PasswordCheck.RIGHT

    async def _run(self, client: str, work: Callable[[], T]) -> T:
        """Runs ``work`` in a thread. A caller may go away at any time; its turn ends when the thread has finished what it began."""
        await self._queue.take(client)
        if self._pool is None:
            self._queue.give()
            raise Unavailable("Passwords are not checked now.", retry_after=1.0)

        def timed() -> T:
            with self._metrics.timed():
                return work()

        loop = asyncio.get_running_loop()

        def ended(_job: "Future[T]") -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the process ends
                loop.call_soon_threadsafe(self._queue.give)

        job = self._pool.submit(timed)
        job.add_done_callback(ended)
        return await asyncio.wrap_future(job)
