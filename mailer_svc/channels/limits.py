"""How much the providers of channels that are spoken to by HTTP do at once, and a second: settings for all of them."""

from collections.abc import Iterable
from typing import Any

from pydantic import Field, ValidationInfo, field_validator

from tocsin.config import Settings


class HttpSettings(Settings):
    """What every channel has that is spoken to by HTTP."""

    provider_concurrency: tuple[str, ...] = Field(
        (),
        description="Messages that are with a provider at once, at most, by its name: webhook=200,ntfy=4; unless named 64 for webhook, "
        "8 for apprise and 16 for others.",
    )
    provider_rates: tuple[str, ...] = Field(
        (), description="Messages a second, at most, by the provider's name: ntfy=0.2,telegram=25; as many as it takes unless named."
    )

    @field_validator("provider_concurrency", "provider_rates")
    @classmethod
    def _bounded(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        whole = info.field_name == "provider_concurrency"
        for name, number in numbers(value).items():
            if not (1 <= number <= 1000 and number.is_integer()) if whole else not 0 <= number <= 100_000:
                raise ValueError(f"{name}: must be {'a whole number from 1 to 1000' if whole else 'a number from 0 to 100000'}")
        return value


def numbers(entries: Iterable[str]) -> dict[str, float]:
    """Numbers by name.

    Raises:
        ValueError: an entry is not a name and a number.
    """
    found: dict[str, float] = {}
    for entry in entries:
        name, _, number = entry.partition("=")
        try:
            found[name.strip()] = float(number)
        except ValueError:
            raise ValueError(f"{entry!r} must be the name of a provider and a number, as in ntfy=4") from None
    return found


def limits_of(settings: HttpSettings, name: str) -> dict[str, Any]:
    """The fields of a `ProviderConfig` that settings hold for the provider of that name."""
    concurrency, rates = numbers(settings.provider_concurrency), numbers(settings.provider_rates)
    found: dict[str, Any] = {}
    if name in concurrency:
        found["concurrency"] = concurrency[name]
    if name in rates:
        found["rate_per_second"] = rates[name]
    return found
