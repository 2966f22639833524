"""What a channel is made of: a row of the table, and the kinds of providers that send for it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from mailer_svc.domain import Channel, ReturnPaths
from mailer_svc.domain.channels import nobody
from mailer_svc.domain.status_reports import StatusReport
from mailer_svc.ports import Meter, Provider
from tocsin.channels import CHANNELS, EMAIL_ADDRESS
from tocsin.clock import Clock
from tocsin.config import Settings
from tocsin.egress.addresses import AllowedTargets
from tocsin.egress.client import HttpClient, HttpLimits
from tocsin.egress.network import Connector, SystemResolver
from tocsin.errors import PermissionDenied
from tocsin.installation_key import InstallationKey
from tocsin.mesh.breaker import BreakerRegistry

S = TypeVar("S", bound=Settings)
C = TypeVar("C", bound="ProviderConfig")
_EMAIL: Final = "email"


class NoSettings(Settings):
    """A channel without settings of its own."""


class ProviderConfig(BaseModel):
    """What can be set for a provider: from settings, or stored by `/v1/providers`. Secrets are `pydantic.SecretStr`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    operator_only: ClassVar[frozenset[str]] = frozenset()
    """Fields that only settings may hold, such as paths on this machine."""

    concurrency: int = Field(default=16, ge=1, le=1000, description="Messages that are with the provider at once, at most.")
    rate_per_second: float = Field(default=0.0, ge=0, le=100_000, description="Messages a second, at most; 0: as many as it takes.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a channel's providers may stand on.

    Attributes:
        clock: source of time.
        breakers: makes circuit breakers.
        meter: counts.
        key: secrets of the installation are derived from it.
        web_push_key: the private key of Web Push as it is set; empty: it is derived from ``key``.
        public_link: the URL at which people reach a path of the gateway; empty: nobody knows.
        reply_paths: where people answer mails about incidents; None: nobody reads answers.
        egress: what requests to addresses that users give may reach besides the public internet.
        trusted: the provider's own URL is the operator's, from settings, and may lead anywhere.
    """

    clock: Clock
    breakers: BreakerRegistry
    meter: Meter
    key: InstallationKey
    public_link: Callable[[str], str]
    reply_paths: ReturnPaths | None = None
    web_push_key: str = field(default="", repr=False)
    egress: AllowedTargets = field(default_factory=AllowedTargets)
    trusted: bool = True

    def callback_url(self, provider: str) -> str:
        """Where the provider of that name may tell what became of messages; empty: nobody knows how it could reach us."""
        return self.public_link(f"/v1/callbacks/{provider}")

    def http(self, limits: HttpLimits, *, guarded: bool) -> HttpClient:
        """A client for HTTP; with ``guarded`` for URLs that users give."""
        return HttpClient(allowed=self.egress if guarded else None, https_only=True, limits=limits)

    def guard(self) -> Connector:
        """Connects to servers that tenants name, by a protocol that is not HTTP."""
        return Connector(allowed=self.egress, resolve=SystemResolver())


class CallbackRefused(PermissionDenied):
    """The callback is not signed by the provider, or is too old."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackRequest:
    """A request of a provider to us.

    Attributes:
        url: as the provider called it, with its query.
        headers: names in lower case.
        body: as it came, for signatures are over these bytes.
        now: microseconds since the epoch.
    """

    url: str
    headers: Mapping[str, str]
    body: bytes
    now: int


def anything(_address: str) -> bool:
    """Every address of the channel."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderKind(Generic[C]):
    """A kind of provider.

    Attributes:
        name: such as "smtp"; unique among all channels.
        config: what can be set.
        make: a provider of a name (in timelines and metrics) and a configuration, and what it may stand on; connects to nothing.
        takes: which of the channel's addresses it can deliver to.
        callback: checks the signature of a provider's callback and reads what it tells; raises a `CallbackRefused`. None: it never calls.
    """

    name: str
    config: type[C]
    make: Callable[[str, C, Parts], Provider]
    takes: Callable[[str], bool] = anything
    callback: Callable[[C, CallbackRequest], Sequence[StatusReport]] | None = None


Configured = tuple[str, ProviderKind[Any], ProviderConfig]
"""A provider before it is made: its name, kind and configuration."""


def nothing_configured(_settings: Settings) -> Sequence[Configured]:
    """No settings make a provider."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSpec(Generic[S]):
    """A channel.

    Attributes:
        name: its name in the contract, which is also that of its module.
        settings: its own settings; they become settings of the mailer, ``TOCSIN_MAILER_…``.
        normal_address: an address in the form that is stored; raises an `InvalidInput` for what the channel cannot deliver to.
        kinds: who may send.
        configured: the providers that settings make, the preferred one first.
        missing: says what to set, as long as no provider is configured.
        kept: a message is delivered by being stored.
        repeatable: every far end knows a message that comes again, so it is sent again whenever its outcome is unknown.
        codes: whoever reads what comes to an address can read a code there, and has to bring it back before a recipient's address is
            used. False where the address is a secret that only its owner could know, or where nobody reads.
    """

    name: str
    settings: type[S]
    normal_address: Callable[[str], str]
    kinds: Sequence[ProviderKind[Any]] = ()
    configured: Callable[[S], Sequence[Configured]] = nothing_configured
    missing: str = ""
    kept: bool = False
    repeatable: bool = False
    codes: bool = False

    def ready(self, settings: S) -> bool:
        """Whether messages can be sent with these settings alone."""
        return self.kept or bool(self.configured(settings))

    def channel(self, settings: S, *, wake: Callable[[], None] | None, serves: Callable[[str], bool]) -> Channel:
        """The channel as the use cases know it.

        Args:
            settings: in force.
            wake: wakes its sender; None if it has none.
            serves: whether a tenant has providers of its own.
        """
        return Channel(
            name=self.name,
            normal_address=self.normal_address,
            kept=self.kept,
            repeatable=self.repeatable,
            missing="" if self.ready(settings) else self.missing,
            serves=serves,
            wake=wake or nobody,
            shares=_EMAIL if CHANNELS[self.name] == EMAIL_ADDRESS else "",
            codes=self.codes,
        )
