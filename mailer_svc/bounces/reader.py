"""Reads returned mails beside the event loop, with bounds of time."""

import asyncio
import os
import sys
from typing import Final

from mailer_svc.bounces.reading import BounceFinding, BounceUnreadable, other_finding, parsed, standard_finding
from mailer_svc.domain import ReportKind
from tocsin.telemetry import get_logger

_log = get_logger(__name__)
_SCAN_SECONDS: Final = 60.0
"""More than the processor time that a scan may take: on a busy machine it waits for that as well."""
_FAILED: Final = {"failed": True, "delayed": False}
_PASSED_ON: Final = ("LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH", "VIRTUAL_ENV")  # no setting that could be a secret


class BounceReader:
    """Reads what is in a standard form in a thread, and scans the rest in a process of its own, one at a time."""

    def __init__(self) -> None:
        self._scanning = asyncio.Semaphore(1)

    async def read(self, data: bytes) -> BounceFinding:
        """What a mail says; never raises for what is in it."""
        try:
            message = await asyncio.to_thread(parsed, data)
            found = await asyncio.to_thread(standard_finding, message)
        except BounceUnreadable:
            return BounceFinding(ReportKind.NOTED, "an answer that cannot be taken apart")
        except Exception as error:  # noqa: BLE001 - a stranger's mail must not end the conversation
            _log.warning("returned mail not readable", error=type(error).__name__)
            return BounceFinding(ReportKind.NOTED, "an answer that cannot be read")
        if found is not None:
            return found
        async with self._scanning:
            return other_finding(message, _FAILED.get(await _scan(data)))


async def _scan(data: bytes) -> str:
    """What the process said; empty if it died, or took too long."""
    env = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    pipe = asyncio.subprocess.PIPE
    line = (sys.executable, "-m", "mailer_svc.bounces.scan")
    try:
        child = await asyncio.create_subprocess_exec(*line, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL, env=env)
    except OSError as error:
        _log.warning("returned mail not scanned", error=str(error))
        return ""
    try:
        async with asyncio.timeout(_SCAN_SECONDS):
            said, _ = await child.communicate(data)
    except TimeoutError:
        _log.warning("returned mail not scanned", error=f"it took more than {_SCAN_SECONDS:g} s")
        return ""
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return said.decode(errors="replace")
