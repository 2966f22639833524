"""Providers that are spoken to by HTTP: all that they have alike.

A far end is an `HttpApi`: what a message becomes (``build``) and what an answer means (``classify``), both pure. Here are the circuit, the
rate, pauses that it asks for, the mark before the first byte, and what silence means.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from typing import Annotated, Final, Generic, Protocol, TypeVar

from pydantic import AfterValidator, Field

from mailer_svc.channels.circuit import ProviderCircuit
from mailer_svc.channels.hosts import Hosts, HostState, Pauses
from mailer_svc.channels.rate import TokenBucket
from mailer_svc.channels.spec import CallbackRequest, Parts, ProviderConfig, ProviderKind, anything
from mailer_svc.domain import SendJob, SendOutcome, SendResult, printable
from mailer_svc.domain.status_reports import StatusReport
from mailer_svc.ports import Provider
from tocsin.egress.client import HttpAnswer, HttpClient, HttpLimits, HttpRequest, NoAnswer, NotConnected, RequestRefused
from tocsin.egress.urls import HttpUrl, UrlRefused, parse_url
from tocsin.errors import CircuitOpen, InvalidInput, TocsinError
from tocsin.mesh.breaker import CallOutcome
from tocsin.telemetry import get_logger

_log = get_logger(__name__)
_DETAIL: Final = 500
_PATIENCE_SECONDS: Final = 5.0
_BUSY_SECONDS: Final = 2.0
_LONGEST_PAUSE_SECONDS: Final = 3600.0
_CREDENTIALS_SECONDS: Final = 60.0

HandOver = Callable[[], Awaitable[bool]]


def _base_url(value: str) -> str:
    if value and "?" in str(parse_url(value)):
        raise ValueError("must be a URL without a query")
    return value.rstrip("/")


BaseUrl = Annotated[str, Field(max_length=512), AfterValidator(_base_url)]
"""The URL that the requests to one server begin with, without a slash at its end; empty: there is none."""


class HttpProviderConfig(ProviderConfig):
    """What can be set for a provider that is spoken to by HTTP."""

    timeout_seconds: float = Field(default=20.0, gt=0, le=120, description="Longest wait for the whole answer to a request.")


H = TypeVar("H", bound=HttpProviderConfig)


class AttemptEnded(Exception):
    """An attempt ended before the message was sent, such as without an access token."""

    def __init__(self, outcome: SendOutcome) -> None:
        """Takes what it came to."""
        self.outcome = outcome
        super().__init__(outcome.detail)


class HttpApi(Protocol):
    """What a far end takes and answers.

    Attributes:
        base: the URL that its requests begin with, where it is one server; empty where users' addresses are the URLs. What goes elsewhere
            is judged by host: one that fails, or is slow, costs no other.
        idempotent: the far end knows a message that comes again, so that silence is no reason not to send it again.
    """

    base: str
    idempotent: bool

    def build(self, job: SendJob) -> HttpRequest:
        """The request for a message.

        Raises:
            InvalidInput: it cannot be written as one.
        """
        ...

    async def authorize(self, request: HttpRequest) -> HttpRequest:
        """The request with credentials that have to be fetched first; most have them already.

        Raises:
            AttemptEnded: there are none.
        """
        ...

    async def renew(self, refused: HttpRequest) -> bool:
        """After a 401 to ``refused``: whether other credentials can be fetched, for one more request."""
        ...

    def classify(self, answer: HttpAnswer, /) -> SendOutcome:
        """What an answer means."""
        ...


class PlainApi(Generic[H]):
    """A far end that needs nothing but two pure functions."""

    def __init__(
        self,
        config: H,
        *,
        build: Callable[[SendJob, H], HttpRequest],
        classify: Callable[[HttpAnswer], SendOutcome],
        base: str,
        idempotent: bool,
    ) -> None:
        self.base = base
        self.idempotent = idempotent
        self.classify = classify
        self._config = config
        self._build = build

    def build(self, job: SendJob) -> HttpRequest:
        """The request for a message."""
        return self._build(job, self._config)

    async def authorize(self, request: HttpRequest) -> HttpRequest:
        """Nothing has to be fetched."""
        return request

    async def renew(self, refused: HttpRequest) -> bool:
        """There are no others."""
        del refused
        return False


def no_base(_config: ProviderConfig) -> str:
    """Users' addresses are the URLs."""
    return ""


