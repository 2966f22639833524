"""Contexts: gateways that somebody signed in to, each with its key, in a file that nobody else can read."""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from tocsin.errors import FailedPrecondition, NotFound

LOCAL: Final = "local"
"""The stack on the state folder, which needs no context."""

_PRIVATE: Final = 0o600
_OTHERS: Final = 0o077


class ContextNotFound(NotFound):
    """There is no context of this name."""


class ContextsUnreadable(FailedPrecondition):
    """The file of contexts cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A gateway and the key for it."""

    url: str
    api_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Contexts:
    """Those that there are, and which is in use; "local" is none of them."""

    current: str = LOCAL
    known: Mapping[str, Context] = field(default_factory=dict[str, Context])


def path() -> Path:
    """The file: in ``TOCSIN_CONFIG_DIR``, or the folder of the user's settings (XDG Base Directory)."""
    folder = os.environ.get("TOCSIN_CONFIG_DIR")
    if not folder:
        home = os.environ.get("XDG_CONFIG_HOME") or f"{os.environ.get('HOME', '')}/.config"
        folder = f"{home}/tocsin"
    return Path(folder, "contexts.json")


def load() -> Contexts:
    """The contexts of the file; none without one.

    Raises:
        ContextsUnreadable: others can read it, or it is not one of ours.
    """
    file = path()
    try:
        with file.open(encoding="utf-8") as opened:
            if os.fstat(opened.fileno()).st_mode & _OTHERS:
                msg = f"others can read {file}, which holds keys: chmod 600 {file}"
                raise ContextsUnreadable(msg)
            told = cast("dict[str, Any]", json.load(opened))
        known = {str(name): Context(url=str(each["url"]), api_key=str(each["api_key"])) for name, each in told["contexts"].items()}
        return Contexts(str(told["current"]), known)
    except FileNotFoundError:
        return Contexts()
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        msg = f"{file} cannot be read ({type(error).__name__}); remove it and sign in again"
        raise ContextsUnreadable(msg) from None


def save(contexts: Contexts) -> None:
    """Replaces the file in one step; mode 0600 from its first byte."""
    file = path()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=".contexts.", dir=file.parent)  # makes it 0600
    try:
        os.fchmod(descriptor, _PRIVATE)
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            json.dump(
                {"current": contexts.current, "contexts": {name: asdict(each) for name, each in contexts.known.items()}}, opened, indent=2
            )
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def named(name: str, contexts: Contexts) -> Context:
    """The context called ``name``.

    Raises:
        ContextNotFound: there is none.
    """
    if name not in contexts.known:
        msg = f"there is no context {name!r}; there are: {', '.join([LOCAL, *sorted(contexts.known)])}"
        raise ContextNotFound(msg)
    return contexts.known[name]


def chosen() -> Context | None:
    """The context in use: that of ``TOCSIN_CONTEXT``, or else the one that was chosen last; None for "local".

    Raises:
        ContextNotFound: there is none of this name.
        ContextsUnreadable: the file cannot be read.
    """
    contexts = load()
    name = os.environ.get("TOCSIN_CONTEXT") or contexts.current
    return None if name == LOCAL else named(name, contexts)
