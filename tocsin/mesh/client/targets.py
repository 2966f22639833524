"""What a target may look like, so that a mistake is told at the start and not by calls that fail.

A target is one of gRPC's, or a list of them, each with labels of its endpoints: ``dns:///a.names:9002;zone=a,dns:///b.names:9002;zone=b``.
Source: gRPC Name Resolution (doc/naming.md), and for xds gRFC A27.
"""

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from tocsin.mesh.labels import LABEL_FORM, LABELS, NO_LABELS, EndpointLabels, is_label

_ADDRESSES: Final = {"ipv4": ipaddress.IPv4Address, "ipv6": ipaddress.IPv6Address}
_PATHS: Final = ("unix", "unix-abstract")
BOOTSTRAP: Final = ("GRPC_XDS_BOOTSTRAP", "GRPC_XDS_BOOTSTRAP_CONFIG")
"""The environment variables that tell gRPC where its xDS control plane is: a file, or its content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetPart:
    """One of the targets that a target lists.

    Attributes:
        target: of gRPC.
        labels: of each of its endpoints.
        unread: what stands among the labels and is none.
    """

    target: str
    labels: EndpointLabels = NO_LABELS
    unread: tuple[str, ...] = field(default=())


def parts(target: str) -> tuple[TargetPart, ...]:
    """The targets of gRPC that a target lists; itself when it is one of them."""
    scheme, separator, rest = target.partition(":")
    if not separator or scheme in (*_PATHS, "xds"):
        return (TargetPart(target=target),)
    texts = target.split(",")
    if ";" not in target and (len(texts) == 1 or scheme in _ADDRESSES):
        return (TargetPart(target=target),)
    if scheme in _ADDRESSES:
        texts = [f"{scheme}:{text.strip().removeprefix(f'{scheme}:')}" for text in (rest.removeprefix("//").lstrip("/")).split(",")]
    return tuple(_part(text.strip()) for text in texts)


def _part(text: str) -> TargetPart:
    target, *labels = text.split(";")
    found, unread = NO_LABELS, list[str]()
    for label in labels:
        name, _, value = label.partition("=")
        if name not in LABELS or getattr(found, name) or not is_label(value):
            unread.append(label)
        else:
            found = replace(found, **{name: value})
    return TargetPart(target=target.strip(), labels=found, unread=tuple(unread))


def dialled(target: str) -> str:
    """The target that gRPC takes for a connection to whichever endpoint: the whole list where gRPC has lists, else the first of it."""
    found = parts(target)
    first = next(iter(found)).target
    schemes = {part.target.partition(":")[0] for part in found}
    if len(found) > 1 and len(schemes) == 1 and schemes <= _ADDRESSES.keys():
        (scheme,) = schemes
        return f"{scheme}:{','.join(part.target.removeprefix(f'{scheme}:') for part in found)}"
    return first


def problems(targets: Mapping[str, str], env: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with the targets, by service name; each line names the service and the reason."""
    for service, target in targets.items():
        reason = _wrong(target, env)
        if reason:
            yield f"the target of {service}, {target!r}: {reason}"


def _wrong(target: str, env: Mapping[str, str]) -> str:
    found = parts(target)
    seen: dict[str, EndpointLabels] = {}
    for part in found:
        if reason := _mislabelled(part) or _problem(part.target, env):
            return reason
        if len(found) > 1 and part.target.partition(":")[0] in (*_PATHS, "xds"):
            return f"{part.target!r} cannot stand in a list"
        if seen.setdefault(part.target, part.labels) != part.labels:
            return f"{part.target!r} stands there twice, with different labels"
    return ""


def _mislabelled(part: TargetPart) -> str:
    for text in part.unread:
        name, separator, value = text.partition("=")
        if not separator or name not in LABELS:
            return f"{text!r} is no label; there is {' and '.join(f'{each}=NAME' for each in LABELS)}"
        return f"the {name} {value!r} is given twice" if is_label(value) else f"the {name} {value!r} is no name: {LABEL_FORM}"
    return ""


def fixed_endpoints(target: str) -> list[str] | None:
    """The addresses that a target names itself, in order; None when a name in it has to be resolved."""
    found: set[str] = set()
    for part in parts(target):
        if (fixed := _fixed(part.target)) is None:
            return None
        found.update(fixed)
    return sorted(found)


def _fixed(target: str) -> list[str] | None:
    scheme, separator, rest = target.partition(":")
    if separator and scheme in _ADDRESSES:
        return sorted({part.strip() for part in rest.removeprefix("//").lstrip("/").split(",") if part.strip()})
    if separator and scheme in (*_PATHS, "xds"):
        return [target]
    name = target.removeprefix("dns:").rpartition("/")[2]
    host = name.rpartition(":")[0].strip("[]")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return None
    return [name]


def canonical(target: str) -> str:
    """The URI of a target: gRPC reads one without a scheme as a name to resolve."""
    scheme, separator, rest = target.partition(":")
    known = separator and (rest.startswith("//") or scheme in (*_ADDRESSES, *_PATHS, "dns", "xds"))
    return target if known else f"dns:///{target}"


def resolved_name(target: str) -> str:
    """The host name of a target that has to be resolved, for which its certificates are whatever address is dialled; else empty."""
    return "" if fixed_endpoints(target) is not None else target.removeprefix("dns:").rpartition("/")[2].rpartition(":")[0]


def _problem(target: str, env: Mapping[str, str]) -> str:
    scheme, separator, rest = target.partition(":")
    if separator and scheme in _ADDRESSES:
        return next((reason for part in rest.removeprefix("//").lstrip("/").split(",") if (reason := _address(scheme, part))), "")
    if separator and scheme in _PATHS:
        return "" if rest else "it names no socket"
    if separator and scheme == "xds":
        return "" if any(env.get(name) for name in BOOTSTRAP) else f"xds needs a control plane: set {' or '.join(BOOTSTRAP)}"
    if "://" in target and scheme != "dns":
        return f"{scheme} is an unknown scheme; use dns, ipv4, ipv6, unix, unix-abstract and xds"
    return _name(target.removeprefix("dns:").rpartition("/")[2])


def _address(scheme: str, part: str) -> str:
    host, _, port = part.strip().rpartition(":")
    try:
        _ADDRESSES[scheme](host.strip("[]"))
    except ValueError:
        return f"{part.strip()!r} is no {scheme} address with a port"
    return _port(port)


def _name(text: str) -> str:
    host, separator, port = text.rpartition(":")
    return _port(port) if separator and host else f"{text!r} is not host:port"


def _port(text: str) -> str:
    return "" if text.isascii() and text.isdigit() and 0 < int(text) <= 65535 else f"{text!r} is no port"
