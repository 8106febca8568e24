"""Loops that numba compiles when they are first needed, and keeps compiled on the disk."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

#: Entries from which it pays to load a compiler for a loop that numpy can do, too.
COMPILED_FROM = 1_000_000


@cache
def compiled(loop: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function compiled to machine code; while it runs, other threads do too.

    Loading numba takes half a second, so callers ask for it only where there is enough to do.

    Parameters
    ----------
    loop
        A function of arrays and numbers, in what numba understands of Python.
    """
    from numba import njit

    try:
        fast: Callable[..., Any] = njit(nogil=True, cache=True)(loop)
    except RuntimeError:  # no folder to keep the compiled code in
        fast = njit(nogil=True)(loop)
    return fast
