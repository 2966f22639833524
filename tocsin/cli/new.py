"""`tocsin new`: writes what a service of one's own begins with."""

import keyword
import re
from importlib import resources
from pathlib import Path
from string import Template
from typing import Annotated, Final

import typer

from tocsin.cli.output import EXIT_CODES, write_line
from tocsin.errors import AlreadyExists, InvalidInput

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_FILES: Final = {
    "service.proto": "{name}.proto",
    "service.py": "{name}_service.py",
    "client.py": "{name}_client.py",
    "test.py": "test_{name}.py",
    "README.md": "README.md",
    "Makefile": "Makefile",
    "requirements.txt": "requirements.txt",
}
"""What is written, by the name of its template in ``tocsin/cli/skeleton``."""


def make_new() -> typer.Typer:
    """The commands of `tocsin new`."""
    group = typer.Typer(no_args_is_help=True, help="Write what a service of your own on the mesh begins with.", epilog=EXIT_CODES)
    group.callback()(_group)
    group.command("service", epilog=EXIT_CODES)(service)
    return group


def _group() -> None:
    """Keeps `service` a word of its own."""


def service(
    name: Annotated[str, typer.Argument(help="Its name: lower-case letters, digits and _.")],
    to: Annotated[
        Path | None, typer.Option(help="Folder to write into; one called like the service unless given.", show_default=False)
    ] = None,
) -> None:
    """Write a service that runs: contract with policies, service, client, test, README and Makefile."""
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise InvalidInput.at("name", f"{name!r} must be lower-case letters, digits and _, begin with a letter, and be no word of Python")
    folder = to or Path(name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise AlreadyExists(f"{folder} exists and is not empty; nothing was written.")
    words = {"name": name, "title": "".join(part.capitalize() for part in name.split("_"))}
    templates = resources.files("tocsin.cli") / "skeleton"
    made = {
        path.format(name=name): Template((templates / f"{file}.txt").read_text("utf-8")).substitute(words) for file, path in _FILES.items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in made.items():
        (folder / file).write_text(text, "utf-8")
        write_line(f"{folder / file}")
    write_line(f"Run `make test` in {folder}; its README says the rest.")
