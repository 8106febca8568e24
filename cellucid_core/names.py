"""Names on disk: safe keys, collisions, and names that Windows reserves; and lists of names in a sentence."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from itertools import islice

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")

#: Base names that Windows cannot store, whatever their suffix.
RESERVED = frozenset(
    ["CON", "PRN", "AUX", "NUL"] + [f"{device}{digit}" for device in ("COM", "LPT") for digit in range(1, 10)]
)


def safe_key(name: str) -> str:
    """Return the file-name form of a key, as the Cellucid viewer derives it.

    Each run of characters outside ``A-Za-z0-9._-`` becomes one ``_``; leading and trailing ``.`` and ``_`` are removed;
    an empty result becomes ``field``.

    Examples
    --------
    >>> safe_key("CD4+/CD25 T Reg")
    'CD4_CD25_T_Reg'
    >>> safe_key("…")
    'field'
    """
    return _UNSAFE.sub("_", name).strip("._") or "field"


def collisions(keys: Iterable[str]) -> dict[str, list[str]]:
    """Group keys that share one safe key.

    Parameters
    ----------
    keys
        Keys of one folder, in order. A key that is listed twice collides with itself.

    Returns
    -------
    dict
        Safe key → the keys (two or more, in order) that share it, letter case included.
    """
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for key in keys:
        groups[safe_key(key)].append(key)
    return {safe: members for safe, members in groups.items() if len(members) > 1}


def case_collisions(keys: Iterable[str]) -> dict[str, list[str]]:
    """Group keys whose safe keys differ only in letter case (one file on macOS and Windows).

    Returns
    -------
    dict
        Case-folded safe key → its keys, in order; only groups with at least two different safe keys.
    """
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for key in keys:
        groups[safe_key(key).casefold()].append(key)
    return {low: members for low, members in groups.items() if len({safe_key(m) for m in members}) > 1}


def is_reserved(name: str) -> bool:
    """Tell whether Windows reserves this name's safe key for a device (``CON``, ``aux.values`` …)."""
    return safe_key(name).split(".", 1)[0].upper() in RESERVED


def folder_name(name: str) -> str:
    """Return the form of a name that can name a folder on every system and in every web address.

    It is a safe key of at most 100 characters that Windows does not reserve for a device.

    Examples
    --------
    >>> folder_name("../my data"), folder_name("CON")
    ('my_data', 'dataset-CON')
    """
    safe = safe_key(name)[:100].strip("._") or "field"
    return f"dataset-{safe}"[:100].rstrip("._") if is_reserved(safe) else safe


def unique(names: Iterable[str]) -> list[str]:
    """Make names unique by numbering the repeated ones; no new name is one that is already there.

    Parameters
    ----------
    names
        Names in order; the first of each keeps its name.

    Examples
    --------
    >>> unique(["a", "a", "a-1", "a"])
    ['a', 'a-2', 'a-1', 'a-3']
    """
    given = list(names)
    taken = set(given)
    seen: set[str] = set()
    counter: defaultdict[str, int] = defaultdict(int)
    result = []
    for name in given:
        if name not in seen:
            seen.add(name)
            result.append(name)
            continue
        while True:
            counter[name] += 1
            candidate = f"{name}-{counter[name]}"
            if candidate not in taken:
                break
        taken.add(candidate)
        seen.add(candidate)
        result.append(candidate)
    return result


def separate(names: Iterable[str], *, fold_case: bool = False) -> list[str]:
    """Rename names that share a safe key with an earlier one, so that each has a file of its own.

    Parameters
    ----------
    names
        Names in order; the first of each group keeps its name, the others get ``-2``, ``-3`` … at the end.
    fold_case
        Also separate safe keys that differ only in letter case.

    Examples
    --------
    >>> separate(["a b", "a/b", "a_b-2", "A b"])
    ['a b', 'a/b-3', 'a_b-2', 'A b']
    """

    def file_of(name: str) -> str:
        return safe_key(name).casefold() if fold_case else safe_key(name)

    given = list(names)
    originals = {file_of(name) for name in given}
    taken: set[str] = set()
    result = []
    for name in given:
        new, number = name, 1
        while file_of(new) in taken or (new != name and file_of(new) in originals):
            number += 1
            new = f"{name}-{number}"
        taken.add(file_of(new))
        result.append(new)
    return result


def listed(names: Collection[object], most: int = 3) -> str:
    """Return the first names as a list in words, and how many more there are.

    Parameters
    ----------
    names
        Names in order; other values are converted to text.
    most
        How many names are written out.

    Examples
    --------
    >>> listed(["a", "b", "c", "d", "e"]), listed([4, 7]), listed([])
    ('a, b, c and 2 more', '4, 7', '')
    """
    head = ", ".join(map(str, islice(names, most)))
    return f"{head} and {len(names) - most:,} more" if len(names) > most else head
