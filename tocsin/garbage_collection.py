"""How often Python looks for garbage that lies in cycles."""

import gc
from typing import Final

_THRESHOLDS: Final = (50_000, 20, 50)
"""A service has many thousand objects in hand, hardly any in a cycle: with the defaults, which suit a small script, a busy one spent a
sixth of its time on looking, and a tenth of its start (docs of the module gc: `set_threshold`)."""


def raise_thresholds() -> None:
    """From now on. Comes before the imports of a service: they make a million objects of which nearly all stay."""
    gc.set_threshold(*_THRESHOLDS)


def freeze_heap() -> None:
    """Spares what stands now (modules, descriptors, compiled handlers) from every later look."""
    gc.collect()
    gc.freeze()
