"""The client without asyncio: sends, waits, and reads what comes. Its methods are generated (`tocsin_client.client`)."""

import ssl
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import httpx2

from tocsin_client.calls import Attempts, Call, Request, RetryRule
from tocsin_client.errors import TocsinError, UnexpectedAnswer, members
from tocsin_client.streams import Watching
from tocsin_client.transport import Gateway, environment

ItemT = TypeVar("ItemT")
PageT = TypeVar("PageT")

_FAILURES = (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError)


class Core:
    """One gateway, with a connection pool. Threads may share it."""

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        *,
        timeout: float | None = None,
        retry: RetryRule | None = None,
        verify: ssl.SSLContext | bool = True,
        transport: httpx2.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Makes the client; it connects with the first call.

        Args:
            url: the gateway, such as ``http://127.0.0.1:8000``.
            api_key: an API key or an access token; none for calls that need none.
            timeout: seconds for one answer; by default what the contract gives each call.
            retry: how often and how long a call is sent again.
            verify: what is trusted to be the gateway; by default the authorities of the system.
            transport: replaces the network, in tests.
            sleep: sleeps for so many seconds; replaced in tests.

        Raises:
            InvalidInput: the URL is not one of a gateway.
            Unauthenticated: the key has an invalid character; the message does not contain the key.
        """
        self._gateway = Gateway(url, api_key, timeout)
        self._rule = retry or RetryRule()
        self._sleep = sleep
        self._http = httpx2.Client(headers=self._gateway.headers, verify=verify if self._gateway.secure else False, transport=transport)

    @classmethod
    def from_environment(cls, **options: Any) -> Self:
        """A client of the gateway in ``TOCSIN_CLIENT_URL``, with the key in ``TOCSIN_CLIENT_API_KEY``.

        Raises:
            InvalidInput: the environment names no gateway.
        """
        url, api_key = environment()
        return cls(url, api_key, **options)

    def __enter__(self) -> Self:
        """Returns the client."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Closes the client."""
        self.close()

    def close(self) -> None:
        """Closes its connections."""
        self._http.close()

    def __repr__(self) -> str:
        """The gateway, without the key."""
        return f"{type(self).__name__}({self._gateway!r})"

    def health(self) -> Mapping[str, Any]:
        """The health of the installation; an unhealthy one raises nothing."""
        try:
            return members(self._http.get(f"{self._gateway.url}/health").json())
        except (*_FAILURES, ValueError) as error:
            failed = UnexpectedAnswer() if isinstance(error, ValueError) else self._gateway.failure(error)
        raise failed

    def _call(self, call: Call, given: Mapping[str, Any], *, timeout: float | None = None, key: str | None = None) -> Any:
        """One call, sent again where that is safe."""
        request, attempts = call.request(given, key=key), Attempts(self._rule)
        while True:
            answer = self._once(request, timeout)
            if not isinstance(answer, TocsinError):
                return call.answered(answer.content, answer.headers.get("content-type", ""))
            wait = attempts.wait(answer, request.repeat)
            if wait is None:
                raise answer
            self._sleep(wait)

    def _once(self, request: Request, timeout: float | None) -> httpx2.Response | TocsinError:
        try:
            answer = self._http.request(**self._gateway.sent(request, timeout=timeout))
        except _FAILURES as error:
            return self._gateway.failure(error)
        return answer if answer.is_success else self._gateway.refusal(answer)

    def _pages(self, call: Call, given: Mapping[str, Any], items: str, timeout: float | None) -> "Pages[Any, Any]":
        return Pages(lambda token: self._call(call, {**given, "page_token": token}, timeout=timeout), items, given.get("page_token"))

    def _stream(self, call: Call, given: Mapping[str, Any]) -> "Stream[Any]":
        return Stream(self._opened, Watching(call, given, self._rule), self._sleep)

    def _lines(self, call: Call, items: Iterable[Any]) -> Iterator[bytes]:
        return map(call.line, items)

    @contextmanager
    def _opened(self, request: Request) -> Generator[Iterator[bytes]]:
        """The pieces of the answer of a stream."""
        failed: TocsinError | None = None
        try:
            with self._http.stream(**self._gateway.sent(request, streams=True)) as answer:
                if not answer.is_success:
                    answer.read()
                    failed = self._gateway.refusal(answer)
                else:
                    yield answer.iter_bytes()
        except _FAILURES as error:
            failed = self._gateway.failure(error)
        if failed is not None:
            raise failed


class Pages(Generic[PageT, ItemT]):
    """A list that is read page by page, as far as it is wanted: ``for alarm in client.list_alarms()``."""

    def __init__(self, fetch: Callable[[str | None], PageT], items: str, token: str | None) -> None:
        """Makes the list: ``fetch`` reads the page of a token, ``items`` is the field with what is listed."""
        self._fetch = fetch
        self._items = items
        self._token = token

    def pages(self) -> Iterator[PageT]:
        """Its pages, each read when it is wanted."""
        token = self._token
        while True:
            page = self._fetch(token)
            yield page
            token, before = getattr(page, "next_page_token", ""), token
            if not token:
                return
            if token == before:
                msg = "a page names itself as the next one"
                raise UnexpectedAnswer(msg)

    def page(self) -> PageT:
        """The first page alone, with its ``next_page_token``."""
        return self._fetch(self._token)

    def __iter__(self) -> Iterator[ItemT]:
        """Everything that is listed, on all pages."""
        for page in self.pages():
            yield from getattr(page, self._items)


class Stream(Generic[ItemT]):
    """Messages as they come. One that can be resumed goes on after a broken connection where it was, and says nothing twice."""

    def __init__(self, opened: Callable[[Request], Any], watching: Watching, sleep: Callable[[float], None]) -> None:
        """Makes the stream; it connects when it is entered (``with``), or with the first message that is wanted."""
        self._watching = watching
        self._opened = opened
        self._sleep = sleep
        self._messages = self._run()
        self._begun = False

    @property
    def resume_token(self) -> str:
        """What another stream goes on after, where this one is now; empty as long as there is none."""
        return self._watching.token

    def __iter__(self) -> Iterator[ItemT]:
        """Itself."""
        return self

    def __next__(self) -> ItemT:
        """The next message.

        Raises:
            TocsinError: what ended the stream.
        """
        self._begin()
        return next(self._messages)

    def __enter__(self) -> Self:
        """Connects: what happens from now on is told."""
        self._begin()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Closes the stream."""
        self.close()

    def close(self) -> None:
        """Ends the stream."""
        self._messages.close()

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            next(self._messages)

    def _run(self) -> Generator[Any]:
        """Yields None once when it is connected, then the messages."""
        told = False
        while True:
            try:
                with self._opened(self._watching.request()) as pieces:
                    if not told:
                        told = True
                        yield None
                    for piece in pieces:
                        yield from self._watching.messages(piece)
                self._watching.end()
                return
            except TocsinError as error:
                failed = error
            failed.__context__ = None  # what the network said holds the request, and the key with it
            wait = self._watching.wait(failed)
            if wait is None:
                raise failed
            self._sleep(wait)
