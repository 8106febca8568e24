"""Loops that numba compiles on first use; the machine code is kept on disk."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

#: Number of entries from which it pays to load a compiler for a loop that numpy can also do.
COMPILED_FROM = 1_000_000


@cache
def compiled(loop: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function compiled to machine code; it releases the GIL, so that other threads run meanwhile.

    Loading numba takes half a second, so callers ask for it only where there is enough to do.

    Parameters
    ----------
    loop
        A function of arrays and numbers, written in the subset of Python that numba compiles.
    """
    from numba import njit

    try:
        fast: Callable[..., Any] = njit(nogil=True, cache=True)(loop)
    except RuntimeError:  # no folder to keep the compiled code in
        fast = njit(nogil=True)(loop)
    return fast
