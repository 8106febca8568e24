"""How long tests wait for what must come: a test fails by it only where something is really broken."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Seconds.
PATIENCE = 300


def until(holds: Callable[[], object]) -> None:
    """Wait for something that another thread or process does."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "what was waited for did not come"
        time.sleep(0.01)
