"""``stack.json``, the picture of a running stack, and the lock that says whether it is true."""

import contextlib
import dataclasses
import fcntl
import json
import os
import ssl
import tempfile
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tocsin.errors import FailedPrecondition
from tocsin.stack.layout import lock_file, stack_file

_PRIVATE = 0o600


class StackRunning(FailedPrecondition):
    """Another stack is running on this state folder."""

    @classmethod
    def on(cls, state: Path) -> "StackRunning":
        """The error for one folder; it says what to do."""
        return cls(f"a stack already runs on {state}: `tocsin status` shows it, `tocsin down` stops it, --state names another folder")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStatus:
    """One service as its supervisor sees it; ``pid`` is None while there is no process."""

    pid: int | None
    state: str
    restarts: int
    grpc: str
    metrics: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StackStatus:
    """The whole stack: addresses for people and programs, and each service."""

    supervisor: int
    http: str
    grpc: str
    api_key_file: str
    services: Mapping[str, ServiceStatus]
    certificate: str = ""

    @property
    def healthy(self) -> bool:
        """Whether every service takes work."""
        return all(service.state == "healthy" for service in self.services.values())

    def verify(self) -> ssl.SSLContext | bool:
        """What a client on this machine trusts when it speaks to the gateway's own address, as httpx2 takes it.

        The certificate names the installation, not this address, and may be of an authority that nobody here knows: so it is this very one.
        """
        if not self.certificate:
            return True
        context = ssl.create_default_context(cafile=self.certificate)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.check_hostname = False
        return context


def write_stack_file(path: Path, picture: StackStatus) -> None:
    """Replaces the file in one step: a reader sees the old picture or the new one."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(dataclasses.asdict(picture), file, indent=2)
            file.write("\n")
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_stack_file(state: Path) -> StackStatus | None:
    """The picture in the state folder; None when there is none or it is not one of ours. It may be stale, see `is_running`."""
    try:
        data: Any = json.loads(stack_file(state).read_text(encoding="utf-8"))
        services = {str(name): ServiceStatus(**entry) for name, entry in data.pop("services").items()}
        return StackStatus(**data, services=services)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def is_running(state: Path) -> bool:
    """Whether a supervisor lives on the state folder."""
    try:
        descriptor = os.open(lock_file(state), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def supervisor_of(state: Path) -> int | None:
    """The process id of the living supervisor of the state folder; None when there is none."""
    if not is_running(state):
        return None
    text = lock_file(state).read_text(encoding="ascii", errors="replace").strip()
    return int(text) if text.isdigit() else None


@contextlib.contextmanager
def locked(state: Path) -> Generator[None]:
    """Holds the state folder; the kernel lets go of it however this process ends.

    Raises:
        StackRunning: another supervisor holds it.
    """
    descriptor = os.open(lock_file(state), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackRunning.on(state) from None
        os.truncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)
