"""What has ended before its access tokens do, or may do less than they say: auth_svc tells every gateway."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from gateway.credentials import CredentialBounds
from tocsin.background import Background, report_progress
from tocsin.clock import Clock
from tocsin.errors import DeadlineExceeded, InvalidInput, TocsinError
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_AGAIN_SECONDS: Final = (0.25, 0.5, 1.0, 2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedNews:
    """What auth_svc tells at a time.

    Attributes:
        credentials: "sessions/…" and "apiKeys/…" that ended, and when the last access token of each ends by itself.
        changed: others, and what they may do by now.
        token: continues after them.
        tenants_version: of the book of tenants.
    """

    credentials: Mapping[str, datetime]
    changed: Mapping[str, CredentialBounds]
    token: str
    tenants_version: int


WatchEnded: TypeAlias = Callable[[str], AsyncGenerator[EndedNews]]
"""What ends from a token on, or from as long ago as a token may live."""


class EndedCredentialFeed:
    """Follows what ends; a component.

    While auth_svc is away, what is known holds, and nothing more is known; once it is back, everything that was missed comes first.
    """

    def __init__(
        self,
        *,
        watch: WatchEnded,
        end: Callable[[Mapping[str, datetime]], None],
        change: Callable[[Mapping[str, CredentialBounds]], None],
        tenants_seen: Callable[[int], None],
        clock: Clock,
    ) -> None:
        """Follows nothing yet.

        Args:
            watch: asks auth_svc.
            end: refuses what has ended.
            change: bounds what may do something else by now.
            tenants_seen: is told the version of the book of tenants, so that who was suspended is refused as soon.
            clock: paces the attempts.
        """
        self._watch = watch
        self._end = end
        self._change = change
        self._tenants_seen = tenants_seen
        self._clock = clock
        self._background = Background(clock)
        self._token = ""
        self._away = False

    async def start(self) -> None:
        """Begins to follow."""
        if not self._background.running:
            self._background.supervised("ended-credentials", self._follow, vital=False)

    async def stop(self) -> None:
        """Ends; what is known holds."""
        await self._background.stop()

    async def _follow(self) -> None:
        failures = 0
        while True:
            try:
                async with aclosing(self._watch(self._token)) as stream:
                    async for news in stream:
                        failures = 0
                        self._take(news)
            except DeadlineExceeded:  # as every stream; it goes on where it was
                pass
            except TocsinError as error:
                self._missed(error)
            await self._clock.sleep(_AGAIN_SECONDS[min(failures, len(_AGAIN_SECONDS) - 1)])
            failures += 1

    def _take(self, news: EndedNews) -> None:
        self._away = False
        report_progress()
        if news.credentials:
            self._end(news.credentials)
        if news.changed:
            self._change(news.changed)
        self._token = news.token
        self._tenants_seen(news.tenants_version)

    def _missed(self, error: TocsinError) -> None:
        if isinstance(error, InvalidInput):
            self._token = ""  # another database: everything of which a token may live comes again
        if not self._away:
            _log.warning("ended credentials not followed", error=error.message)
        self._away = True
