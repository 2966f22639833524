"""How files of resources are read: safe, no key twice, times as they are written."""

import re
from typing import Any, cast

import yaml
from yaml.constructor import ConstructorError


class StrictLoader(yaml.SafeLoader):
    """Refuses a key that comes twice and references (a small file would hold a large one), and leaves 14:30 and 2026-12-01 texts."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuses a reference (``*name``)."""
        events = cast("Any", self)  # the stubs say nothing of events
        if events.check_event(yaml.AliasEvent):
            raise ConstructorError(None, None, "references are not taken", events.peek_event().start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Refuses a key that comes twice, and one that is no text."""
        keys = [cast("Any", self).construct_object(key, deep=True) for key, _ in node.value]
        for place, key in enumerate(keys):
            if not isinstance(key, str):
                raise ConstructorError(None, None, f"the key {key!r} is no text", node.start_mark)
            if key in keys[:place]:
                raise ConstructorError(None, None, f"the key {key!r} comes twice", node.start_mark)
        return super().construct_mapping(node, deep=True)


StrictLoader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    # The core schema of YAML 1.2 (10.3.2), without its octal and hexadecimal numbers, and without numbers that JSON has not.
    ("null", r"(?:~|null|Null|NULL|)", "~nN\0"),
    ("bool", r"(?:true|True|TRUE|false|False|FALSE)", "tTfF"),
    ("int", r"-?(?:0|[1-9][0-9]{0,17})", "-0123456789"),
    ("float", r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,17})?(?:[eE][-+]?[0-9]{1,3})?", "-0123456789"),
):
    cast("Any", StrictLoader).add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"{_pattern}\\Z"), ["" if each == "\0" else each for each in _first]
    )
