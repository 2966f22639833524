"""Reading settings from the environment."""

import os
import typing
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

from tocsin.config.settings import EgressSettings, ServiceSettings, Settings, StoreSettings
from tocsin.errors import ConfigError
from tocsin.setting_names import PREFIX

SERVICES: Final = ("gateway", "auth", "scheduler", "processor", "mailer")
"""The short names; each gives a prefix such as ``TOCSIN_SCHEDULER_``."""

SEQUENCES: Final = (tuple, list, set, frozenset)
"""The types whose values are written with commas."""

S = TypeVar("S", bound=Settings)


def load(kind: type[S], env: Mapping[str, str] | None = None) -> S:
    """Reads the settings of ``kind`` from ``env``, the process environment unless given.

    Raises:
        ConfigError: a name is unknown, a value is not valid, or a secret's file cannot be read.
    """
    source = _Environment(kind, os.environ if env is None else env)
    values = source()
    problems = [*source.unknown(), *source.problems]
    try:
        settings = kind(**values)
    except ValidationError as error:
        raise ConfigError([*problems, *source.explain(error)]) from None
    if problems:
        raise ConfigError(problems)
    return settings


class _Environment(PydanticBaseSettingsSource):
    """Finds the fields of a settings type in a set of environment variables, and remembers what each came from."""

    def __init__(self, kind: type[Settings], env: Mapping[str, str]) -> None:
        super().__init__(kind)
        self._kind = kind
        self._env = {name: value for name, value in env.items() if name.upper().startswith(PREFIX) and value}
        self._origin: dict[str, str] = {}
        self.problems: list[str] = []

    def __call__(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, field in self._kind.model_fields.items():
            value, origin, _ = self.get_field_value(field, name)
            if value is not None:
                self._origin[name] = origin
                found[name] = value
        return found

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        for name in environment_names(self._kind, field_name):
            raw = self._read(name, secret=_is_secret(field.annotation))
            if raw is not None:
                self._check_own_file(name, field_name, raw)
                return self._parse(name, field, raw), name, False
        return None, field_name, False

    def _read(self, name: str, *, secret: bool) -> str | None:
        """The text of ``name``, or of the file that ``<name>_FILE`` points at."""
        value, path = self._env.get(name), self._env.get(f"{name}_FILE") if secret else None
        if path is None:
            return value
        if value is not None:
            self.problems.append(f"{name}: set it or {name}_FILE, not both")
            return value
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or "it is not UTF-8 text"
            self.problems.append(f"{name}_FILE: cannot read {path}: {reason}")
            return None

    def _check_own_file(self, name: str, field_name: str, raw: str) -> None:
        """A SQLite file belongs to one service; services that shared one would mix up their tables."""
        if field_name == "database_url" and self._kind.service and name == _shared_name(field_name) and raw.startswith("sqlite"):
            own = environment_names(self._kind, field_name)[0]
            self.problems.append(f"{name}: services cannot share a SQLite file; set {own} or TOCSIN_STATE_DIR")

    def _parse(self, name: str, field: FieldInfo, raw: str) -> Any:
        if typing.get_origin(field.annotation) in SEQUENCES:
            return [part.strip() for part in raw.split(",") if part.strip()]
        if not self.field_is_complex(field):
            return raw
        try:
            return self.decode_complex_value(name, field, raw)
        except ValueError as error:
            self.problems.append(f"{name}: not valid JSON: {error}")
            return None

    def unknown(self) -> Iterator[str]:
        """A line for each name that nobody reads, with the nearest one that exists."""
        known = _known(self._kind)
        # What the command and the SDK read (TOCSIN_CLIENT_URL, TOCSIN_CLIENT_API_KEY) may stand in the environment of a service.
        others = tuple(f"{PREFIX}{owner.upper()}_" for owner in (*SERVICES, "client") if owner != self._kind.service)
        for name in sorted(self._env):
            if name in known or name.startswith(others):
                continue
            near = self._nearest(name.upper(), known)
            yield f"{name}: there is no such setting" + (f"; did you mean {near}?" if near else "")

    def _nearest(self, name: str, known: set[str]) -> str | None:
        prefixed = name.replace(PREFIX, f"{PREFIX}{self._kind.service.upper()}_", 1)
        exact = [candidate for candidate in (name, prefixed) if candidate in known]
        return next(iter(exact or get_close_matches(name, known, n=1)), None)

    def explain(self, error: ValidationError) -> Iterator[str]:
        """A line for each value that was refused; a secret's value is never shown."""
        for item in error.errors(include_url=False):
            field_name = str(item["loc"][0]) if item["loc"] else ""
            reason = item["msg"].removeprefix("Value error, ")
            field = self._kind.model_fields.get(field_name)
            if field is None:
                yield reason
                continue
            name = self._origin.get(field_name) or environment_names(self._kind, field_name)[0]
            shown = "" if item["type"] == "missing" or _is_secret(field.annotation) else f" (got {self._env.get(name, '')!r})"
            yield f"{name}: {reason}{shown}"


def _shared_name(field: str) -> str:
    return PREFIX + field.upper()


def environment_names(kind: type[Settings], field: str) -> list[str]:
    """The environment names of a field, the winner first."""
    own = [f"{PREFIX}{kind.service.upper()}_{field.upper()}"] if kind.service else []
    return [*own, _shared_name(field)] if field in _shared() or not own else own


def _shared() -> set[str]:
    """The fields that may be set for all services at once."""
    return {*ServiceSettings.model_fields, *StoreSettings.model_fields, *EgressSettings.model_fields}


def _known(kind: type[Settings]) -> set[str]:
    """Every name that a service of this kind accepts; a shared one that it has no use for is another's."""
    fields = {**ServiceSettings.model_fields, **StoreSettings.model_fields, **EgressSettings.model_fields, **kind.model_fields}
    names = {name: fields[field] for field in fields for name in [*environment_names(kind, field), *_shared_names(field)]}
    return {*names, *(f"{name}_FILE" for name, field in names.items() if _is_secret(field.annotation))}


def _shared_names(field: str) -> list[str]:
    return [_shared_name(field)] if field in _shared() else []


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or SecretStr in typing.get_args(annotation)
