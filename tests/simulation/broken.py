"""How the broken variants of the scheduler replace parts of it."""

import sys


def everywhere(before: object, after: object) -> None:
    """Replaces a function in every module of the scheduler that has it."""
    for module in [module for name, module in sys.modules.items() if name.startswith("scheduler_svc.")]:
        for name in [name for name, value in vars(module).items() if value is before]:
            setattr(module, name, after)


def replaced(owner: object, name: str, value: object) -> None:
    """Replaces a part of a class or of a module."""
    assert hasattr(owner, name), f"{owner} has no {name} any more"
    setattr(owner, name, value)
