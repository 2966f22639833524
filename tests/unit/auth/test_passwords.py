"""Argon2id in threads: right, wrong, unknown, outdated, overloaded."""

import asyncio
import threading
from collections.abc import AsyncIterator

import argon2
import pytest
from prometheus_client import CollectorRegistry

from auth_svc.fair_queue import PasswordsBusy
from auth_svc.passwords import Argon2Passwords
from auth_svc.ports import PasswordCheck
from tocsin.errors import DataLoss, Unavailable

PASSWORD = "correct horse battery staple"


def _make(*, iterations: int = 1, threads: int = 2, queue: int = 8) -> Argon2Passwords:
    registry = CollectorRegistry()
    return Argon2Passwords(
        memory_kib=1024, iterations=iterations, parallelism=1, threads=threads, queue=queue, share=queue, registry=registry
    )


@pytest.fixture
async def passwords() -> AsyncIterator[Argon2Passwords]:
    """A hasher that runs, with parameters too weak for anything but a test."""
    made = _make()
    await made.start()
    yield made
    await made.stop()


async def test_hash_is_argon2id_with_the_parameters(passwords: Argon2Passwords) -> None:
    """The stored text says which algorithm and parameters made it, and two hashes of one password differ."""
    one, other = await passwords.hash(PASSWORD), await passwords.hash(PASSWORD)
    assert one.startswith("$argon2id$v=19$m=1024,t=1,p=1$")
    assert one != other


@pytest.mark.parametrize(
    ("typed", "verdict"), [(PASSWORD, PasswordCheck.RIGHT), (PASSWORD + "!", PasswordCheck.WRONG), ("", PasswordCheck.WRONG)]
)
async def test_verdict(passwords: Argon2Passwords, typed: str, verdict: PasswordCheck) -> None:
    """Only the password is right."""
    assert await passwords.verify(await passwords.hash(PASSWORD), typed) is verdict


async def test_changed_parameters_make_a_hash_outdated(passwords: Argon2Passwords) -> None:
    """A password that is right under old parameters is told apart, so that it can be hashed anew."""
    stronger = _make(iterations=2)
    await stronger.start()
    assert await stronger.verify(await passwords.hash(PASSWORD), PASSWORD) is PasswordCheck.OUTDATED
    assert await stronger.verify(await passwords.hash(PASSWORD), "wrong") is PasswordCheck.WRONG
    await stronger.stop()


async def test_unknown_account_costs_a_comparison(passwords: Argon2Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a hash the same work is done, on a hash with the same parameters, and the answer is: wrong."""
    compared: list[str] = []
    verify = argon2.PasswordHasher.verify

    def spy(self: argon2.PasswordHasher, hashed: str, password: str) -> bool:
        compared.append(hashed)
        return bool(verify(self, hashed, password))

    monkeypatch.setattr(argon2.PasswordHasher, "verify", spy)
    assert await passwords.verify(None, PASSWORD) is PasswordCheck.WRONG
    assert compared[0].startswith("$argon2id$v=19$m=1024,t=1,p=1$")


async def test_damaged_hash_is_told(passwords: Argon2Passwords) -> None:
    """Garbage in the database is no wrong password."""
    with pytest.raises(DataLoss):
        await passwords.verify("not a hash", PASSWORD)


async def test_hashing_leaves_the_loop_alone(passwords: Argon2Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    """The work is done in another thread."""
    seen: list[int] = []

    def spy(_self: argon2.PasswordHasher, _password: str) -> str:
        seen.append(threading.get_ident())
        return "hash"

    monkeypatch.setattr(argon2.PasswordHasher, "hash", spy)
    await passwords.hash(PASSWORD)
    assert seen
    assert seen[0] != threading.get_ident()


async def test_more_than_the_queue_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """One works, two wait, the fourth is told to come back; threads at work never exceed the bound."""
    passwords = _make(threads=1, queue=2)
    await passwords.start()
    go, running, most = threading.Event(), 0, 0

    def slow(_self: argon2.PasswordHasher, password: str) -> str:
        nonlocal running, most
        running += 1
        most = max(most, running)
        go.wait()
        running -= 1
        return password

    monkeypatch.setattr(argon2.PasswordHasher, "hash", slow)
    waiting = [asyncio.ensure_future(passwords.hash(str(number))) for number in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(PasswordsBusy) as refused:
        await passwords.hash("one too many")
    assert refused.value.retry_after == 1.0
    go.set()
    assert await asyncio.gather(*waiting) == ["0", "1", "2"]
    assert most == 1
    await passwords.stop()


async def test_caller_that_leaves_frees_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its turn ends when its thread does, and the one after it is served."""
    passwords = _make(threads=1, queue=1)
    await passwords.start()
    go = threading.Event()
    hash_password = argon2.PasswordHasher.hash
    monkeypatch.setattr(argon2.PasswordHasher, "hash", lambda _self, _password: go.wait() and "done")
    waiting = asyncio.ensure_future(passwords.hash(PASSWORD))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    go.set()
    monkeypatch.setattr(argon2.PasswordHasher, "hash", hash_password)
    assert (await passwords.hash(PASSWORD)).startswith("$argon2id$")
    await passwords.stop()


async def test_start_and_stop_twice() -> None:
    """Both may be called again, in any order; stopped, it refuses."""
    passwords = _make()
    await passwords.stop()
    for _ in range(2):
        await passwords.start()
        await passwords.start()
        await passwords.hash(PASSWORD)
        await passwords.stop()
        await passwords.stop()
    with pytest.raises(Unavailable):
        await passwords.hash(PASSWORD)
