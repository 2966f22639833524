"""The policy of every method, read from the options in the contract.

Source of the words: tocsin/api/mesh/v1/policy.proto. A method's own option wins over its service's defaults, field by field; what
neither says takes the mesh's defaults.
"""

import enum
import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Final, TypeAlias, TypeVar, cast

from google.api import annotations_pb2, field_info_pb2
from google.protobuf import descriptor_pb2, duration_pb2
from google.protobuf.descriptor import FileDescriptor

from tocsin.api.mesh.v1 import http_pb2, policy_pb2
from tocsin.mesh.breaker import BreakerRule
from tocsin.mesh.policy_options import merged_options
from tocsin.mesh.request_id import RequestIdField
from tocsin.mesh.retry import RetryRule

Rule = TypeVar("Rule", RetryRule, BreakerRule)

Messages: TypeAlias = Mapping[str, descriptor_pb2.DescriptorProto]
"""Message types by ".package.Name"."""

READABLE_OPTIONS = (annotations_pb2, http_pb2)
"""Imported before the contract is parsed: an option that is unknown by then stays so, for everybody who asks for it later."""

_FIELD_INFO = cast("Any", field_info_pb2.field_info)  # its published stub is no key of extensions

PACKAGE = "tocsin.api."
DESCRIPTORS: Final = resources.files("tocsin.api") / "descriptors.binpb"
"""Of Tocsin's own contract."""
_SERVICE_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")  # what a segment of a SPIFFE path may hold
MAX_REQUEST_BYTES = 256 * 1024
"""Most bytes of a request from outside, unless its method says otherwise."""
RESUME_FIELD = "resume_token"
"""The field by which a watch is resumed, of its request and of its answers."""
CONTROL = "/tocsin.api.mesh.v1.MeshService/"
"""Prefix of the methods that look at the mesh itself: they pass no breaker and no health check."""


