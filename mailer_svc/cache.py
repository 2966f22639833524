"""What is kept in memory because it was used lately, bounded in bytes."""

from collections import OrderedDict
from typing import Generic, TypeVar

Key = TypeVar("Key")
Item = TypeVar("Item")


class WeightedCache(Generic[Key, Item]):
    """Forgets what was not used for the longest time when all together weigh more than they may."""

    def __init__(self, *, bytes: int) -> None:  # noqa: A002 - the unit
        self._room = bytes
        self._items: OrderedDict[Key, tuple[Item, int]] = OrderedDict()

    def get(self, key: Key) -> Item | None:
        """What is kept under ``key``; None if nothing is."""
        found = self._items.get(key)
        if found is None:
            return None
        self._items.move_to_end(key)
        return found[0]

    def put(self, key: Key, item: Item, *, weight: int) -> None:
        """Keeps ``item``, which takes ``weight`` bytes."""
        _, before = self._items.pop(key, (None, 0))
        self._items[key] = (item, weight)
        self._room += before - weight
        while self._room < 0:
            _, (_, lightened) = self._items.popitem(last=False)
            self._room += lightened
