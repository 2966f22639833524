"""SchedulerService."""

from collections.abc import Sequence
from typing import Any

import grpc

from scheduler_svc.handlers.caller import caller
from scheduler_svc.handlers.template_uses import template_uses
from scheduler_svc.handlers.times import set_instant
from scheduler_svc.ports import Replan, TemplateUses
from scheduler_svc.ports.usage import QuotaUse
from scheduler_svc.service.replan import Replans
from scheduler_svc.service.usage import Usage
from scheduler_svc.status import SchedulerStatus, StatusReader
from tocsin.api.scheduler.v1 import scheduler_service_pb2, scheduler_service_pb2_grpc
from tocsin.pages import Listing, list_page

Context = grpc.aio.ServicerContext[Any, Any]


class SchedulerHandlers(scheduler_service_pb2_grpc.SchedulerServiceServicer):
    """Shows how the scheduler does."""

    def __init__(self, *, views: StatusReader, replans: Replans, uses: TemplateUses, usage: Usage) -> None:
        self._views = views
        self._replans = replans
        self._uses = uses
        self._usage = usage

    async def GetSchedulerStats(
        self, request: scheduler_service_pb2.GetSchedulerStatsRequest, context: Context
    ) -> scheduler_service_pb2.SchedulerStats:
        """Counts of the whole installation."""
        return _stats(await self._views.picture())

    async def ListReplans(
        self, request: scheduler_service_pb2.ListReplansRequest, context: Context
    ) -> scheduler_service_pb2.ListReplansResponse:
        """Lists the recomputations that new versions of the time-zone database brought."""
        who = caller()

        async def read(behind: tuple[str] | None, most: int) -> tuple[Sequence[Replan], None]:
            return await self._replans.page(who, before=behind[0] if behind else None, size=most), None

        listing = Listing(f"replans/{who.tenant}", (str,))
        replans, more = await list_page(request, listing, read=read, show=_replan, place=lambda one: (one.id,))
        return scheduler_service_pb2.ListReplansResponse(replans=replans, next_page_token=more)

    async def GetUsage(self, request: scheduler_service_pb2.GetUsageRequest, context: Context) -> scheduler_service_pb2.Usage:
        """Shows what the tenant uses of its quotas."""
        return scheduler_service_pb2.Usage(quotas=map(_quota, await self._usage.of(caller().tenant)))

    async def InspectUsage(self, request: scheduler_service_pb2.InspectUsageRequest, context: Context) -> scheduler_service_pb2.Usage:
        """Shows what any tenant uses of its quotas."""
        return scheduler_service_pb2.Usage(quotas=map(_quota, await self._usage.of(request.tenant.removeprefix("tenants/"))))

    async def FindTemplateUses(
        self, request: scheduler_service_pb2.FindTemplateUsesRequest, context: Context
    ) -> scheduler_service_pb2.FindTemplateUsesResponse:
        """Finds alarms that use a template."""
        return await template_uses(request, self._uses)


def _quota(use: QuotaUse) -> scheduler_service_pb2.QuotaUsage:
    message = scheduler_service_pb2.QuotaUsage(name=use.name, used=use.used, limit=use.limit)
    set_instant(message.reset_time, use.resets)
    return message


def _replan(told: Replan) -> scheduler_service_pb2.Replan:
    message = scheduler_service_pb2.Replan(alarm=f"alarms/{told.alarm}", tzdata_before=told.tzdata_before, tzdata_after=told.tzdata_after)
    set_instant(message.time, told.time)
    set_instant(message.due_before, told.due_before)
    set_instant(message.due_after, told.due_after)
    return message


def _stats(picture: SchedulerStatus) -> scheduler_service_pb2.SchedulerStats:
    stats = scheduler_service_pb2.SchedulerStats(
        replica=picture.replica,
        alarms=picture.alarms,
        outcomes={outcome.name: count for outcome, count in picture.outcomes.items()},
        queued={priority.name: count for priority, count in picture.queued.items()},
        leased=picture.leased,
        processors=picture.processors,
        index_alarms=picture.index_alarms,
        horizon_seconds=picture.horizon,
        oldest_overdue_seconds=picture.oldest_overdue,
        free_shards=picture.free_shards,
        memory_bytes=picture.process.memory,
        cpu_seconds=picture.process.cpu,
        tzdata_version=picture.tzdata_version,
    )
    set_instant(stats.time, picture.time)
    set_instant(stats.start_time, picture.process.started)
    for second, alarms in sorted(picture.index_spread.items()):
        stats.index_spread.add(second=second, alarms=alarms)
    for at_most, fires in picture.lateness:
        stats.lateness.add(at_most_seconds=at_most, fires=fires)
    for replica in picture.replicas:
        shown = stats.replicas.add(owner=replica.owner, address=replica.address, shards=replica.shards, shard_count=replica.shard_count)
        set_instant(shown.lease_until, replica.lease_until)
    return stats
