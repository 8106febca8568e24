"""Give memory back to the machine: drop what is kept for people who left, and collect garbage."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

from cellucid_core.serving.logs import log_error

#: Seconds between two rounds.
_PAUSE = 30.0
#: ``M_ARENA_MAX`` of malloc.h.
_ARENA_MAX = -8
Lifespan = Callable[[Any], AbstractAsyncContextManager[None]]


def upkeep(lifespan: Lifespan, forget: Callable[[], None], pause: float = _PAUSE) -> Lifespan:
    """Return a lifespan that also calls `forget` and `give_back` again and again.

    Parameters
    ----------
    lifespan
        What else the server does, for ``st.App(lifespan=…)``.
    forget
        Drops what is kept for people who left; called on the event loop.
    pause
        Seconds between two rounds.
    """
    _few_arenas()

    @asynccontextmanager
    async def whole(app: Any) -> AsyncIterator[None]:
        async with lifespan(app):
            task = asyncio.create_task(_again_and_again(forget, pause))
            try:
                yield
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    return whole


async def _again_and_again(forget: Callable[[], None], pause: float) -> None:
    while True:
        await asyncio.sleep(pause)
        try:
            forget()
            give_back()
        except Exception as error:  # serving goes on
            log_error(error, "upkeep")


def _few_arenas() -> None:
    """Let all threads share two of glibc's arenas, since every arena keeps memory that it once held (mallopt(3))."""
    if sys.platform.startswith("linux"):
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(_ARENA_MAX, 2)


def give_back() -> None:
    """Collect garbage, and give freed memory back to the system.

    glibc keeps freed memory for later allocations and, with one arena per thread, never uses some of it again
    (malloc_trim(3)); other C libraries give it back by themselves.
    """
    gc.collect()
    if sys.platform.startswith("linux"):
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
