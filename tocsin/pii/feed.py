"""The policies that processor_svc keeps, at hand in another service."""

from pathlib import Path
from typing import Final

from tocsin.api.processor.v1 import pii_service_pb2 as pb
from tocsin.api.processor.v1 import pii_service_pb2_grpc as rpc
from tocsin.book_feed import BookFeed
from tocsin.clock import Clock
from tocsin.mesh.client import Mesh
from tocsin.pii.policies import DEFAULT_MEASURES, PolicyBook
from tocsin.pii.wire import to_book

PROCESSOR: Final = "processor_svc"


class PolicyFeed(BookFeed[pb.GetPolicyBookResponse, PolicyBook]):
    """The policies; at the very first start, before processor_svc was ever asked, those of `DEFAULT_MEASURES`."""

    def __init__(self, *, mesh: Mesh, clock: Clock, file: Path) -> None:
        """Asks nobody yet.

        Args:
            mesh: the way to processor_svc.
            clock: paces the questions.
            file: keeps the policies.
        """
        stub = rpc.PiiServiceStub(mesh.channel(PROCESSOR))

        async def fetch(version: int, token: str) -> pb.GetPolicyBookResponse:
            return await stub.GetPolicyBook(pb.GetPolicyBookRequest(version=version, page_token=token))

        super().__init__(
            what="policies on personal data",
            fetch=fetch,
            page=pb.GetPolicyBookResponse,
            rows="policies",
            read=to_book,
            default=PolicyBook(defaults=DEFAULT_MEASURES),
            clock=clock,
            file=file,
        )
