"""The policies of a contract of another team: its own options, the defaults, and the rules of the operator's file, one over the other."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Final

from google.api import annotations_pb2, http_pb2
from google.protobuf import descriptor_pb2
from pydantic import BaseModel

from gateway.contracts.policies import ContractRules, MethodRules, PrintingRules, TranscodingRules
from gateway.transcoding.options import STRICT, Transcoding
from tocsin.mesh.policy import Criticality, MethodKind, MethodPolicy, policies, qualified, read
from tocsin.protojson.printing import Printing

UNARY_SECONDS: Final = 10.0
"""Default timeout of a call with one answer."""
STREAM_SECONDS: Final = 3600.0
"""Default timeout of a stream."""

_NOT_SERVED: Final = ("google.", "grpc.")
_HTTP: Final[Any] = annotations_pb2.http
_CRITICALITIES: Final = {"critical": Criticality.CRITICAL, "normal": Criticality.NORMAL, "sheddable": Criticality.SHEDDABLE}


@dataclass(frozen=True, slots=True)
class Served:
    """One method that is served."""

    policy: MethodPolicy
    transcoding: Transcoding


def rate_classes() -> frozenset[str]:
    """The rate classes that limits are kept for."""
    return frozenset(policy.rate_class for policy in policies().values() if not policy.internal)


def served(
    files: descriptor_pb2.FileDescriptorSet, rules: ContractRules, methods: Mapping[str, MethodRules], problems: list[str]
) -> dict[str, Served]:
    """The methods of a contract that are served, by path.

    Args:
        files: the contract.
        rules: what the file says of it.
        methods: what the file says of methods, by pattern.
        problems: gets a line for each method that may not be served so.
    """
    found: dict[str, Served] = {}
    http = dict(_http_rules(files))
    for policy in read(files, package="").values():
        if not _is_served(policy.service, rules) or policy.internal:
            continue
        matching = [rule for pattern, rule in methods.items() if matches(pattern, policy.path)]
        if _last(rule.exposed for rule in matching) is False:
            continue
        made = _policy(_with_defaults(policy, http.get(policy.path)), matching, problems)
        transcoding = _transcoding(STRICT, [rules.http, *(rule.http for rule in matching)])
        found[policy.path] = Served(made, transcoding)
    return found


def matches(pattern: str, path: str) -> bool:
    """Whether a pattern such as ``billing.v1.Invoices/Get*`` is for a method; one without a slash is for whole services."""
    return fnmatchcase(path.removeprefix("/"), pattern if "/" in pattern else f"{pattern}/*")


def _is_served(service: str, rules: ContractRules) -> bool:
    if rules.services is None:
        return not service.startswith(_NOT_SERVED)
    return any(fnmatchcase(service, pattern) for pattern in rules.services)


def _last(values: Iterable[Any]) -> Any:
    """The last value that says something."""
    found = [value for value in values if value is not None]
    return found[-1] if found else None


def _http_rules(files: descriptor_pb2.FileDescriptorSet) -> Iterator[tuple[str, http_pb2.HttpRule]]:
    for file in files.file:
        for service in file.service:
            for method in service.method:
                if method.options.HasExtension(_HTTP):
                    yield f"/{qualified(file.package, service.name)}/{method.name}", method.options.Extensions[_HTTP]


def _with_defaults(policy: MethodPolicy, rule: http_pb2.HttpRule | None) -> MethodPolicy:
    """What the contract says, and what stands where it says nothing.

    A method that is reached by GET alone has no side effects (RFC 9110, 9.2.1), so that it may be tried again.
    """
    safe = policy.side_effect_free or (rule is not None and not policy.idempotent and _is_get(rule))
    streams = policy.kind is not MethodKind.UNARY_UNARY
    return replace(
        policy,
        timeout=policy.timeout or (STREAM_SECONDS if streams else UNARY_SECONDS),
        rate_class=policy.rate_class or ("stream" if streams else "read" if safe else "write"),
        side_effect_free=safe,
        idempotent=policy.idempotent or safe,
    )


def _is_get(rule: http_pb2.HttpRule) -> bool:
    return all(each.WhichOneof("pattern") == "get" for each in (rule, *rule.additional_bindings))


def _policy(policy: MethodPolicy, rules: Iterable[MethodRules], problems: list[str]) -> MethodPolicy:
    for rule in rules:
        given = rule.model_dump(exclude_none=True, include={"timeout", "rate_class", "scope", "public", "max_request_bytes"})
        if rule.public:
            given = {"scope": "", **given}
        elif rule.scope:
            given["public"] = False
        if rule.criticality:
            given["criticality"] = _CRITICALITIES[rule.criticality]
        if rule.idempotency:
            given |= {"side_effect_free": rule.idempotency == "no_side_effects", "idempotent": rule.idempotency != "none"}
        try:
            retry, breaker = replace(policy.retry, **_said(rule.retry)), replace(policy.breaker, **_said(rule.breaker))
        except ValueError as error:
            problems.append(f"{policy.path}: {error}")
            continue
        policy = replace(policy, **given, retry=retry, breaker=breaker)
    problems.extend(_problems(policy))
    return policy


def _problems(policy: MethodPolicy) -> Iterator[str]:
    if not (policy.scope or policy.public):
        yield f"{policy.path}: who may call it? Give it a scope, or public: true, or exposed: false"
    if policy.scope and policy.public:
        yield f"{policy.path}: public excludes a scope"
    if policy.rate_class not in (known := rate_classes()):
        yield f"{policy.path}: there is no rate class {policy.rate_class!r}; known are {', '.join(sorted(known))}"
    if policy.hedged and (not policy.side_effect_free or policy.kind is not MethodKind.UNARY_UNARY):
        yield f"{policy.path}: hedging is for unary methods without side effects"


def _said(rules: BaseModel) -> dict[str, Any]:
    return rules.model_dump(exclude_none=True)


def _transcoding(base: Transcoding, layers: Iterable[TranscodingRules]) -> Transcoding:
    for rules in layers:
        printing, by_client = _printing(base.printing, rules.printing), rules.printing.by_client
        choices: dict[str, Any] = {
            "status": rules.status,
            "unknown_parameters": _is(rules.unknown_parameters, "ignore"),
            "ignored_parameters": None if rules.ignored_parameters is None else frozenset(rules.ignored_parameters),
            "unknown_fields": _is(rules.unknown_fields, "ignore"),
            "enums_in_any_case": _is(rules.enums, "any-case"),
            "fields_parameter": rules.fields_parameter,
            "forms": rules.forms,
            "streams": rules.streams,
            "printing_by_client": by_client,
        }
        base = replace(base, printing=printing, **{name: value for name, value in choices.items() if value is not None})
    return base


def _printing(base: Printing, rules: PrintingRules) -> Printing:
    choices = {
        "proto_names": _is(rules.names, "proto"),
        "enums_as_numbers": _is(rules.enums, "numbers"),
        "defaults": _is(rules.defaults, "always"),
        "int64_as_numbers": _is(rules.int64, "numbers"),
        "indent": rules.indent,
    }
    return replace(base, **{name: value for name, value in choices.items() if value is not None})


def _is(value: str | None, wanted: str) -> bool | None:
    return None if value is None else value == wanted
