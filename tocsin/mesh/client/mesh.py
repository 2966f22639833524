"""`Mesh`: the client side of one process."""

import asyncio
import os
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

import grpc

from tocsin.background import Background
from tocsin.clock import Clock
from tocsin.errors import ConfigError, Unavailable
from tocsin.mesh.breaker import BreakerRegistry
from tocsin.mesh.client.called_tap import CalledTap
from tocsin.mesh.client.channel import MeshChannel
from tocsin.mesh.client.endpoint_view import EndpointView, endpoint_views
from tocsin.mesh.client.endpoints import ServiceEndpoints
from tocsin.mesh.client.foreign import ForeignService, Presence, TlsFiles, presence
from tocsin.mesh.client.method import Target
from tocsin.mesh.client.mirror import Mirror, Ways
from tocsin.mesh.client.options import channel_options
from tocsin.mesh.client.preference import Preference
from tocsin.mesh.client.renewal import ChannelRenewal, Key
from tocsin.mesh.client.replicas import Replicas
from tocsin.mesh.client.targets import problems
from tocsin.mesh.client.throttle import Throttle
from tocsin.mesh.identity import Identity, Keyring
from tocsin.mesh.labels import LABEL_FORM, NO_LABELS, is_label
from tocsin.mesh.live_policy import LivePolicies
from tocsin.mesh.metrics import ClientMetrics, SubsetAttempts, export_breakers, export_expiry, export_policy_file
from tocsin.mesh.options import MeshOptions
from tocsin.mesh.policy import MethodPolicy, policies
from tocsin.mesh.policy_sources import with_channelz
from tocsin.mesh.poller import unblock_poller
from tocsin.mesh.retry import RetryBudget
from tocsin.mesh.rpc_metrics import Durations
from tocsin.mesh.spans import server_attributes
from tocsin.mesh.tap import Tap
from tocsin.telemetry import Telemetry

_GRACE = 1.0
_PROBE_GRACE = 10.0
# Between two looks at the policy file and at the time of orders.
_LOOK_SECONDS = 1.0
# A replica of three that fails every call must be covered until its breakers are open, and again at each probe: 40 % of a token a call.
# Half of the budget is ever spent. What protects a service that fails altogether is the breaker.
_RETRIES = 2000.0


class MeshStopped(Unavailable):
    """This process is stopping."""


