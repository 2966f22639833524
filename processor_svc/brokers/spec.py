"""Brokers and sources as the operator names them: ``name=url``, with white space between (pure)."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Final, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from tocsin.redis import NAMESPACE

REDIS, RABBITMQ, KAFKA = "redis", "rabbitmq", "kafka"

_SCHEMES: Final = {
    "redis": (REDIS, False),
    "rediss": (REDIS, True),
    "amqp": (RABBITMQ, False),
    "amqps": (RABBITMQ, True),
    "kafka": (KAFKA, False),
    "kafkas": (KAFKA, True),
}
_PORTS: Final = {"redis": 6379, "rediss": 6379, "amqp": 5672, "amqps": 5671, "kafka": 9092, "kafkas": 9093}
_NEEDS: Final = {RABBITMQ: ("aio_pika", "rabbitmq"), KAFKA: ("aiokafka", "kafka")}
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_TOPIC: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_PREFIX: Final = re.compile(r"[A-Za-z0-9_.:/{}-]{0,100}")
_KAFKA_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")
_SASL: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_MOST: Final = 100
_MOST_ENTRIES: Final = 100_000
_CLAIM_SECONDS: Final = 60
_TENANT: Final = "{tenant}"

Spec = TypeVar("Spec")


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAddress:
    """Where a broker is, and how it lets us in."""

    kind: str
    tls: bool
    hosts: Sequence[tuple[str, int]]
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    path: Sequence[str] = ()
    ca_file: str = ""
    sasl: str = "PLAIN"

    @property
    def host(self) -> str:
        """The first host."""
        return self.hosts[0][0]

    @property
    def port(self) -> int:
        """The port of the first host."""
        return self.hosts[0][1]


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSpec:
    """A broker that actions may name.

    Attributes:
        name: its name.
        address: where it is.
        tenants: ids of those who may use it; empty: everybody.
        prefix: what the name of every destination begins with; ``{tenant}`` stands for the id of the tenant.
        max_entries: entries that a stream of Redis keeps, about.
    """

    name: str
    address: BrokerAddress
    tenants: frozenset[str] = frozenset()
    prefix: str = ""
    max_entries: int = _MOST_ENTRIES

    def refusal(self, tenant: str, *, to: str, exchange: str) -> tuple[str, str] | None:
        """The field and why this tenant may not send there; None when it may. An empty tenant is nobody in particular."""
        kind = self.address.kind
        where, named = ("exchange", exchange) if exchange else ("to", to)
        if exchange and kind != RABBITMQ:
            return "exchange", f"is for RabbitMQ, and {self.name} is none"
        if kind == KAFKA and not _KAFKA_TOPIC.fullmatch(to):
            return "to", "must be a topic of Kafka: letters, digits, dots, hyphens and underscores"
        if kind == REDIS and to.startswith(NAMESPACE):
            return "to", f"must not begin with {NAMESPACE!r}: such keys are Tocsin's own"
        if tenant and self.tenants and tenant not in self.tenants:
            return "broker", f"{self.name} is not open to this tenant"
        prefix = self.prefix.replace(_TENANT, tenant)
        if (tenant or _TENANT not in self.prefix) and not named.startswith(prefix):
            return where, f"must begin with {prefix!r} at the broker {self.name}"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSpec:
    """Where messages come from, and which events they become.

    Attributes:
        name: its name: begins the id of each event.
        address: where the broker is.
        queue: the stream, queue or topic.
        group: whom replicas belong to, so that each message comes to one of them.
        tenant: whose events they are.
        event: their topic.
        identity: the header or field that identifies a message; empty: what the broker says.
        claim_seconds: after so long another consumer of a stream of Redis takes over what one has not done.
    """

    name: str
    address: BrokerAddress
    queue: str
    group: str
    tenant: str
    event: str
    identity: str = ""
    claim_seconds: int = _CLAIM_SECONDS

    @property
    def dead(self) -> str:
        """Where messages go that cannot be events."""
        return f"{self.queue}.dead"


def parse_brokers(text: str) -> Mapping[str, BrokerSpec]:
    """The brokers, by name.

    Raises:
        ValueError: one of them is none; its name or place is told, and not its URL, which may hold a password.
    """
    return {spec.name: spec for spec in _parsed(text, _broker)}


def parse_sources(text: str) -> Sequence[SourceSpec]:
    """The sources.

    Raises:
        ValueError: as `parse_brokers`.
    """
    return list(_parsed(text, _source))


def _parsed(text: str, make: Callable[[str, BrokerAddress, dict[str, str]], Spec]) -> Iterator[Spec]:
    parts = text.split()
    if len(parts) > _MOST:
        raise ValueError(f"must be at most {_MOST}")
    names = set[str]()
    for place, part in enumerate(parts, start=1):
        name, separator, url = part.partition("=")
        if not separator or not _NAME.fullmatch(name):
            raise ValueError(f"item {place} must be name=url; a name is of lower-case letters, digits, hyphens and underscores")
        if name in names:
            raise ValueError(f"{name} is named twice")
        names.add(name)
        try:
            address, options = _address(url)
            made = make(name, address, options)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        if options:
            raise ValueError(f"{name}: there is no option {min(options)!r}")
        yield made


def _address(url: str) -> tuple[BrokerAddress, dict[str, str]]:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("the URL is malformed") from None
    if parts.scheme not in _SCHEMES:
        raise ValueError(f"the URL must begin with {', '.join(f'{scheme}://' for scheme in _SCHEMES)}")
    kind, tls = _SCHEMES[parts.scheme]
    credentials, _, places = parts.netloc.rpartition("@")
    hosts = [_host(place, _PORTS[parts.scheme]) for place in places.split(",")]
    if len(hosts) > 1 and kind != KAFKA:
        raise ValueError("only kafka:// takes several hosts")
    username, _, password = credentials.partition(":")
    options = _options(parts.query)
    module, extra = _NEEDS.get(kind, ("", ""))
    if module and find_spec(module) is None:
        raise ValueError(f"{parts.scheme}:// needs a package: pip install 'tocsin[{extra}]'")
    sasl = options.pop("sasl", "PLAIN") if kind == KAFKA else "PLAIN"
    if sasl not in _SASL:
        raise ValueError(f"sasl must be one of {', '.join(_SASL)}")
    path = [unquote(part) for part in parts.path.split("/") if part]
    address = BrokerAddress(
        kind=kind,
        tls=tls,
        hosts=hosts,
        username=unquote(username),
        password=unquote(password),
        path=path,
        ca_file=options.pop("ca", "") if tls else "",
        sasl=sasl,
    )
    return address, options


def _host(place: str, usual: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{place}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host:
        raise ValueError("the URL must name a host, and a port from 1 to 65535 if need be")
    return host, port or usual


def _options(query: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), max_num_fields=20)
    except ValueError:
        raise ValueError("what follows the question mark must be option=value, with & between") from None
    options = dict(pairs)
    if len(options) < len(pairs):
        raise ValueError("an option is given twice")
    return options


def _broker(name: str, address: BrokerAddress, options: dict[str, str]) -> BrokerSpec:
    tenants = frozenset(part for part in options.pop("tenants", "").split(",") if part)
    prefix = options.pop("prefix", "" if tenants else f"{_TENANT}.")
    if not _PREFIX.fullmatch(prefix) or re.search(r"[{}]", prefix.replace(_TENANT, "")):
        raise ValueError("prefix must be the beginning of a name; {tenant} stands for the id of the tenant")
    _check_place(address, name_included=False)
    most = _number(options, "maxlen", _MOST_ENTRIES) if address.kind == REDIS else _MOST_ENTRIES
    return BrokerSpec(name=name, address=address, tenants=tenants, prefix=prefix, max_entries=most)


def _number(options: dict[str, str], name: str, usual: int) -> int:
    text = options.pop(name, str(usual))
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise ValueError(f"{name} must be a whole number of 1 or more")
    return int(text)


def _source(name: str, address: BrokerAddress, options: dict[str, str]) -> SourceSpec:
    tenant, event, group = options.pop("tenant", ""), options.pop("event", ""), options.pop("group", "tocsin")
    identity = options.pop("id", "")
    if not tenant or len(tenant) > 64:
        raise ValueError("tenant must be given: the id of the tenant whose events they are")
    if not _TOPIC.fullmatch(event) or len(event) > 200:
        raise ValueError("event must be given: the topic of the events, such as orders.paid")
    if not group or len(group) > 200 or len(identity) > 100:
        raise ValueError("group and id must be names")
    _check_place(address, name_included=True)
    queue = address.path[-1]
    if address.kind == REDIS and queue.startswith(NAMESPACE):
        raise ValueError(f"streams that begin with {NAMESPACE!r} are Tocsin's own")
    if address.kind == KAFKA and not _KAFKA_TOPIC.fullmatch(queue):
        raise ValueError("the topic must be of letters, digits, dots, hyphens and underscores")
    claim = _number(options, "claim", _CLAIM_SECONDS) if address.kind == REDIS else _CLAIM_SECONDS
    return SourceSpec(
        name=name, address=address, queue=queue, group=group, tenant=tenant, event=event, identity=identity, claim_seconds=claim
    )


def _check_place(address: BrokerAddress, *, name_included: bool) -> None:
    """The path: the database of Redis or the virtual host of RabbitMQ, if need be, and then, of a source, what is read."""
    place = list(address.path[:-1]) if name_included else list(address.path)
    if name_included and not address.path:
        raise ValueError("the path must end with the stream, the queue or the topic")
    if len(place) > (0 if address.kind == KAFKA else 1):
        raise ValueError("the path has too many parts; a slash within one is written as %2F")
    if address.kind == REDIS and place and not re.fullmatch(r"[0-9]{1,4}", place[0]):
        raise ValueError("the path must begin with the number of the database")


def place_of(address: BrokerAddress, *, source: bool) -> str:
    """The database of Redis, or the virtual host of RabbitMQ, that a path names; empty without."""
    place = address.path[:-1] if source else address.path
    return place[0] if place else ""
