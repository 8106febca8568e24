"""Names that become paths in the file: columns and embeddings.

A key is a part of a path in a zarr store, which may be unpacked on any system, so cellucid refuses keys that some
system cannot store. Here they are renamed, and the user is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from cellucid_core.names import RESERVED

_FORBIDDEN = re.compile(r'[/\\<>:"|?*\x00-\x1f]+')
_ZARR = frozenset({".zarray", ".zattrs", ".zgroup", ".zmetadata", "zarr.json"})
#: anndata stores row names under this key.
_INDEX = "_index"


def fixed(key: str) -> str:
    """Return a key that every system can store; the given one if it is such a key.

    Examples
    --------
    >>> fixed("CD4/CD8 ratio")
    'CD4_CD8 ratio'
    >>> fixed("con")
    'con_'
    """
    new = _FORBIDDEN.sub("_", key)
    if new.endswith((" ", ".")):
        new = new.rstrip(" .")
    stem, dot, rest = new.partition(".")
    if stem.upper() in RESERVED:
        new = f"{stem}_{dot}{rest}"
    if new in _ZARR or new == _INDEX:
        new = new.strip("._").replace(".", "_")
    return new or "unnamed"


def clashes(keys: Iterable[str]) -> list[list[str]]:
    """Return groups of keys that are one folder on macOS and Windows: equal, or different only in letter case."""
    groups: dict[str, list[str]] = {}
    for key in keys:
        groups.setdefault(key.casefold(), []).append(key)
    return [group for group in groups.values() if len(group) > 1]


def renamed_note(what: str, old: Sequence[str], new: Sequence[str]) -> list[str]:
    """Return a warning about the keys that were renamed, if there are any."""
    changed = [f"{a!r} → {b!r}" for a, b in zip(old, new, strict=True) if a != b]
    if not changed:
        return []
    more = " …" if len(changed) > 5 else ""
    return [f"{what} are renamed, since not every system can store their names: {', '.join(changed[:5])}{more}."]