class Mesh:
    """Channels to the other services. May be used before `start`, which checks that the certificate files can be read."""

    def __init__(
        self,
        *,
        service: str,
        settings: MeshOptions,
        clock: Clock,
        telemetry: Telemetry,
        breakers: BreakerRegistry,
        contract: Mapping[str, MethodPolicy] | None = None,
        methods: Mapping[str, MethodPolicy] | None = None,
        targets: Mapping[str, str] | None = None,
        foreign: Mapping[str, ForeignService] | None = None,
        plaintext: bool = False,
        server_tls: TlsFiles | None = None,
        interceptors: Sequence[grpc.aio.ClientInterceptor] = (),
    ) -> None:
        """Prepares everything; nothing connects before the first call.

        Args:
            service: the name of this service, as on its certificate.
            settings: targets, bounds, certificates.
            clock: the breakers' source of time.
            telemetry: spans and metrics.
            breakers: of this process.
            contract: the policies of the mesh's contract; that of Tocsin unless given.
            methods: policies beyond those of the contract.
            targets: gRPC targets by service name; those of the settings unless given.
            foreign: services outside of the mesh, by the names that they are called by here.
            plaintext: no TLS.
            server_tls: whose servers are trusted, by the names of their targets, where this process shows no certificate of the mesh.
            interceptors: of grpc.aio; they see each attempt, as it goes on the wire.
        """
        self.service = service
        self._settings = settings
        self._clock = clock
        self._telemetry = telemetry
        self._breakers = breakers
        self._declared = {**with_channelz(settings, {**(policies() if contract is None else contract), **(methods or {})})}
        self._methods = dict(self._declared)
        self.policies = LivePolicies(
            caller=service, known=lambda: self._declared, file=settings.mesh_policy_file, clock=clock, versions=self._versions
        )
        self.policies.on_change(self._adopt)
        self.tap = Tap(clock)
        """Is told of calls to services outside of the mesh, as they end."""
        self._background = Background(clock)
        self._foreign = dict(foreign or {})
        self._probes: dict[Key, grpc.aio.Channel] = {}
        self._interceptors = tuple(interceptors)
        self._targets = settings.service_targets if targets is None else targets
        self._server_tls = server_tls
        self._keyring = None if plaintext or server_tls is not None else Keyring(Identity.of(settings, service=service))
        self._metrics = ClientMetrics(telemetry.registry)
        export_breakers(telemetry.registry, breakers)
        export_expiry(telemetry.registry, self._keyring)
        export_policy_file(telemetry.registry, lambda: self.policies.problem)
        self._budgets: dict[str, RetryBudget] = {}
        self._channels: dict[Key, MeshChannel] = {}
        self._endpoints: dict[str, ServiceEndpoints] = {}
        self._renewal = self._make_renewal()
        self._stopped = False
        unblock_poller()

    def certificate_expiry(self) -> datetime | None:
        """When the certificate of this process expires; None without one."""
        return None if self._keyring is None else self._keyring.expiry()

    def _make_renewal(self) -> ChannelRenewal[MeshChannel]:
        return ChannelRenewal(
            keyring=self._keyring,
            channels=self._channels,
            endpoints=self.endpoints,
            on_gone=lambda key: self._breakers.forget(f"{key[0]}@{key[1]}/"),
            clock=self._clock,
            grace=self._longest(),
        )

    def _adopt(self) -> None:
        """Lets calls that begin from now on keep to the policies that hold now."""
        self._methods.update({path: self.policies.called(declared) for path, declared in self._declared.items()})
        for channel in self._channels.values():
            channel.adopt_policies()

    def _longest(self) -> float:
        return max(policy.timeout for policy in self._methods.values())

    def channel(self, service: str, *, endpoint: str | None = None) -> MeshChannel:
        """The channel to ``service``; works with generated stubs.

        Args:
            service: name of the called service.
            endpoint: one replica's address, from `endpoints`; all of them unless given.

        Raises:
            LookupError: there is no target for the service.
        """
        found = self._channels.get((service, endpoint))
        if found is None:
            found = self._channels[service, endpoint] = self._open(service, endpoint)
        return found

    def _open(self, service: str, endpoint: str | None) -> MeshChannel:
        known = self._known_endpoints(service)
        address, uri = endpoint or known.dialled, known.uri
        target = Target(
            service=service,
            uri=uri,
            facts=server_attributes(uri, endpoint),
            label=service if endpoint is None else f"{service}@{endpoint}",
            budget=self._budget(service),
            breakers=self._breakers,
            telemetry=self._telemetry,
            metrics=self._metrics,
            throttle=Throttle(now=self._clock.monotonic),
            subset=self._subset(service, known, endpoint),
            foreign=self._foreign.get(service),
            tap=CalledTap(tap=self.tap, caller=self.service, target=service) if service in self._foreign else None,
        )

        return MeshChannel(
            target=target,
            methods=self._methods,
            dial=lambda checked: self._dial(service, address, checked=checked),
            replicas=self._replicas(service) if endpoint is None else None,
            now=self._clock.monotonic,
            preference=lambda policy: self._preference(known, policy),
            mirror=lambda policy, ways: self._mirror(service, known, policy, ways),
            most_bytes=self._settings.max_message_bytes if self._carries(service, uri) else 0,
        )

    def _carries(self, service: str, uri: str) -> bool:
        """Whether calls of a service may ride: it is of the mesh, and its connections lead where they say."""
        return self._settings.carriers and service not in self._foreign and not uri.startswith("xds:")

    def _preference(self, known: ServiceEndpoints, policy: MethodPolicy) -> Preference | None:
        zone = self._settings.zone if self._settings.zone in known.zones else ""
        if not (zone or known.versions):
            return None
        return Preference(
            zone=zone,
            labels=lambda: known.labels,
            weights=lambda: self.policies.weights_of(policy),
            now=_loop_time,
            draw=random.random,
        )

    def _mirror(self, service: str, known: ServiceEndpoints, policy: MethodPolicy, ways: Ways) -> Mirror | None:
        if not known.versions:
            return None
        return Mirror(
            rule=lambda: self.policies.mirror_of(policy),
            labels=lambda: known.labels,
            ways=ways,
            count=self._metrics.mirrored(service, policy.path),
            background=self._background,
            draw=random.random,
        )

    def _subset(self, service: str, known: ServiceEndpoints, endpoint: str | None) -> SubsetAttempts | None:
        if endpoint is None or not (known.zones or known.versions):
            return None
        return self._metrics.subset(service, lambda: known.labels.get(endpoint, NO_LABELS))

    def _versions(self) -> frozenset[str]:
        """What the targets call the versions of their endpoints."""
        return frozenset[str]().union(*(self._known_endpoints(service).versions for service in (*self._targets, *self._foreign)))

    @property
    def foreign(self) -> Sequence[str]:
        """The names of the services outside of the mesh."""
        return tuple(self._foreign)

    async def replace_foreign(
        self, foreign: Mapping[str, ForeignService], *, methods: Mapping[str, MethodPolicy], gone: Iterable[str]
    ) -> None:
        """Calls other services outside of the mesh from now on; calls under way end where they are.

        Args:
            foreign: by the names that they are called by here.
            methods: the policies of their methods.
            gone: methods that are called no more.
        """
        grace = self._longest()
        old = [self._channels.pop(key) for key in list(self._channels) if key[0] in self._foreign]
        old_probes, self._probes = self._probes, {}
        for name in self._foreign.keys() - foreign.keys():
            self._breakers.forget(f"{name}/")
            self._breakers.forget(f"{name}@")
        self._foreign = dict(foreign)
        # In place, for every channel reads it; first what is new, so that no moment misses what stays.
        self._declared.update(methods)
        self._methods.update({path: self.policies.called(policy) for path, policy in methods.items()})
        for path in gone:
            self._declared.pop(path, None)
            self._methods.pop(path, None)
        for channel in old:
            channel.drop(grace=grace)
        await asyncio.gather(*(probe.close(_PROBE_GRACE) for probe in old_probes.values()))  # a close cancels who still asks

    async def presence(self, service: str, address: str, *, timeout: float) -> Presence:
        """How one endpoint of a service outside of the mesh is; asked without policies, on a connection of its own."""
        found = self._probes.get((service, address))
        if found is None:
            found = self._probes[service, address] = self._dial(service, address, checked=False)
        return await presence(found, timeout=timeout)

    def _replicas(self, service: str) -> Replicas[MeshChannel]:
        async def endpoints() -> Sequence[str]:
            return await self.endpoints(service)

        known = self._known_endpoints(service)
        return Replicas(
            endpoints=endpoints,
            channel=lambda address: self.channel(service, endpoint=address),
            fixed=known.fixed,
            now=self._clock.monotonic,
            whole=known.whole,
        )

    def _known_endpoints(self, service: str) -> ServiceEndpoints:
        target = self._target(service)
        found = self._endpoints.get(service)
        if found is None or found.target != target:
            found = self._endpoints[service] = ServiceEndpoints(service=service, target=target)
        return found

    def _target(self, service: str) -> str:
        if (foreign := self._foreign.get(service)) is not None:
            return foreign.target
        try:
            return self._targets[service]
        except KeyError:
            raise LookupError(f"there is no target for {service}; known are {', '.join(sorted(self._targets))}") from None

    def _budget(self, service: str) -> RetryBudget:
        budget = self._budgets.get(service)
        if budget is None:
            budget = self._budgets[service] = RetryBudget(capacity=_RETRIES)
            self._metrics.budget(service).set_function(lambda: budget.tokens)
        return budget

    def _dial(self, service: str, address: str, *, checked: bool) -> grpc.aio.Channel:
        if self._stopped:
            raise MeshStopped
        if (foreign := self._foreign.get(service)) is not None:
            checked = foreign.health_checked and checked
            options = channel_options(self._settings, server_name=foreign.server_name, checked=checked)
            return foreign.dial(address, options, self._interceptors)
        if self._server_tls is not None:
            server_name = self._known_endpoints(service).server_name(address)
            options = channel_options(self._settings, server_name=server_name, checked=checked)
            return grpc.aio.secure_channel(address, self._server_tls.credentials(), options=options, interceptors=self._interceptors)
        options = channel_options(self._settings, server_name=service, checked=checked)
        if self._keyring is None:
            return grpc.aio.insecure_channel(address, options=options, interceptors=self._interceptors)
        credentials = self._keyring.valid().channel_credentials()
        return grpc.aio.secure_channel(address, credentials, options=options, interceptors=self._interceptors)

    def called_endpoints(self) -> Iterator[EndpointView]:
        """The endpoints of the services that were called; resolves and connects nothing."""
        for service in sorted({service for service, _ in self._channels}):
            known = self._known_endpoints(service)
            ways = {endpoint: channel.seen for (name, endpoint), channel in self._channels.items() if name == service}
            yield from endpoint_views(service, ways, known=known.labels, labels=known.labels)

    async def endpoints(self, service: str) -> list[str]:
        """The address of every replica of ``service``, in order.

        Raises:
            LookupError: there is no target for the service.
            NotResolved: its name has no address now.
        """
        return await self._known_endpoints(service).resolve()

    def timeout(self, declared: MethodPolicy) -> float:
        """Seconds that one call of a method may take, by the policies that hold now."""
        return self._methods.get(declared.path, declared).timeout

    @property
    def durations(self) -> Iterable[Durations]:
        """How long the attempts at each method took."""
        return self._metrics.all

    async def start(self) -> None:
        """Checks that this process can say who it is, and that its targets can be dialled; renewed certificates are used from now on.

        Raises:
            OSError, ValueError, ConfigError: a certificate or key cannot be read, or a target cannot be dialled.
        """
        if wrong := list(problems({**self._targets, **{name: service.target for name, service in self._foreign.items()}}, os.environ)):
            raise ConfigError(wrong)
        if self._settings.zone and not is_label(self._settings.zone):
            raise ConfigError([f"{self._settings.setting_name('zone')}: {self._settings.zone!r} is no name of a zone: {LABEL_FORM}"])
        if self._keyring is not None:
            self._keyring.current()
        if self._server_tls is not None:
            self._server_tls.check()
        self._stopped = False
        await self._renewal.start()
        if not self._background.running:
            await self.policies.look()
            self._background.periodic("mesh-policy", _LOOK_SECONDS, self.policies.look, at_once=False)

    async def stop(self) -> None:
        """Closes every connection; calls under way get a second. Later calls fail with MeshStopped until the next start."""
        self._stopped = True
        await self._background.stop()
        await self._renewal.stop()
        probes, self._probes = self._probes, {}
        await asyncio.gather(*(probe.close(None) for probe in probes.values()))
        await asyncio.gather(*(channel.close(_GRACE) for channel in self._channels.values()))


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
