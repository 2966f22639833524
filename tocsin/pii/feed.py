"""The policies that processor_svc keeps, at hand in another service: in memory, and on disk for the next start."""

import asyncio
import os
import tempfile
from pathlib import Path
from typing import Final

from google.protobuf.message import DecodeError

from tocsin.api.processor.v1 import pii_service_pb2 as pb
from tocsin.api.processor.v1 import pii_service_pb2_grpc as rpc
from tocsin.background import Background
from tocsin.clock import Clock
from tocsin.errors import TocsinError
from tocsin.mesh.client import Mesh
from tocsin.mesh.context import detached
from tocsin.pii.policies import DEFAULT_MEASURES, PolicyBook
from tocsin.pii.wire import to_book
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

PROCESSOR: Final = "processor_svc"
_SECONDS: Final = 2.0


class PolicyFeed:
    """Asks for the policies every two seconds; a component.

    While processor_svc is away, the last ones hold. At the very first start, before it was ever asked, those of `DEFAULT_MEASURES` do.
    """

    def __init__(self, *, mesh: Mesh, clock: Clock, file: Path) -> None:
        """Asks nobody yet.

        Args:
            mesh: the way to processor_svc.
            clock: paces the questions.
            file: keeps the policies.
        """
        self._stub = rpc.PiiServiceStub(mesh.channel(PROCESSOR))
        self._file = file
        self._background = Background(clock)
        self._away = False
        self._known: pb.GetPolicyBookResponse = pb.GetPolicyBookResponse()
        self._book = PolicyBook(defaults=DEFAULT_MEASURES)

    def book(self) -> PolicyBook:
        """The policies in force."""
        return self._book

    async def start(self) -> None:
        """Reads the file, and begins to ask."""
        if not self._background.running:
            self._read()
            self._background.periodic("pii-policies", _SECONDS, self.refresh, vital=False)

    async def stop(self) -> None:
        """Ends."""
        await self._background.stop()

    async def refresh(self) -> None:
        """Asks once; one that is away is no error."""
        try:
            with detached():
                answer = await self._fetch()
        except TocsinError as error:
            if not self._away:
                _log.warning("policies on personal data not fetched", error=error.message, version=self._book.version)
            self._away = True
            return
        self._away = False
        if answer != self._known:
            self._known, self._book = answer, to_book(answer)
            await asyncio.to_thread(self._write, answer.SerializeToString())

    async def _fetch(self) -> pb.GetPolicyBookResponse:
        """Every policy, and the installation's measures."""
        whole = await self._stub.GetPolicyBook(pb.GetPolicyBookRequest(version=self._known.version))
        if whole.version == self._known.version:
            whole.policies.extend(self._known.policies)
            return whole
        token = whole.next_page_token
        while token:
            page = await self._stub.GetPolicyBook(pb.GetPolicyBookRequest(page_token=token))
            if page.version != whole.version:
                return await self._fetch()  # somebody set one meanwhile: half of the old and half of the new is neither
            whole.policies.extend(page.policies)
            token = page.next_page_token
        return whole

    def _read(self) -> None:
        try:
            stored = pb.GetPolicyBookResponse()
            stored.ParseFromString(self._file.read_bytes())
        except FileNotFoundError:
            return
        except (OSError, DecodeError) as error:
            _log.warning("stored policies on personal data not readable", file=str(self._file), error=str(error))
        else:
            self._known, self._book = stored, to_book(stored)

    def _write(self, data: bytes) -> None:
        """Replaces the file whole. Losing it costs the policies only of a start while processor_svc is away, so a failure is told."""
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._file.parent, prefix=f".{self._file.name}.")
            with os.fdopen(handle, "wb") as out:
                out.write(data)
            Path(name).replace(self._file)
        except OSError as error:
            _log.warning("policies on personal data not stored", file=str(self._file), error=str(error))
