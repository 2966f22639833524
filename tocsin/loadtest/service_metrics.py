"""What the services of an installation tell Prometheus about themselves."""

from collections.abc import Mapping
from typing import Final

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from tocsin.errors import Unavailable
from tocsin.loadtest.report import ServiceUse

_MEMORY: Final = "process_resident_memory_bytes"
_CPU: Final = "process_cpu_seconds_total"
_DONE: Final = "tocsin_scheduler_attempts_total"
_READ: Final = (_MEMORY, _CPU, _DONE)


class MetricsReader:
    """Reads the metrics endpoints of processes."""

    def __init__(self, urls: Mapping[str, str], http: httpx2.AsyncClient) -> None:
        """Asks nothing yet.

        Args:
            urls: of the endpoints, by the name of the process.
            http: asks them.
        """
        self._urls = urls
        self._http = http

    async def use(self) -> dict[str, ServiceUse]:
        """What each process uses now."""
        return {name: _use(await self._samples(url)) for name, url in self._urls.items()}

    async def done(self) -> float:
        """Firings whose work has succeeded since the scheduler started."""
        samples = await self._samples(self._urls["scheduler_svc"])
        return samples.get((_DONE, "succeeded"), 0.0)

    async def _samples(self, url: str) -> Mapping[tuple[str, str], float]:
        try:
            answer = await self._http.get(url)
            answer.raise_for_status()
        except httpx2.HTTPError as error:
            raise Unavailable(f"{url} tells no metrics: {error}") from error
        return samples_of(answer.text)


def samples_of(page: str) -> Mapping[tuple[str, str], float]:
    """Values of the few metrics that are read, by name and state.

    To parse a whole page takes a second of CPU once every method has its histograms, which would be taken from what is measured.
    """
    read = "".join(f"{line}\n" for line in page.splitlines() if line.startswith(_READ))
    return {
        (sample.name, sample.labels.get("state", "")): sample.value
        for family in text_string_to_metric_families(read)
        for sample in family.samples
    }


def _use(samples: Mapping[tuple[str, str], float]) -> ServiceUse:
    return ServiceUse(samples.get((_MEMORY, ""), float("nan")), samples.get((_CPU, ""), float("nan")))
