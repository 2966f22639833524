"""Resources that people write: YAML or JSON files, single fields, and what they change in an editor."""

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, cast

import typer

_LARGEST: Final = 64 * 1024 * 1024


def document(file: Path | None, fields: Sequence[str]) -> dict[str, Any]:
    """The resource of a file, with the fields of ``path=value`` set in it.

    Raises:
        typer.BadParameter: one of them cannot be read.
    """
    found: dict[str, Any] = {}
    if file is not None:
        items = list(documents(file))
        if len(items) != 1:
            msg = f"{file} holds {len(items)} resources; it must hold one"
            raise typer.BadParameter(msg, param_hint="--file")
        found = items[0]
    for each in fields:
        path, sign, text = each.partition("=")
        if not sign or not all(path.split(".")):
            msg = f"{each!r} is not path=value"
            raise typer.BadParameter(msg, param_hint="--set")
        _put(found, path.split("."), parsed_value(text))
    return found


def _put(target: dict[str, Any], path: Sequence[str], value: Any) -> None:
    *parents, last = path
    for name in parents:
        inner = target.setdefault(name, {})
        if not isinstance(inner, dict):
            msg = f"{name} is no object"
            raise typer.BadParameter(msg, param_hint="--set")
        target = cast("dict[str, Any]", inner)
    target[last] = value


def parsed_value(text: str) -> Any:
    """A value as YAML has it; times and dates stay texts."""
    return _loaded(text, "--set")


def documents(file: Path) -> Iterator[dict[str, Any]]:
    """The resources of a file of YAML documents, of lists of them, or of JSON; "-" is standard input.

    Raises:
        typer.BadParameter: it cannot be read, a key stands twice in one object, or something is no object.
    """
    try:
        if str(file) != "-" and file.stat().st_size > _LARGEST:
            msg = f"{file} is larger than {_LARGEST // 1024 // 1024} MiB"
            raise typer.BadParameter(msg, param_hint="--file")
        text = sys.stdin.read(_LARGEST) if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{file} cannot be read: {error}"
        raise typer.BadParameter(msg, param_hint="--file") from None
    loaded = _lines(text, file) if file.suffix in (".ndjson", ".jsonl") else _loaded(text, str(file), every=True)
    for part in loaded:
        for item in cast("list[Any]", part if isinstance(part, list) else [part]):
            if item is None:
                continue
            if not isinstance(item, dict):
                msg = f"{file}: {str(item)[:40]!r} is no resource"
                raise typer.BadParameter(msg, param_hint="--file")
            yield cast("dict[str, Any]", item)


def _lines(text: str, file: Path) -> Iterator[Any]:
    """The values of newline-delimited JSON: the form for many, which YAML reads slowly."""
    for number, line in enumerate(text.split("\n"), 1):
        try:
            if line.strip():
                yield json.loads(line, object_pairs_hook=once)
        except (ValueError, RecursionError) as error:
            msg = f"{file}, line {number}: {error}"
            raise typer.BadParameter(msg, param_hint="--file") from None


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these members (for ``json``).

    Raises:
        ValueError: a name comes twice.
    """
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        msg = f"the key {next(name for name in names if names.count(name) > 1)!r} comes twice"
        raise ValueError(msg)
    return found


def _loaded(text: str, source: str, *, every: bool = False) -> Any:
    from tocsin.cli.yaml_loader import YamlRefused, resources, value_of  # it costs more than most commands, which need none

    try:
        return [value for _, value in resources(text)] if every else value_of(text)
    except YamlRefused as error:
        msg = f"{source} cannot be read: {error}"
        raise typer.BadParameter(msg) from None


def edited(resource: dict[str, Any]) -> dict[str, Any]:
    """What somebody changes of a resource in the editor: the fields of the top that differ, null where one was taken out.

    Raises:
        typer.BadParameter: the editor failed, or what it left cannot be read.
    """
    import yaml

    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    with tempfile.TemporaryDirectory(prefix="tocsin-") as folder:
        path = Path(folder, "resource.yaml")
        path.write_text(yaml.safe_dump(resource, sort_keys=False, allow_unicode=True), encoding="utf-8")
        try:
            subprocess.run([*editor, path], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            msg = f"the editor failed: {error}"
            raise typer.BadParameter(msg, param_hint="EDITOR") from None
        after = document(path, ())
    gone = dict.fromkeys(resource.keys() - after.keys())
    return {**gone, **{key: value for key, value in after.items() if resource.get(key) != value}}
