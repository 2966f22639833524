"""FeedService."""

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import grpc
from google.api import httpbody_pb2
from google.protobuf.empty_pb2 import Empty

from mailer_svc.domain.errors import FeedNotFound
from mailer_svc.domain.feeds import CalendarFeed, FeedShift
from mailer_svc.handlers.deliveries import timestamp
from mailer_svc.ports.feeds import FeedKey
from mailer_svc.service.feeds import CalendarFeeds
from tocsin.api.mailer.v1 import feed_service_pb2 as pb
from tocsin.api.mailer.v1 import feed_service_pb2_grpc as rpc
from tocsin.mesh.context import principal
from tocsin.stored import instant

Context = grpc.aio.ServicerContext[Any, Any]
_REFRESH: Final = timedelta(minutes=15)
_CONTENT_TYPE: Final = "text/calendar; charset=utf-8"


class FeedHandlers(rpc.FeedServiceServicer):
    """Manages calendar feeds of the caller's tenant, and serves each to whoever has its URL."""

    def __init__(self, *, feeds: CalendarFeeds) -> None:
        self._feeds = feeds

    async def CreateFeed(self, request: pb.CreateFeedRequest, context: Context) -> pb.Feed:
        """Makes a feed."""
        url, now = await self._feeds.create(_key(request.subject))
        return pb.Feed(subject=request.subject, url=url, create_time=timestamp(now))

    async def GetFeed(self, request: pb.GetFeedRequest, context: Context) -> pb.Feed:
        """Says whether there is a feed."""
        created = await self._feeds.created(_key(request.subject))
        return pb.Feed(subject=request.subject, create_time=timestamp(created))

    async def RevokeFeed(self, request: pb.RevokeFeedRequest, context: Context) -> Empty:
        """Revokes a feed."""
        await self._feeds.revoke(_key(request.subject))
        return Empty()

    async def ReadFeed(self, request: pb.ReadFeedRequest, context: Context) -> pb.FeedCalendar:
        """Serves a feed."""
        try:
            feed = await self._feeds.read(request.token)
        except FeedNotFound:
            return pb.FeedCalendar(
                calendar=httpbody_pb2.HttpBody(content_type="text/plain; charset=utf-8", data=b"No such feed.\n"), status=404
            )
        data = await asyncio.to_thread(calendar_text, feed)
        headers = {
            "etag": f'"{hashlib.sha256(data).hexdigest()[:32]}"',
            "cache-control": f"private, max-age={round(_REFRESH.total_seconds())}",
            "content-disposition": 'inline; filename="on-call.ics"',
        }
        return pb.FeedCalendar(calendar=httpbody_pb2.HttpBody(content_type=_CONTENT_TYPE, data=data), status=200, headers=headers)


def _key(subject: str) -> FeedKey:
    return FeedKey(principal().tenant, subject)


def calendar_text(feed: CalendarFeed) -> bytes:
    """A feed as iCalendar (RFC 5545); the same bytes for the same feed."""
    from icalendar import Calendar, Event, vDuration, vText  # 80 modules, for whoever reads a feed and not for every start

    calendar: Any = Calendar()  # its methods are typed in part
    calendar.add("prodid", "-//Tocsin//On call//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", vText(feed.name))
    calendar.add("name", vText(feed.name))  # RFC 7986
    calendar.add("refresh-interval", vDuration(_REFRESH), parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", vDuration(_REFRESH))
    for shift in feed.shifts:
        calendar.add_component(_described(Event(), feed, shift))
    return calendar.to_ical()


def _described(event: Any, feed: CalendarFeed, shift: FeedShift) -> Any:
    """The same event with what stands in it."""
    event.add("uid", shift.uid)
    event.add("summary", feed.title(shift))
    event.add("dtstart", _time(shift.start))
    event.add("dtend", _time(shift.end))
    event.add("dtstamp", _time(shift.changed))
    event.add("last-modified", _time(shift.changed))
    if shift.why:
        event.add("description", shift.why)
    event.add("transp", "TRANSPARENT")  # to be on call leaves the calendar free
    event.add("x-tocsin-recipient", f"recipients/{shift.recipient}")
    event.add("x-tocsin-rotation", f"rotations/{shift.rotation}")
    return event


def _time(micros: int) -> datetime:
    """In whole seconds, which is all that iCalendar has; a part of one more."""
    return instant(-(-micros // 1_000_000) * 1_000_000).astimezone(UTC)
