"""The kinds of providers as the use cases know them: what may be configured, and what is made of it."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, cast, get_args

from pydantic import SecretStr, ValidationError

from mailer_svc.channels.spec import CallbackRequest, ChannelSpec, Configured, Parts, ProviderConfig, ProviderKind
from mailer_svc.domain import SendJob, SendOutcome, SendResult
from mailer_svc.domain.providers import ProviderRecord
from mailer_svc.domain.status_reports import StatusReport
from mailer_svc.ports import Provider
from mailer_svc.ports.providers import KindDescription
from tocsin.clock import Clock
from tocsin.errors import FieldViolation, InvalidInput

_FIELD: Final = "config"
_SHARE: Final = 4
_PROMPT_SECONDS: Final = 1.0
_BUSY_SECONDS: Final = 2.0


class KindTable:
    """Every kind of provider of the table of channels."""

    def __init__(
        self,
        *,
        channels: Iterable[ChannelSpec[Any]],
        installed: Iterable[Configured],
        parts: Parts,
        finish: Callable[[Provider], Provider],
    ) -> None:
        """Makes it.

        Args:
            channels: the table.
            installed: the providers that settings configure.
            parts: what providers of tenants stand on.
            finish: what is done to every provider that is made, such as to trace it.
        """
        self._finish = finish
        self._kinds = {kind.name: (channel.name, kind) for channel in channels for kind in channel.kinds}
        self._installed = {name: (kind, config) for name, kind, config in installed}
        self._parts = parts

    def all(self) -> Sequence[KindDescription]:
        """Every kind, by name."""
        return [_description(channel, kind) for _, (channel, kind) in sorted(self._kinds.items())]

    def find(self, kind: str) -> KindDescription | None:
        """One kind; None: this mailer does not know it."""
        found = self._kinds.get(kind)
        return _description(*found) if found else None

    def checked(self, kind: str, config: Mapping[str, Any]) -> Mapping[str, Any]:
        """The configuration in its normal form, defaults left out, secrets as text."""
        model = self._model(self._kind(kind), config)
        return {name: _plain(value) for name, value in model.model_dump(mode="python", exclude_defaults=True).items()}

    def make(self, record: ProviderRecord) -> Provider:
        """A provider that works by a record."""
        kind = self._kind(record.kind)
        provider = kind.make(f"{kind.name}-{record.id}", self._model(kind, {**record.config, **record.secrets}), self._parts)
        return self._finish(BoundedProvider(provider=provider, share=_SHARE, clock=self._parts.clock))

    def read(
        self, provider: ProviderRecord | str, *, url: str, headers: Mapping[str, str], body: bytes, now: int
    ) -> Sequence[StatusReport] | None:
        """What a callback tells; None: the provider, a record or the name of one of the installation, has no callbacks.

        Raises:
            CallbackRefused: it is not signed by the provider.
            InvalidInput: it cannot be read.
        """
        request = CallbackRequest(url=url, headers=headers, body=body, now=now)
        if isinstance(provider, ProviderRecord):
            kind = self._kind(provider.kind)
            return kind.callback(self._model(kind, {**provider.config, **provider.secrets}), request) if kind.callback else None
        kind, config = self._installed.get(provider, (None, None))
        return kind.callback(config, request) if kind and kind.callback else None

    def _kind(self, name: str) -> ProviderKind[Any]:
        found = self._kinds.get(name)
        if found is None:
            raise InvalidInput.at("kind", f"is none of {', '.join(sorted(self._kinds))}")
        return found[1]

    def _model(self, kind: ProviderKind[Any], config: Mapping[str, Any]) -> ProviderConfig:
        problems = [
            FieldViolation(f"{_FIELD}.{name}", "is the operator's to set, by the settings of the installation")
            for name in sorted(kind.config.operator_only & config.keys())
        ]
        if problems:
            raise InvalidInput(violations=problems)
        try:
            return kind.config.model_validate(dict(config))
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False, include_context=False)
            raise InvalidInput(violations=[_violation(problem) for problem in found]) from None


def _violation(problem: Mapping[str, Any]) -> FieldViolation:
    path = ".".join(str(part) for part in problem["loc"])
    return FieldViolation(f"{_FIELD}.{path}" if path else _FIELD, str(problem["msg"]).removeprefix("Value error, "))


def _description(channel: str, kind: ProviderKind[Any]) -> KindDescription:
    schema = kind.config.model_json_schema()
    for name in kind.config.operator_only:
        schema["properties"].pop(name, None)
    secrets = [name for name, field in kind.config.model_fields.items() if _is_secret(field.annotation)]
    return KindDescription(kind=kind.name, channel=channel, schema=schema, secrets=secrets, has_callback=kind.callback is not None)


def _is_secret(annotation: object) -> bool:
    return annotation is SecretStr or any(_is_secret(part) for part in get_args(annotation))


def _plain(value: Any) -> Any:
    """A value of a configuration as JSON can carry it."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in cast("Mapping[object, object]", value).items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in cast("Sequence[object]", value)]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


class BoundedProvider:
    """A provider of a tenant: while it does not answer promptly it gets a share of its channel's workers and no more."""

    def __init__(self, *, provider: Provider, share: int, clock: Clock) -> None:
        self._provider = provider
        self._share = share
        self._clock = clock
        self._running = 0
        self._answered = float("-inf")
        self.name = provider.name
        self.capacity = provider.capacity
        self.takes = provider.takes
        self.pause = provider.pause
        self.probing = provider.probing
        self.fault = provider.fault
        self.start = provider.start
        self.stop = provider.stop

    async def send(self, job: SendJob, *, hand_over: Callable[[], Awaitable[bool]]) -> SendOutcome:
        """Attempts one message, unless as many as it may have wait for it."""
        if self._running >= self._share and self._clock.monotonic() - self._answered >= _PROMPT_SECONDS:
            return SendOutcome(
                SendResult.NOT_TRIED, 0, "the provider is slow, and has as many messages as one may have", retry_after=_BUSY_SECONDS
            )
        self._running += 1
        try:
            outcome = await self._provider.send(job, hand_over=hand_over)
        finally:
            self._running -= 1
        if outcome.code:
            self._answered = self._clock.monotonic()
        return outcome
