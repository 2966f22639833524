"""`tocsin backup` and `tocsin restore`."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

from tocsin.cli.output import write_json, write_line, write_table
from tocsin.cli.services import OptionalState
from tocsin.cli.target import JsonOption
from tocsin.clock import SystemClock

if TYPE_CHECKING:
    from tocsin.backups.installation import BackedUpInstallation
    from tocsin.backups.manifest import Manifest

_VERIFY: Final = "verify"
_ENDED: Final = 128 + signal.SIGTERM


def backup(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[verify] PATH",
            help="The archive to write; in a folder it is named by the time. With verify: the archive to check.",
        ),
    ],
    keep: Annotated[int, typer.Option("--keep", min=0, help="In a folder: keep so many of the newest backups; 0 keeps all.")] = 0,
    state: OptionalState = None,
    as_json: JsonOption = False,
) -> None:
    """Back up databases, keys and certificates into one file while services run, or verify one. Settings come from TOCSIN_* variables."""
    if len(words) == 2 and words[0] == _VERIFY:
        _verify(Path(words[1]), as_json=as_json)
        return
    if len(words) != 1:
        msg = "give the path of an archive or a folder, or `verify` and the path of an archive"
        raise typer.BadParameter(msg, param_hint="PATH")
    from tocsin.backups.making import make_backup  # loads the databases' drivers, which no other command needs

    _end_in_order()
    made = asyncio.run(make_backup(_installation(state), _target(words[0]), clock=SystemClock(), keep=keep))
    if as_json:
        write_json({"path": str(made.path), "bytes": made.size, "removed": [str(each) for each in made.removed], **_told(made.manifest)})
        return
    _show(made.manifest)
    write_line(f"{made.path}: {made.size} bytes")
    for each in made.removed:
        write_line(f"{each}: removed")


def _target(words: str) -> Path:
    """Where to write: a folder that is named as one, by a slash at its end, is made."""
    path = Path(words)
    if words.endswith("/"):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def restore(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The archive.")],
    force: Annotated[bool, typer.Option("--force", help="Replace the installation that is there; files of before are kept aside.")] = False,
    state: OptionalState = None,
    as_json: JsonOption = False,
) -> None:
    """Restore a backup to where the TOCSIN_* variables point: all of it or nothing, and never under running services."""
    from tocsin.backups.restoring import restore_backup  # as above

    _end_in_order()
    done = asyncio.run(restore_backup(_installation(state), path, clock=SystemClock(), force=force))
    if as_json:
        asides = [str(each) for each in done.asides]
        told = {"replaced": list(done.replaced), "aside": "".join(asides[:1]), "asides": asides, "migrated": dict(done.migrated)}
        write_json({**told, **_told(done.manifest)})
        return
    _show(done.manifest)
    for each in done.replaced:
        write_line(f"replaced: {each}")
    for each in done.asides:
        write_line(f"files of before are in {each}")
    for service, revisions in done.migrated.items():
        write_line(f"{service}: schema migrated from {revisions}")
    write_line("Restored. Start the services; `tocsin audit` then compares the rules with the ledger.")


def _verify(path: Path, *, as_json: bool) -> None:
    from tocsin.backups.making import verify_backup  # as above

    manifest = verify_backup(path)
    if as_json:
        write_json(_told(manifest))
    else:
        _show(manifest)
        write_line(f"{path}: {len(manifest.members)} members, every hash is right")


def _installation(state: Path | None) -> "BackedUpInstallation":
    from tocsin.backups.installation import BackedUpInstallation

    return BackedUpInstallation.of({**os.environ, **({"TOCSIN_STATE_DIR": str(state)} if state else {})})


def _end_in_order() -> None:
    """SIGTERM ends as Ctrl-C does, so that what is half done is taken away."""
    signal.signal(signal.SIGTERM, _end)


def _end(number: int, frame: object) -> NoReturn:
    del number, frame
    sys.exit(_ENDED)


def _told(manifest: "Manifest") -> dict[str, Any]:
    return {
        "version": manifest.version,
        "created": manifest.created,
        "installation": manifest.installation,
        "schemas": {name: each.revision for name, each in manifest.databases.items()},
        "outside": dict(manifest.outside),
        "members": len(manifest.members),
    }


def _show(manifest: "Manifest") -> None:
    sizes = {member.name: member.size for member in manifest.members}
    rows = [(name, each.kind, each.revision, str(sizes[each.member])) for name, each in sorted(manifest.databases.items())]
    rows += [(f"spool {place}", "sqlite", manifest.spool_revision, str(sizes[name])) for place, name in manifest.spools.items()]
    write_table(("database", "kind", "schema", "bytes"), rows, empty="")
    write_line(f"made {manifest.created} by Tocsin {manifest.version}, installation {manifest.installation}")
    if not manifest.key_in_file:
        write_line("not in the backup: TOCSIN_SECRET_KEY; keep it elsewhere")
    for name, each in manifest.outside.items():
        write_line(f"not in the backup: {each} ({name})")
