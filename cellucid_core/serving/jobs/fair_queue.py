"""A queue that serves owners in turn, and the items of each owner in the order in which they came."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """Serves owners round robin, so that ten jobs of one owner do not keep another owner's single job waiting."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[T]] = {}  # the owner whose turn is next comes first

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def __iter__(self) -> Iterator[T]:
        """Yield the waiting items in the order in which they will be served if no others come."""
        lines = [list(line) for line in self._waiting.values()]
        for turn in range(max(map(len, lines), default=0)):
            yield from (line[turn] for line in lines if turn < len(line))

    def put(self, owner: str, item: T) -> None:
        """Add an item at the end of its owner's line."""
        self._waiting.setdefault(owner, deque()).append(item)

    def get(self) -> T | None:
        """Take the next item, None if nothing waits; its owner's next turn comes after all others."""
        for owner, line in self._waiting.items():
            item = line.popleft()
            del self._waiting[owner]
            if line:
                self._waiting[owner] = line
            return item
        return None

    def remove(self, owner: str, item: T) -> bool:
        """Remove an item, and tell whether it waited."""
        line = self._waiting.get(owner, deque())
        if item not in line:
            return False
        line.remove(item)
        if not line:
            del self._waiting[owner]
        return True
