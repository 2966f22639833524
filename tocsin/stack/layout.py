"""Where everything of a stack is: its services, its ports, and the files of its state folder."""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from tocsin.errors import ConfigError, ResourceExhausted
from tocsin.listening import can_listen
from tocsin.setting_names import PREFIX

GATEWAY: Final = "gateway"
SERVICES: Final = ("auth_svc", "scheduler_svc", "processor_svc", "mailer_svc", GATEWAY)
"""Every service, in the order of the table and of the start."""
STOP_ORDER: Final = (GATEWAY, "processor_svc", "mailer_svc", "scheduler_svc", "auth_svc")
"""The door first; then what takes work before what hands it out, so that nothing is in flight at the end."""
IMPORT_ORDER: Final = (GATEWAY, "auth_svc", "processor_svc", "mailer_svc", "scheduler_svc")
"""In which a template imports them: who has most to do once it is imported does it while the others are."""

Kind = Literal["http", "grpc", "metrics"]
_HIGHEST: Final = 65535
# Free ports are drawn below the range from which Linux takes the ports of outgoing connections (32768): a restart needs its port again.
_FREE_FROM, _FREE_TO = 20_000, 32_000
_OFFSETS: Final[Mapping[tuple[str, Kind], tuple[int, int]]] = {
    # the port by default, and its distance from --port-base
    (GATEWAY, "http"): (8000, 0),
    (GATEWAY, "grpc"): (8001, 1),
    ("auth_svc", "grpc"): (9001, 11),
    ("scheduler_svc", "grpc"): (9002, 12),
    ("processor_svc", "grpc"): (9003, 13),
    ("mailer_svc", "grpc"): (9004, 14),
    (GATEWAY, "metrics"): (9100, 20),
    ("auth_svc", "metrics"): (9101, 21),
    ("scheduler_svc", "metrics"): (9102, 22),
    ("processor_svc", "metrics"): (9103, 23),
    ("mailer_svc", "metrics"): (9104, 24),
}
CERTIFICATE_SETTING: Final = "TOCSIN_GATEWAY_PUBLIC_TLS_CERT_FILE"
_STORE: Final = ("TOCSIN_DATABASE_",)
"""Begins the settings of a database, which the gateway has not."""
_FIELDS: Final[Mapping[Kind, str]] = {"http": "HTTP_PORT", "grpc": "PORT", "metrics": "METRICS_PORT"}


def prefix(service: str) -> str:
    """The prefix of the service's own settings, such as ``TOCSIN_SCHEDULER_``."""
    return f"{PREFIX}{service.removesuffix('_svc').upper()}_"


class PortsInUse(ResourceExhausted):
    """A port that the stack needs is in use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """One port of one service, and where its number came from."""

    service: str
    kind: Kind
    number: int
    source: str

    @property
    def setting(self) -> str:
        """The environment variable that sets it."""
        return prefix(self.service) + _FIELDS[self.kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The ports and files of one stack."""

    state: Path
    host: str
    ports: tuple[Port, ...]
    certificate: str = ""
    """The file of the certificate that the doors show; empty: they speak plain text."""

    @property
    def connect_host(self) -> str:
        """The host under which this machine reaches what listens on ``host``."""
        return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, f"[{self.host}]" if ":" in self.host else self.host)  # noqa: S104 - compared, not bound

    def port(self, service: str, kind: Kind) -> int:
        """The number of one port."""
        return next(port.number for port in self.ports if (port.service, port.kind) == (service, kind))

    def address(self, service: str) -> str:
        """``host:port`` of the service's gRPC server; of the gateway: the edge."""
        return f"{self.connect_host}:{self.port(service, 'grpc')}"

    def metrics_url(self, service: str) -> str:
        """Where Prometheus finds the service."""
        return f"http://{self.connect_host}:{self.port(service, 'metrics')}/metrics"

    def ready_url(self, service: str) -> str:
        """Answers 200 while the service takes work."""
        return f"http://{self.connect_host}:{self.port(service, 'metrics')}/readyz"

    @property
    def http_url(self) -> str:
        """The gateway's REST address."""
        return f"{'https' if self.certificate else 'http'}://{self.connect_host}:{self.port(GATEWAY, 'http')}"

    @property
    def stack_file(self) -> Path:
        """The machine-readable picture of the running stack."""
        return stack_file(self.state)

    @property
    def api_key_file(self) -> Path:
        """The development API key that auth_svc writes at its first start."""
        return self.state / "dev-api-key"

    def log_file(self, service: str) -> Path:
        """What the service writes."""
        return log_folder(self.state) / f"{service}.log"

    def environment(self, service: str, env: Mapping[str, str]) -> dict[str, str]:
        """The environment of one child: the user's over the stack's own; the ports are as planned, where the user's had their say.

        What is named after another service stays away from it, and the database from the gateway: none holds a secret it has no use for.
        """
        targets = {f"TOCSIN_{name.removesuffix('_svc').upper()}_TARGET": self.address(name) for name in SERVICES if name != GATEWAY}
        defaults = {**targets, "TOCSIN_DRAIN_SECONDS": "0.5", "TOCSIN_HOST": self.host, "TOCSIN_PUBLIC_URL": self.http_url}
        defaults["PYTHONUNBUFFERED"] = "1"
        others = ("TOCSIN_CLIENT_", *(prefix(name) for name in SERVICES if name != service), *(_STORE if service == GATEWAY else ()))
        given = {name: value for name, value in env.items() if value and (name in targets or not name.upper().startswith(others))}
        if given.pop("PYTHONDONTWRITEBYTECODE", None) and "PYTHONPYCACHEPREFIX" not in given:
            # The source tree stays clean, but compiling every library at each start would take longer than all the rest of it.
            given["PYTHONPYCACHEPREFIX"] = str(_cache_folder(env, self.state) / "pycache")
        ports = {port.setting: str(port.number) for port in self.ports if port.service == service}
        return {**defaults, **given, **ports, "TOCSIN_STATE_DIR": str(self.state)}


