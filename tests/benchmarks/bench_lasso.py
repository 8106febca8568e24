"""A lasso over 1,000,000 cells, beside ``matplotlib.path.Path.contains_points`` in the same run.

Run with ``python tests/benchmarks/bench_lasso.py``.
"""

from __future__ import annotations

import time

import numpy as np
from matplotlib.path import Path

from cellucid_core.cell_pages import Lasso, cells_inside


def best_of(work, times: int = 5) -> float:
    """Return the shortest of some runs, in seconds."""
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def main() -> None:
    xy = np.random.default_rng(0).normal(size=(1_000_000, 2)).astype(np.float32)
    angle = np.linspace(0, 2 * np.pi, 300, endpoint=False)
    for radius, words in ((0.4, "a cluster"), (1.5, "most cells"), (6.0, "all cells")):
        wave = radius * (1 + 0.2 * np.sin(9 * angle))
        corners = np.column_stack([wave * np.cos(angle), wave * np.sin(angle)])
        ours, peer = cells_inside(xy, [Lasso(corners)]), np.flatnonzero(Path(corners).contains_points(xy))
        assert np.array_equal(ours, peer)
        fast = best_of(lambda c=corners: cells_inside(xy, [Lasso(c)]))
        slow = best_of(lambda c=corners: Path(c).contains_points(xy), 2)
        print(f"{words}: {len(ours):,} cells, {fast:.3f} s, matplotlib {slow:.3f} s, ratio {slow / fast:.1f}")


if __name__ == "__main__":
    main()