class PolicyError(ValueError):
    """The contract's policy is incomplete; every problem is a line that names the method."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class MethodKind(enum.Enum):
    """The four kinds of methods."""

    UNARY_UNARY = "unary_unary"
    UNARY_STREAM = "unary_stream"
    STREAM_UNARY = "stream_unary"
    STREAM_STREAM = "stream_stream"


class Criticality(enum.IntEnum):
    """What a server refuses first when it has to choose: the highest number."""

    CRITICAL = 1
    NORMAL = 2
    SHEDDABLE = 3


class Balance(enum.IntEnum):
    """Which of several replicas gets an attempt."""

    LEAST_REQUEST = 1
    ROUND_ROBIN = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodPolicy:
    """What the mesh does for one method.

    Attributes:
        path: "/tocsin.api.scheduler.v1.AlarmService/CreateAlarm".
        service: "tocsin.api.scheduler.v1.AlarmService".
        method: "CreateAlarm".
        kind: which sides stream.
        request_type: full name of the request message.
        response_type: full name of the response message.
        timeout: longest time of one call in seconds, retries included.
        retry: how often; applies only when ``idempotent``.
        breaker: when calls stop being attempted.
        scope: scope that the token must carry; empty when none is needed.
        rate_class: name of the rate limit.
        criticality: importance under overload.
        concurrent_calls: how many one caller may have under way in one process; 0 for no bound.
        standing_queue_limit: whether calls are refused while what its handlers wait for cannot keep up; of unary methods.
        callers: services that may call; empty unless internal.
        public: no token is needed.
        delegates: services that may call for a tenant without its token.
        hedged: a second attempt is made beside a slow one.
        hedge_delay: seconds before it; None for what most calls take.
        balance: which replica gets an attempt; streams go in turn, whatever it says.
        idempotent: marked IDEMPOTENT or NO_SIDE_EFFECTS.
        side_effect_free: marked NO_SIDE_EFFECTS.
        max_request_bytes: most bytes of a request from outside, as it is sent; of each message, when requests stream.
        path_only: over HTTP, a body and a query are ignored.
        identity: the field of its request that makes a repeated call the same one; None when it has none.
        audited: whether each call leaves an entry in the audit log: it writes, is no service's own, and there is no other ledger of it.
        shared: one watch serves all of a tenant who ask the same.
        carried: its calls may ride on a carrier.
        comment: the leading comment in the contract; empty when there is none.
    """

    path: str
    service: str
    method: str
    kind: MethodKind
    request_type: str
    response_type: str
    timeout: float
    retry: RetryRule
    breaker: BreakerRule
    scope: str
    rate_class: str
    criticality: Criticality
    concurrent_calls: int
    standing_queue_limit: bool
    callers: frozenset[str]
    public: bool
    delegates: frozenset[str]
    hedged: bool
    hedge_delay: float | None
    balance: Balance
    idempotent: bool
    side_effect_free: bool
    max_request_bytes: int
    path_only: bool
    identity: RequestIdField | None
    audited: bool
    shared: bool
    carried: bool
    comment: str

    @property
    def internal(self) -> bool:
        """Whether only other services may call it."""
        return bool(self.callers)

    @property
    def is_control(self) -> bool:
        """Whether it looks at the mesh itself."""
        return self.path.startswith(CONTROL)

    def problems(self) -> Iterable[str]:
        """Yields what the policy lacks, each line naming the method."""
        if self.timeout <= 0:
            yield f"{self.path}: policy.timeout is missing"
        if not (self.scope or self.public or self.callers):
            yield f"{self.path}: one of policy.scope, policy.public and policy.callers is needed"
        if self.public and (self.scope or self.callers):
            yield f"{self.path}: policy.public excludes scope and callers"
        if self.hedged and (not self.side_effect_free or self.kind is not MethodKind.UNARY_UNARY):
            yield f"{self.path}: policy.hedge is for unary methods with NO_SIDE_EFFECTS"
        if self.shared and (not self.side_effect_free or self.kind is not MethodKind.UNARY_STREAM or self.public):
            yield f"{self.path}: policy.shared is for streams of answers with NO_SIDE_EFFECTS that need a token"
        if self.carried and self.kind is not MethodKind.UNARY_UNARY:
            yield f"{self.path}: policy.carried is for unary methods"
        if not self.rate_class:
            yield f"{self.path}: policy.rate_class is missing"


@cache
def contract() -> descriptor_pb2.FileDescriptorSet:
    """Tocsin's compiled contract with comments and imports, as ``make gen`` wrote it; it does not come with the mesh alone.

    Raises:
        FileNotFoundError: Tocsin is not installed.
    """
    return descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTORS.read_bytes())


@cache
def policies() -> Mapping[str, MethodPolicy]:
    """The policy of every method of Tocsin's contract, by path.

    Raises:
        PolicyError: a method lacks something that is mandatory.
    """
    return checked(read(contract()))


def with_imports(files: Iterable[FileDescriptor]) -> descriptor_pb2.FileDescriptorSet:
    """``files`` with all that they import."""
    found: dict[str, FileDescriptor] = {}
    waiting = list(files)
    while waiting:
        file = waiting.pop()
        if file.name not in found:
            found[file.name] = file
            waiting += file.dependencies
    copied = descriptor_pb2.FileDescriptorSet()
    for file in found.values():
        file.CopyToProto(copied.file.add())
    return copied


def digest(methods: Iterable[MethodPolicy], others: Iterable[str] = ()) -> str:
    """What tells two sets of policies, and ``others`` beside them, apart, whatever the order of policies; comments do not count."""
    lines = [*sorted(" ".join(map(_shown, _values(policy))) for policy in methods), *others]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _shown(value: object) -> str:
    return str(sorted(cast("frozenset[str]", value)) if isinstance(value, frozenset) else value)


def _values(policy: MethodPolicy) -> Iterator[Any]:
    return (getattr(policy, field.name) for field in fields(policy) if field.name != "comment")


def checked(found: Mapping[str, MethodPolicy], *, services: Collection[str] = ()) -> Mapping[str, MethodPolicy]:
    """Returns ``found`` if every policy in it is complete.

    Args:
        found: the policies.
        services: names of all services of the mesh, for ``callers`` and ``delegates`` must be among them; not known when empty.

    Raises:
        PolicyError: names every problem of every method.
    """
    problems = [problem for policy in found.values() for problem in (*policy.problems(), *_unknown_peers(policy, services))]
    if problems:
        raise PolicyError(problems)
    return found


def _unknown_peers(policy: MethodPolicy, services: Collection[str]) -> Iterable[str]:
    for word, names in (("callers", policy.callers), ("delegates", policy.delegates)):
        for name in sorted(names):
            if not _SERVICE_NAME.fullmatch(name):
                yield f"{policy.path}: policy.{word}: {name!r} is no name of a service: letters, digits, '.', '-' and '_'"
            elif services and name not in services:
                yield f"{policy.path}: policy.{word}: there is no service {name!r}; known are {', '.join(sorted(services))}"


def read(files: descriptor_pb2.FileDescriptorSet, *, package: str = PACKAGE) -> Mapping[str, MethodPolicy]:
    """The policies in ``files``, complete or not, by path.

    Args:
        files: compiled .proto files; comments are read when they carry source info.
        package: only packages that begin with it.

    Raises:
        PolicyError: a value makes no sense.
    """
    found: dict[str, MethodPolicy] = {}
    messages = {f".{qualified(file.package, message.name)}": message for file in files.file for message in file.message_type}
    for file in files.file:
        if not f"{file.package}.".startswith(package):
            continue
        comments = _method_comments(file) if file.service else {}
        for number, service in enumerate(file.service):
            for index, method in enumerate(service.method):
                policy = _method_policy(file.package, service, method, comments.get((number, index), ""), messages)
                found[policy.path] = policy
    return MappingProxyType(found)


def _method_comments(file: descriptor_pb2.FileDescriptorProto) -> dict[tuple[int, int], str]:
    """The comment above each method, by the index of its service and its own; every other place of the file is passed over unread."""
    found: dict[tuple[int, int], str] = {}
    for place in file.source_code_info.location:
        path = place.path
        # 6 is FileDescriptorProto.service, 2 is ServiceDescriptorProto.method.
        if len(path) == 4 and path[0] == 6 and path[2] == 2:
            found[path[1], path[3]] = place.leading_comments.strip()
    return found


def qualified(package: str, name: str) -> str:
    """The full name of what is called ``name`` in ``package``, which may be none."""
    return f"{package}.{name}" if package else name


def _method_policy(
    package: str,
    service: descriptor_pb2.ServiceDescriptorProto,
    method: descriptor_pb2.MethodDescriptorProto,
    comment: str,
    messages: Messages,
) -> MethodPolicy:
    options = merged_options(service, method)
    level = method.options.idempotency_level
    name = qualified(package, service.name)
    path = f"/{name}/{method.name}"
    return MethodPolicy(
        path=path,
        service=name,
        method=method.name,
        kind=_KINDS[method.client_streaming, method.server_streaming],
        request_type=method.input_type.removeprefix("."),
        response_type=method.output_type.removeprefix("."),
        timeout=in_seconds(options.timeout),
        retry=_build(path, lambda: _retry_rule(options.retry)),
        breaker=_build(path, lambda: _breaker_rule(options.breaker)),
        scope=options.scope,
        rate_class=options.rate_class,
        criticality=Criticality(options.criticality or Criticality.NORMAL),
        concurrent_calls=options.concurrent_calls,
        standing_queue_limit=options.standing_queue_limit,
        callers=frozenset(options.callers),
        public=options.public,
        delegates=frozenset(options.delegates),
        hedged=options.hedge.enabled,
        hedge_delay=in_seconds(options.hedge.delay) if options.hedge.HasField("delay") else None,
        balance=Balance(options.balance or Balance.LEAST_REQUEST),
        idempotent=level in _IDEMPOTENT,
        side_effect_free=level == descriptor_pb2.MethodOptions.NO_SIDE_EFFECTS,
        max_request_bytes=options.max_request_bytes or MAX_REQUEST_BYTES,
        path_only=options.path_only,
        identity=_identity(path, options.identity, method.input_type, messages),
        audited=level != descriptor_pb2.MethodOptions.NO_SIDE_EFFECTS and not options.callers and not options.unaudited,
        carried=options.carried,
        shared=options.shared and _can_be_shared(path, method, messages),
        comment=comment,
    )


def _identity(path: str, declared: str, request: str, messages: Messages) -> RequestIdField | None:
    """The field that the policy names, or the one that is an identity by its format (AIP-4235)."""
    if not declared:
        fields = messages[request].field if request in messages else ()
        made = [field for field in fields if field.options.Extensions[_FIELD_INFO].format == field_info_pb2.FieldInfo.UUID4]
        return RequestIdField((made[0].name,), (made[0].number,)) if made else None
    numbers: list[int] = []
    kind, field = request, None
    for name in declared.split("."):
        field = next((one for one in messages[kind].field if one.name == name), None) if kind in messages else None
        if field is None:
            raise PolicyError([f"{path}: policy.identity: there is no field {declared!r}"])
        numbers.append(field.number)
        kind = field.type_name
    if field is None or field.type != field.TYPE_STRING or field.label == field.LABEL_REPEATED:
        raise PolicyError([f"{path}: policy.identity: {declared!r} is no text"])
    return RequestIdField(tuple(declared.split(".")), tuple(numbers))


def _can_be_shared(path: str, method: descriptor_pb2.MethodDescriptorProto, messages: Messages) -> bool:
    """Whether the watch can be resumed, without which it cannot be joined."""
    for kind in (method.input_type, method.output_type):
        fields = messages[kind].field if kind in messages else ()
        if not any(field.name == RESUME_FIELD and field.type == field.TYPE_STRING for field in fields):
            raise PolicyError([f"{path}: policy.shared: {kind.rpartition('.')[2]} has no {RESUME_FIELD}"])
    return True


_KINDS = {
    (False, False): MethodKind.UNARY_UNARY,
    (False, True): MethodKind.UNARY_STREAM,
    (True, False): MethodKind.STREAM_UNARY,
    (True, True): MethodKind.STREAM_STREAM,
}
_IDEMPOTENT = (descriptor_pb2.MethodOptions.IDEMPOTENT, descriptor_pb2.MethodOptions.NO_SIDE_EFFECTS)


def _build(path: str, make: Callable[[], Rule]) -> Rule:
    try:
        return make()
    except ValueError as error:
        raise PolicyError([f"{path}: policy: {error}"]) from error


def _retry_rule(option: policy_pb2.Retry) -> RetryRule:
    return RetryRule(**given(option, RetryRule))


def _breaker_rule(option: policy_pb2.Breaker) -> BreakerRule:
    return BreakerRule(**given(option, BreakerRule))


def given(option: policy_pb2.Retry | policy_pb2.Breaker, rule: type[RetryRule] | type[BreakerRule]) -> dict[str, Any]:
    """The fields of an option that a rule has and that are set, by name; durations in seconds."""
    names = {field.name for field in fields(rule)}
    values: dict[str, Any] = {}
    for field, value in option.ListFields():
        if field.name in names:
            values[field.name] = frozenset(value) if field.is_repeated else value
            if isinstance(value, duration_pb2.Duration):
                values[field.name] = in_seconds(value)
    return values


def in_seconds(duration: duration_pb2.Duration) -> float:
    """A duration in seconds."""
    return duration.seconds + duration.nanos / 1e9