def _cache_folder(env: Mapping[str, str], state: Path) -> Path:
    """Where this user's programs keep what can be made again (XDG Base Directory Specification)."""
    if cache := env.get("XDG_CACHE_HOME"):
        return Path(cache) / "tocsin"
    return Path(home) / ".cache" / "tocsin" if (home := env.get("HOME")) else state


def stack_file(state: Path) -> Path:
    """``stack.json`` of the state folder."""
    return state / "stack.json"


def lock_file(state: Path) -> Path:
    """Locked by the supervisor as long as it lives."""
    return state / "stack.lock"


def log_folder(state: Path) -> Path:
    """Where the logs of the services and of a detached supervisor are."""
    return state / "logs"


def plan(*, state: Path, base: int | None, env: Mapping[str, str]) -> Layout:
    """Lays out a stack.

    Args:
        state: the state folder; made absolute.
        base: first of the ports; None for the usual ones; 0 for any free ones. It goes before the settings of the environment.
        env: the user's environment.

    Raises:
        ConfigError: a port is not a number, out of range, or wanted twice.
    """
    host = env.get("TOCSIN_HOST") or "127.0.0.1"
    wanted = tuple(_wanted(base, env))
    taken: dict[int, Port] = {}
    ports: list[Port] = []
    for port in wanted:
        number = port.number or _free_port(host, {other.number for other in (*wanted, *ports)})
        placed = Port(service=port.service, kind=port.kind, number=number, source=port.source)
        if number in taken:
            other = taken[number]
            raise ConfigError([f"{placed.source}: {_use(placed)} and {_use(other)} ({other.source}) both use port {number}"])
        taken[number] = placed
        ports.append(placed)
    certificate = env.get(CERTIFICATE_SETTING) or ""
    return Layout(
        state=state.expanduser().resolve(), host=host, ports=tuple(ports), certificate=certificate and str(Path(certificate).resolve())
    )


def ports_in_use(layout: Layout) -> list[str]:
    """A line for each port that somebody else holds: the port, who needs it, and what moves it."""
    return [
        f"port {port.number} is in use: {_use(port)} needs it; set {port.setting} or --port-base"
        for port in layout.ports
        if not can_listen(layout.host, port.number)
    ]


def _wanted(base: int | None, env: Mapping[str, str]) -> Iterator[Port]:
    highest = _HIGHEST - max(offset for _, offset in _OFFSETS.values())
    if base is not None and not 0 <= base <= highest:
        raise ConfigError([f"--port-base {base}: must be a port between 0 and {highest}, so that the ports after it exist"])
    problems: list[str] = []
    for (service, kind), (usual, offset) in _OFFSETS.items():
        setting = prefix(service) + _FIELDS[kind]
        if base is not None:
            number, source = (base + offset if base else 0), f"--port-base {base}"
        else:
            number, source = _number(env.get(setting) or str(usual), setting, problems), setting
        if number > _HIGHEST:
            problems.append(f"{source}: port {number} is not between 0 and {_HIGHEST}")
        yield Port(service=service, kind=kind, number=number, source=source)
    if problems:
        raise ConfigError(problems)


def _number(text: str, setting: str, problems: list[str]) -> int:
    if text.isascii() and text.isdigit():
        return int(text)
    problems.append(f"{setting}: must be a port number (got {text!r})")
    return 0


def _free_port(host: str, avoid: Iterable[int]) -> int:
    taken = set(avoid)
    while True:
        number = _FREE_FROM + secrets.randbelow(_FREE_TO - _FREE_FROM)
        if number not in taken and can_listen(host, number):
            return number


def _use(port: Port) -> str:
    return f"{port.service} ({'metrics' if port.kind == 'metrics' else 'HTTP' if port.kind == 'http' else 'gRPC'})"
