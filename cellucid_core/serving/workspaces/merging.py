"""Merge the changes that two tabs made to one workspace."""

from __future__ import annotations

from typing import Any

_ABSENT: Any = object()


def merge(base: Any, mine: Any, theirs: Any) -> Any:
    """Merge two versions of plain JSON that were changed independently.

    What only one side changed is taken from that side, down to single keys of objects. If both changed the same value
    (a list counts as one value), `mine`, the later writer's, is taken.

    Parameters
    ----------
    base
        The version that both started from.
    mine, theirs
        The two versions.

    Examples
    --------
    >>> merge({"a": 1, "b": 2}, {"a": 5, "b": 2}, {"a": 1, "b": 2, "c": 3})
    {'a': 5, 'b': 2, 'c': 3}
    """
    merged = _merge(base, mine, theirs)
    return None if merged is _ABSENT else merged


def _merge(base: Any, mine: Any, theirs: Any) -> Any:
    if _same(mine, base):
        return theirs
    if _same(theirs, base) or not (isinstance(mine, dict) and isinstance(theirs, dict)):
        return mine
    before = base if isinstance(base, dict) else {}
    merged = {}
    for key in [*theirs, *(key for key in mine if key not in theirs)]:
        value = _merge(before.get(key, _ABSENT), mine.get(key, _ABSENT), theirs.get(key, _ABSENT))
        if value is not _ABSENT:
            merged[key] = value
    return merged


def _same(one: Any, other: Any) -> bool:
    return one is other or bool(one == other)
