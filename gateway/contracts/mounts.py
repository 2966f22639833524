"""Contracts of other teams, put together from the settings: file, policies, target."""

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.config import GatewaySettings
from gateway.contracts.conflicts import conflicts
from gateway.contracts.files import ContractRefused, clashes, read_file
from gateway.contracts.layers import Served, matches, served
from gateway.contracts.policies import ContractRules, Policies, TlsRules, read_policies
from gateway.passage import Headers, headers_of
from gateway.transcoding.contract import Contract
from gateway.transcoding.passing import is_settable
from gateway.transcoding.template import TemplateError
from tocsin.config import PREFIX, ConfigError
from tocsin.mesh.client import ForeignService, TlsFiles
from tocsin.mesh.policy import MethodPolicy
from tocsin.protojson.converters import JsonCodec

_CONTRACTS: Final = f"{PREFIX}GATEWAY_CONTRACTS"
_POLICIES: Final = f"{PREFIX}GATEWAY_POLICIES"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\Z")
_OWN: Final = frozenset({"gateway", "auth_svc", "scheduler_svc", "processor_svc", "mailer_svc"})
# What frames a request, says who sends it, or is the mesh's own to say.
_NEVER_SENT: Final = frozenset(
    {
        "authorization", "connection", "content-encoding", "content-length", "content-type", "cookie", "forwarded", "host", "keep-alive",
        "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "traceparent", "tracestate", "upgrade",
        "user-agent", "x-forwarded-for",
    }
)  # fmt: skip
_NEVER_SENT_PREFIXES: Final = ("grpc-", "x-tocsin-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One contract and the service that speaks it.

    Attributes:
        name: what the operator calls it: its file's name without the ending.
        contract: its descriptors, policies and options.
        service: how it is called.
        request_headers: headers of requests that are passed on.
        response_headers: metadata of answers that become headers.
    """

    name: str
    contract: Contract
    service: ForeignService
    request_headers: frozenset[str]
    response_headers: frozenset[str]


class Mounts:
    """All contracts that are served beside Tocsin's own."""

    def __init__(self, mounts: Sequence[Mount] = ()) -> None:
        """Makes the collection."""
        self.all = tuple(mounts)
        self.by_name: Mapping[str, Mount] = {mount.name: mount for mount in mounts}
        self.by_path: Mapping[str, Mount] = {path: mount for mount in mounts for path in mount.contract.policies}

    @property
    def contracts(self) -> Sequence[Contract]:
        """Their contracts."""
        return [mount.contract for mount in self.all]

    @property
    def methods(self) -> Mapping[str, MethodPolicy]:
        """The policies of all their methods, by path."""
        return {path: policy for contract in self.contracts for path, policy in contract.policies.items()}

    @property
    def services(self) -> Mapping[str, ForeignService]:
        """How they are called, by name."""
        return {mount.name: mount.service for mount in self.all}


def load_mounts(settings: GatewaySettings, *, own: Callable[[], Contract]) -> Mounts:
    """The contracts that the settings name.

    Args:
        settings: of the gateway.
        own: gives Tocsin's contract, with which none of them may clash.

    Raises:
        ConfigError: names everything that is wrong, with the setting and the file.
    """
    if not settings.contracts and settings.policies is None:
        return Mounts()
    problems: list[str] = []
    policies = Policies()
    if settings.policies is not None:
        try:
            policies = read_policies(settings.policies)
        except ContractRefused as error:
            problems.append(f"{_POLICIES}: {settings.policies}: {error}")
    loading = _Loading(policies, settings, problems)
    mounts = [mount for text in settings.contracts if (mount := loading.mount(text)) is not None]
    loading.check_whole(mounts, own())
    if problems:
        raise ConfigError(problems)
    return Mounts(mounts)


def contract_files(settings: GatewaySettings) -> Sequence[Path]:
    """The files that `load_mounts` reads."""
    named = [Path(text.partition("@")[0]) for text in settings.contracts]
    return [*named, *([settings.policies] if settings.policies is not None else [])]


class _Loading:
    """Reads one contract after the other, and keeps what is wrong with them."""

    def __init__(self, policies: Policies, settings: GatewaySettings, problems: list[str]) -> None:
        file = settings.policies
        self._policies = policies
        self._codec: JsonCodec = settings.json_codec
        self._folder = Path() if file is None else file.parent
        self._file = file
        self._problems = problems
        self._names: set[str] = set()
        self._paths: set[str] = set()

    def mount(self, text: str) -> Mount | None:
        """The contract of one ``file@target``; None if something is wrong with it."""
        file, separator, target = text.partition("@")
        path = Path(file)
        name = path.name.removesuffix(path.suffix)
        if not separator or not file or not target:
            self._refuse(text, "must be FILE@TARGET, such as billing.binpb@dns:///billing:50051")
            return None
        if not _NAME.match(name) or name in _OWN or name in self._names:
            self._refuse(file, f"another name is needed: {name!r} is taken, or holds more than letters, digits, dots and dashes")
            return None
        self._names.add(name)
        rules = self._policies.contracts.get(name, ContractRules())
        try:
            return self._made(name, path, target, rules)
        except (ContractRefused, TemplateError) as error:
            self._refuse(file, str(error))
            return None

    def _made(self, name: str, path: Path, target: str, rules: ContractRules) -> Mount | None:
        files = read_file(path)
        wrong: list[str] = []
        methods = served(files, rules, self._policies.methods, wrong)
        self._paths.update(methods)
        wrong.extend(_header_problems(rules))
        if not methods:
            wrong.append("none of its methods is served")
        if self._file is None and wrong:
            wrong.append(f"{_POLICIES} names the file that says so")
        self._problems.extend(f"{_CONTRACTS}: {path}: {problem}" for problem in wrong)
        scopes = frozenset(each.policy.scope for each in methods.values())
        service = self._service(name, target, rules, headers_of(rules.identity, scopes))
        if wrong:
            return None
        return Mount(
            name=name,
            contract=_contract(name, files.SerializeToString(), rules, methods, self._codec),
            service=service,
            request_headers=frozenset(rules.request_headers),
            response_headers=frozenset(rules.response_headers),
        )

    def _service(self, name: str, target: str, rules: ContractRules, headers: Callable[[], Headers]) -> ForeignService:
        authority, host = _authority(target)
        tls = TlsRules() if rules.tls is True else rules.tls
        files = None if tls is False else self._tls(name, tls)
        server_name = "" if tls is False else tls.server_name or host
        return ForeignService(
            target=target,
            headers=headers,
            tls=files,
            server_name=server_name,
            authority=authority if tls is False else "",
            health_checked=rules.health_check,
        )

    def _tls(self, name: str, tls: TlsRules) -> TlsFiles:
        made = TlsFiles(ca_file=self._placed(tls.ca_file), cert_file=self._placed(tls.cert_file), key_file=self._placed(tls.key_file))
        try:
            made.check()
        except (OSError, ValueError) as error:
            self._problems.append(f"{_POLICIES}: contracts.{name}.tls: {error}")
        return made

    def _placed(self, file: str | None) -> Path | None:
        return None if file is None else self._folder / file

    def _refuse(self, what: object, reason: str) -> None:
        self._problems.append(f"{_CONTRACTS}: {what}: {reason}")

    def check_whole(self, mounts: Sequence[Mount], own: Contract) -> None:
        """Finds what is wrong with all of them together."""
        sets = [("Tocsin", own.files), *((mount.name, mount.contract.files) for mount in mounts)]
        self._problems.extend(f"{_CONTRACTS}: {problem}" for problem in clashes(sets))
        self._problems.extend(f"{_CONTRACTS}: {problem}" for problem in _shared(own, mounts))
        try:
            self._problems.extend(f"{_CONTRACTS}: {problem}" for problem in conflicts([own, *(mount.contract for mount in mounts)]))
        except TemplateError as error:
            self._problems.append(f"{_CONTRACTS}: {error}")
        for name in sorted(self._policies.contracts.keys() - self._names):
            self._problems.append(f"{_POLICIES}: contracts.{name}: there is no such contract")
        for pattern in self._policies.methods:
            if self._paths and not any(matches(pattern, path) for path in self._paths) and not _hides(self._policies, pattern):
                self._problems.append(f"{_POLICIES}: methods.{pattern}: it matches no method")


def _hides(policies: Policies, pattern: str) -> bool:
    return policies.methods[pattern].exposed is False


def _shared(own: Contract, mounts: Iterable[Mount]) -> Iterable[str]:
    owners = dict.fromkeys(own.policies, "Tocsin")
    for mount in mounts:
        for path in mount.contract.policies:
            if (first := owners.setdefault(path, mount.name)) != mount.name:
                yield f"{first} and {mount.name} both serve {path}"


def _contract(name: str, raw: bytes, rules: ContractRules, methods: Mapping[str, Served], codec: JsonCodec) -> Contract:
    return Contract(
        descriptor_set=raw,
        name=name,
        policies={path: each.policy for path, each in methods.items()},
        transcoding={path: each.transcoding for path, each in methods.items()},
        prefix=rules.prefix or "",
        codec=codec,
    )


def _header_problems(rules: ContractRules) -> Iterable[str]:
    for name in rules.request_headers:
        if name in _NEVER_SENT or name.startswith(_NEVER_SENT_PREFIXES) or name.endswith("-bin"):
            hint = "; to pass on the caller's token, say identity: token" if name == "authorization" else ""
            yield f"request_headers: {name} is not passed on{hint}"
    for name in rules.response_headers:
        if not is_settable(name) or name.startswith(_NEVER_SENT_PREFIXES) or name.endswith("-bin"):
            yield f"response_headers: {name} is not a service's to set"


def _authority(target: str) -> tuple[str, str]:
    """The authority of calls to a target, and the name that its certificate should bear; empty where the target is an address."""
    scheme, _, rest = target.partition(":")
    if scheme in ("ipv4", "ipv6", "unix", "unix-abstract", "xds"):
        return "", ""
    name = (rest if scheme == "dns" else target).rpartition("/")[2]
    host = name.rpartition(":")[0].strip("[]")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return name, host
    return "", ""