def http_kind(
    *,
    name: str,
    config: type[H],
    build: Callable[[SendJob, H], HttpRequest],
    classify: Callable[[HttpAnswer], SendOutcome],
    base: Callable[[H], str] = no_base,
    idempotent: bool = False,
    takes: Callable[[str], bool] = anything,
    callback: Callable[[H, CallbackRequest], Sequence[StatusReport]] | None = None,
) -> ProviderKind[H]:
    """A kind of provider that is two pure functions; see `HttpApi` and `ProviderKind` for the rest."""

    def make(own_name: str, values: H, parts: Parts) -> Provider:
        api = PlainApi(values, build=build, classify=classify, base=base(values), idempotent=idempotent)
        return HttpProvider(name=own_name, kind=name, api=api, config=values, parts=parts, takes=takes)

    return ProviderKind(name=name, config=config, make=make, takes=takes, callback=callback)


class _Counted(Exception):
    """An outcome that counts against whoever was asked."""

    def __init__(self, outcome: SendOutcome) -> None:
        self.outcome = outcome
        super().__init__(outcome.detail)


class _NotOurs(Exception):
    """The message is no longer ours to send."""


class HttpProvider(ProviderCircuit):
    """Sends messages to one far end, or to the hosts that users name."""

    def __init__(
        self, *, name: str, kind: str, api: HttpApi, config: HttpProviderConfig, parts: Parts, takes: Callable[[str], bool] = anything
    ) -> None:
        """Connects to nothing yet.

        Args:
            name: in timelines and metrics.
            kind: of provider; the target of its breaker.
            api: what the far end takes and answers.
            config: how many at once, how many a second, how long.
            parts: what it stands on.
            takes: which addresses it can deliver to.
        """
        super().__init__(name=name, capacity=config.concurrency, breaker=parts.breakers.get(id=name, target=kind), takes=takes)
        self._api = api
        self._base = parse_url(api.base) if api.base else None
        self._parts = parts
        self._limits = HttpLimits(
            connections=config.concurrency, connect_seconds=min(10.0, config.timeout_seconds), total_seconds=config.timeout_seconds
        )
        self._share = max(1, config.concurrency // 4)
        self._bucket = TokenBucket(per_second=config.rate_per_second, clock=parts.clock)
        self._pauses = Pauses(parts.clock)
        self._hosts = Hosts(provider=name, clock=parts.clock)
        self._clients: dict[bool, HttpClient] = {}
        self._refused = ""

    async def start(self) -> None:
        """Connects to nothing yet."""

    async def stop(self) -> None:
        """Close every connection."""
        for client in self._clients.values():
            await client.close()
        self._clients.clear()

    def pause(self) -> float:
        """Seconds in which an attempt makes no sense; 0: it may be tried now."""
        return max(super().pause(), self._pauses.left(""))

    def probing(self) -> bool:
        """Whether it has failed, or refused our credentials, and is not known to work again."""
        return bool(self._refused) or super().probing()

    def fault(self) -> str:
        """What is wrong with it; empty while it works."""
        return "; ".join(words for words in (self._refused, super().fault()) if words)

    async def send(self, job: SendJob, *, hand_over: HandOver) -> SendOutcome:
        """Attempts one message; never raises for what the far end does."""
        try:
            request = self._api.build(job)
            url = parse_url(request.url)
        except InvalidInput as error:
            return SendOutcome(SendResult.REFUSED, 0, error.message)
        except UrlRefused as error:
            return SendOutcome(SendResult.REFUSED, 0, f"its URL {error}")
        except Exception as error:  # noqa: BLE001 - what cannot be written now can never be, and is no reason to stop for the others
            _log.error("not written as a request", delivery=job.id, provider=self.name, exc_info=error)
            return SendOutcome(SendResult.REFUSED, 0, f"cannot be written as a request: {type(error).__name__}")
        own = self._is_own(url)
        host = None if own else self._hosts.of(f"{url.host}:{url.port}")
        early = await self._too_early(job, host)
        if early is not None:
            return early
        with host.counted() if host else nullcontext():
            outcome = await self._attempt(job, request, host, hand_over)
        return self._noted(job, outcome, own=own)

    def _is_own(self, url: HttpUrl) -> bool:
        base = self._base
        return base is not None and (url.scheme, url.host, url.port) == (base.scheme, base.host, base.port)

    async def _too_early(self, job: SendJob, host: HostState | None) -> SendOutcome | None:
        """Why it is not tried now; None, perhaps after a little wait: it is."""
        left = self._pauses.left(job.to if host else "")
        if left:
            return _later(left, "the far end asked to wait")
        if host and host.running >= self._share and not await host.answers():
            return _later(_BUSY_SECONDS, "its host is slow, and has as many messages as one may have")
        wait = self._bucket.take(longest=_PATIENCE_SECONDS)
        if wait > _PATIENCE_SECONDS:
            return _later(wait, "as many messages were sent as the provider's rate allows")
        if wait:
            await self._parts.clock.sleep(wait)
        return None

    async def _attempt(self, job: SendJob, request: HttpRequest, host: HostState | None, hand_over: HandOver) -> SendOutcome:
        async def mark() -> None:
            if not await hand_over():
                raise _NotOurs

        circuit = host.breaker.guard(_health) if host else self.guard(_health)
        try:
            async with circuit:
                outcome = await self._exchange(request, host, mark)
                if self._counts(job, outcome, host):
                    raise _Counted(outcome)
        except _Counted as counted:
            return counted.outcome
        except CircuitOpen as error:
            return _later(error.retry_after or 0.0, "its host does not work" if host else "the provider does not work")
        except _NotOurs:
            return SendOutcome(SendResult.NOT_TRIED)
        except TocsinError as error:  # the mark could not be stored
            return SendOutcome(SendResult.NOT_TRIED, 0, str(error))
        return outcome

    async def _exchange(self, request: HttpRequest, host: HostState | None, mark: Callable[[], Awaitable[None]]) -> SendOutcome:
        client = self._client(guarded=host is not None or not self._parts.trusted)
        try:
            authorized = await self._api.authorize(request)
            answer = await client.send(authorized, on_send=mark)
            if answer.status == 401 and await self._api.renew(authorized):
                answer = await client.send(await self._api.authorize(request))
        except AttemptEnded as ended:
            return ended.outcome
        except RequestRefused as error:
            return SendOutcome(SendResult.REFUSED, 0, str(error))
        except NotConnected as error:
            return SendOutcome(SendResult.PROVIDER_DOWN, 0, f"no connection: {error}")
        except NoAnswer as error:
            unknown = SendResult.DEFERRED if self._api.idempotent else SendResult.UNKNOWN
            return SendOutcome(unknown, 0, f"no answer: {error}")
        if host:
            host.answered()
        return self._api.classify(answer)

    def _counts(self, job: SendJob, outcome: SendOutcome, host: HostState | None) -> bool:
        """Whether the outcome says that whoever was asked does not work. What may be the message's doing counts once for each."""
        if outcome.result is SendResult.PROVIDER_DOWN:
            return outcome.retry_after is None
        silent = outcome.result in (SendResult.UNKNOWN, SendResult.LOST)
        failed = outcome.result is SendResult.DEFERRED and (outcome.code == 0 or outcome.code >= 500)
        return (silent or failed) and (job.fresh if host else self.conclusive(job))

    def _noted(self, job: SendJob, outcome: SendOutcome, *, own: bool) -> SendOutcome:
        """The outcome, once what it says of the far end is noted."""
        result, code = outcome.result, outcome.code
        if result is SendResult.MISCONFIGURED and own:
            self._refused = f"it refuses our credentials ({code})" if code else "there are no credentials for it"
            self._pauses.add("", _CREDENTIALS_SECONDS)
        elif result is SendResult.SENT and own:
            self._refused = ""
        elif result is SendResult.PROVIDER_DOWN and outcome.retry_after is not None:
            self._pauses.add("" if own else job.to, min(outcome.retry_after, _LONGEST_PAUSE_SECONDS))
        if result not in (SendResult.SENT, SendResult.NOT_TRIED) and own:
            self.last_failure = f"{result.value} ({code})" if code else result.value  # shown by health: no addresses
        if result is SendResult.SENT and not outcome.detail:
            return outcome
        if result is SendResult.MISCONFIGURED and not own:
            result = SendResult.DEFERRED  # nobody here has credentials for a user's own host
        return SendOutcome(
            result,
            code,
            printable(outcome.detail[:_DETAIL]),
            retry_after=outcome.retry_after,
            reference=outcome.reference,
            new_address=outcome.new_address,
        )

    def _client(self, *, guarded: bool) -> HttpClient:
        client = self._clients.get(guarded)
        if client is None:
            client = self._clients[guarded] = self._parts.http(self._limits, guarded=guarded)
        return client


def _health(error: Exception) -> CallOutcome:
    return CallOutcome.FAILURE if isinstance(error, _Counted) else CallOutcome.IGNORED


def _later(seconds: float, detail: str) -> SendOutcome:
    return SendOutcome(SendResult.NOT_TRIED, 0, detail, retry_after=seconds)
