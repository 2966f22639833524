"""The book of tenants that auth_svc keeps, at hand in every service, and what it means for the calls that are served."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from tocsin.api.auth.v1 import user_service_pb2 as pb
from tocsin.api.auth.v1 import user_service_pb2_grpc as rpc
from tocsin.book_feed import BookFeed
from tocsin.clock import Clock
from tocsin.errors import PermissionDenied
from tocsin.mesh.client import Mesh
from tocsin.mesh.context import detached
from tocsin.mesh.policy import MethodPolicy
from tocsin.tenants import BookedTenant, Quotas, TenantBook, TenantState
from tocsin.tenants.purge import TellPurge

AUTH: Final = "auth_svc"
_WATCHES: Final = "stream"
"""The rate class of the streams that do not end by themselves."""

Fetch = Callable[[int, str], Awaitable[pb.GetTenantBookResponse]]


class TenantFeed(BookFeed[pb.GetTenantBookResponse, TenantBook]):
    """The tenants; before auth_svc was ever asked, all of them are ACTIVE and without quotas.

    Implements `tocsin.mesh.server.TenantGate`.
    """

    def __init__(self, *, fetch: Fetch, clock: Clock, file: Path | None) -> None:
        """Asks nobody yet.

        Args:
            fetch: asks for the tenants: see `over_mesh`.
            clock: paces the questions.
            file: keeps the book; None in auth_svc.
        """
        self._rules: list[Callable[[MethodPolicy, str], None]] = []
        self._listeners: list[Callable[[TenantBook], None]] = []
        self._streams: defaultdict[str, set[_Stream]] = defaultdict(set)
        super().__init__(
            what="tenants",
            fetch=fetch,
            page=pb.GetTenantBookResponse,
            rows="tenants",
            read=to_tenant_book,
            default=TenantBook(),
            clock=clock,
            file=file,
        )

    def require(self, policy: MethodPolicy, tenant: str) -> None:
        """Refuses a call of a tenant that may not work. One that is suspended, or about to be purged, may read, but not watch.

        Raises:
            TenantSuspended: it is suspended.
            TenantDeleted: it is deleted.
        """
        if tenant in self._book.stopped:
            entry = self._book.of(tenant)
            if entry.purging or not _only_reads(policy):
                entry.require_active()
        for rule in self._rules:
            rule(policy, tenant)

    @asynccontextmanager
    async def bound(self, policy: MethodPolicy, tenant: str) -> AsyncGenerator[None]:
        """Serves a stream for as long as `require` lets it.

        Raises:
            TenantSuspended: the tenant was suspended meanwhile.
            TenantDeleted: it was deleted.
        """
        stream = _Stream(policy)
        self._streams[tenant].add(stream)
        try:
            async with stream.end:
                yield
        except TimeoutError:
            if stream.refusal is not None:
                raise stream.refusal from None
            raise
        finally:
            self._streams[tenant].discard(stream)
            if not self._streams[tenant]:
                del self._streams[tenant]

    def serves_keys(self, tenant: str) -> bool:
        """Whether what comes with a secret in place of a token is taken for a tenant; see `TenantBook.serves_keys`."""
        return self._book.serves_keys(tenant)

    def add_rule(self, rule: Callable[[MethodPolicy, str], None]) -> None:
        """Lets ``rule`` refuse calls of a tenant as well; it raises."""
        self._rules.append(rule)

    def listen(self, listener: Callable[[TenantBook], None]) -> None:
        """Calls ``listener`` with each book that comes."""
        self._listeners.append(listener)

    def changed(self) -> None:
        """Ends the streams that would be refused by now, and tells everybody who listens."""
        for listener in self._listeners:
            listener(self._book)
        for tenant in self._streams.keys() & self._book.stopped:
            for stream in self._streams[tenant]:
                try:
                    self.require(stream.policy, tenant)
                except PermissionDenied as refusal:
                    stream.refusal = refusal
                    stream.end.reschedule(asyncio.get_running_loop().time())


class _Stream:
    """A stream that is served: what may end it, and why it ended."""

    def __init__(self, policy: MethodPolicy) -> None:
        self.policy = policy
        self.end = asyncio.timeout(None)
        self.refusal: PermissionDenied | None = None


def over_mesh(mesh: Mesh) -> Fetch:
    """Asks auth_svc."""
    stub = rpc.TenantServiceStub(mesh.channel(AUTH))

    async def fetch(version: int, token: str) -> pb.GetTenantBookResponse:
        return await stub.GetTenantBook(pb.GetTenantBookRequest(version=version, page_token=token))

    return fetch


def purge_teller(mesh: Mesh, *, place: Callable[[], str] = str) -> TellPurge:
    """Tells auth_svc what was removed of a tenant.

    Args:
        mesh: the way there.
        place: names the database where every replica has its own; empty where they share one.
    """
    stub = rpc.TenantServiceStub(mesh.channel(AUTH))

    async def tell(tenant: str, counts: Mapping[str, int]) -> None:
        rows = [pb.PurgedRows(kind=kind, count=count) for kind, count in counts.items()]
        with detached():
            await stub.ReportTenantPurge(pb.ReportTenantPurgeRequest(tenant=tenant, place=place(), rows=rows))

    return tell


def to_tenant_book(message: pb.GetTenantBookResponse) -> TenantBook:
    """The book in an answer, all pages of it together."""
    defaults = Quotas().with_changes(quota_changes(message.defaults))
    known = {
        each.tenant: BookedTenant(
            state=_STATES.get(each.state, TenantState.SUSPENDED),  # what only a later version knows is no licence
            reason=each.suspend_reason,
            purging=each.purging,
            quotas=defaults.with_changes(quota_changes(each.quotas)),
        )
        for each in message.tenants
    }
    return TenantBook(known, defaults=defaults, version=message.version)


def quota_changes(message: pb.TenantQuotas) -> dict[str, int]:
    """The quotas that are set, by name."""
    return {field.name: value for field, value in message.ListFields()}


def _only_reads(policy: MethodPolicy) -> bool:
    return policy.side_effect_free and policy.rate_class != _WATCHES


_STATES: Final = {pb.Tenant.State.Value(state.value): state for state in TenantState}
