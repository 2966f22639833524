"""Command lines of curl as requests: the options that people use."""

import base64
import shlex
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, urlsplit

_WITH_VALUE: Final = frozenset({"-X", "--request", "-H", "--header", "-d", "--data", "--data-urlencode", "-u", "--user"})


@dataclass(slots=True)
class CurlRequest:
    """What a line sends; ``target`` is path and query."""

    target: str = ""
    method: str = ""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    data: list[str] = field(default_factory=list[str])

    @property
    def body(self) -> bytes:
        """The body: several pieces of data are joined, as curl does."""
        return "&".join(self.data).encode()


def parse_curl(line: str) -> CurlRequest:
    """The request of a line.

    Raises:
        ValueError: it uses an option that is not known here.
    """
    program, *words = shlex.split(line)
    if program != "curl":
        raise ValueError(f"not curl: {line}")
    found = CurlRequest()
    rest = iter(words)
    for word in rest:
        if word in _WITH_VALUE:
            _apply(found, word, next(rest))
        elif word in ("-I", "--head"):
            found.method = "HEAD"
        elif word.startswith("-"):
            raise ValueError(f"unknown option {word}: {line}")
        else:
            parts = urlsplit(word)
            found.target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    if found.data:
        found.headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
    found.method = found.method or ("POST" if found.data else "GET")
    return found


def _apply(found: CurlRequest, option: str, value: str) -> None:
    match option:
        case "-X" | "--request":
            found.method = value
        case "-H" | "--header":
            name, _, text = value.partition(":")
            found.headers[name.title()] = text.strip()
        case "-u" | "--user":
            found.headers["Authorization"] = f"Basic {base64.b64encode(value.encode()).decode()}"
        case "--data-urlencode":
            name, equals, text = value.partition("=")
            found.data.append(f"{name}{equals}{quote(text)}")
        case _:
            found.data.append(value)
