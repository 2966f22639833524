"""The HTTP side of mounted contracts: which headers pass, both ways."""

from gateway.contracts.mounts import Mount
from gateway.http.endpoints import Endpoint
from gateway.http.exchange import Exchange
from gateway.http.headers import passed_on
from gateway.passage import Headers, Passage, enter_passage
from gateway.transcoding.problems import HeadersInvalid


class MountedEndpoint:
    """An endpoint of a mounted contract, around one that does not know of headers."""

    def __init__(self, inner: Endpoint, mount: Mount) -> None:
        """Makes the endpoint around ``inner``, whose method stands in ``mount``."""
        self._inner = inner
        self._names = frozenset(name.encode() for name in mount.request_headers)
        self.template = inner.template
        self.scope = inner.scope
        self.public = inner.public
        self.policy = inner.policy
        self.timeout = inner.timeout
        self.problem = inner.problem

    async def serve(self, exchange: Exchange) -> None:
        """Answers a request.

        Raises:
            TocsinError: as the endpoint inside; or a header that passes has a value that gRPC cannot carry.
        """

        def show(headers: Headers) -> None:
            for name, value in headers:
                exchange.add_header(name.encode(), str(value).encode())

        given = passed_on(exchange.raw_headers, self._names) if self._names else {}
        for name, value in given.items():
            if not value.isascii() or not value.isprintable():
                raise HeadersInvalid.at(name, "must be printable ASCII")
        enter_passage(Passage(tuple(given.items()), show))
        await self._inner.serve(exchange)
