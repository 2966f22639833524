"""What callbacks of providers need."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from mailer_svc.domain.providers import ProviderRecord
from mailer_svc.domain.status_reports import StatusReport


class CallbackReader(Protocol):
    """Reads callbacks."""

    def read(
        self, provider: ProviderRecord | str, *, url: str, headers: Mapping[str, str], body: bytes, now: int
    ) -> Sequence[StatusReport] | None:
        """What a callback tells; None: the provider, a record or the name of one of the installation, has no callbacks.

        Raises:
            PermissionDenied: it is not signed by the provider.
            InvalidInput: it cannot be read.
        """
        ...
