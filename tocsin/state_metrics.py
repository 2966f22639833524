"""What the metrics tell of a state folder."""

import math
import shutil
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge

from tocsin.last_backup import last_backup_seconds


def export_state(registry: CollectorRegistry, folder: Path) -> None:
    """Shows how much room a state folder has, and when the installation in it was backed up."""
    export_disk(registry, folder)
    export_backup(registry, folder)


def export_disk(registry: CollectorRegistry, folder: Path) -> None:
    """Shows how much room the disk below ``folder`` has; NaN while nobody can tell."""

    def read(of_free: bool) -> float:
        try:
            usage = shutil.disk_usage(next(each for each in (folder, *folder.absolute().parents) if each.exists()))
        except OSError:
            return math.nan
        return usage.free if of_free else usage.total

    free = Gauge("tocsin_state_disk_free_bytes", "Free bytes of the disk with the state folder.", registry=registry)
    free.set_function(lambda: read(True))
    size = Gauge("tocsin_state_disk_size_bytes", "Size of the disk with the state folder in bytes.", registry=registry)
    size.set_function(lambda: read(False))


def export_backup(registry: CollectorRegistry, folder: Path) -> None:
    """Shows when the installation in a state folder was backed up last."""
    told = "When `tocsin backup` succeeded last on this state folder, in seconds since the Unix epoch; 0: never."
    last = Gauge("tocsin_backup_last_success_timestamp_seconds", told, registry=registry)
    last.set_function(lambda: last_backup_seconds(folder))
