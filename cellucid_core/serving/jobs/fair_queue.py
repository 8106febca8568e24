"""Who is next: everybody in turn, each one's own in the order of asking."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """A queue that serves owners round robin, so that ten jobs of one do not keep another's single one waiting."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[T]] = {}  # in the order of whose turn it is

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def __iter__(self) -> Iterator[T]:
        """Yield what waits, in the order in which it will be served if nothing else comes."""
        lines = [list(line) for line in self._waiting.values()]
        for turn in range(max(map(len, lines), default=0)):
            yield from (line[turn] for line in lines if turn < len(line))

    def put(self, owner: str, item: T) -> None:
        """Add something at the end of its owner's line."""
        self._waiting.setdefault(owner, deque()).append(item)

    def get(self) -> T | None:
        """Take what is next, None if nothing waits; its owner goes to the end."""
        for owner, line in self._waiting.items():
            item = line.popleft()
            del self._waiting[owner]
            if line:
                self._waiting[owner] = line
            return item
        return None

    def remove(self, owner: str, item: T) -> bool:
        """Take something out, and tell whether it waited."""
        line = self._waiting.get(owner, deque())
        if item not in line:
            return False
        line.remove(item)
        if not line:
            del self._waiting[owner]
        return True
