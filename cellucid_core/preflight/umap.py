"""UMAP as scanpy calls it, with progress; for many cells 2D and 3D are computed in two processes at the same time."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import numpy as np
from scipy import sparse

from cellucid_core.cache import scratch_folder
from cellucid_core.errors import CellucidError

#: UMAP's ``init`` where the latent space has fewer dimensions than the layout.
RANDOM = "random"
_GRAPH, _LATENT, _FOUND = "graph.npz", "latent.npy", "found.npy"


@cache
def keep_compiled() -> None:
    """Have numba keep on disk what it compiles of UMAP, which otherwise takes four seconds in every process."""
    from umap import layouts as layouts_
    from umap import umap_

    for module in (umap_, layouts_):
        for loop in vars(module).values():
            if hasattr(loop, "enable_caching") and loop.__module__ == module.__name__:
                with suppress(RuntimeError):  # no folder to keep it in
                    loop.enable_caching()


def layouts(
    graph: sparse.csr_matrix, latent: np.ndarray, many: bool, report: Callable[[float], None]
) -> dict[int, np.ndarray]:
    """Return the layouts in two and three dimensions.

    Parameters
    ----------
    graph
        Connectivities, (n_cells, n_cells).
    latent
        The space in which the neighbours were found, (n_cells, k).
    many
        Whether a layout starts from the first dimensions of `latent` instead of the spectrum of the graph, which takes
        hours for a million cells, and 3D is computed in another process, since a layout uses one processor.
    report
        Called with the share that is done, 0 … 1; it may raise to cancel.

    Returns
    -------
    dict
        Dimension → (n_cells, dimension) float32.

    Raises
    ------
    CellucidError
        If the other process ends without a result.
    """
    if not many:
        flat = umap_layout(graph, latent, 2, False, lambda share: report(share / 2))
        return {2: flat, 3: umap_layout(graph, latent, 3, False, lambda share: report(0.5 + share / 2))}
    with _elsewhere(graph, latent, 3) as wait:
        flat = umap_layout(graph, latent, 2, True, lambda share: report(0.8 * share))
        return {2: flat, 3: wait()}


def umap_layout(
    graph: sparse.csr_matrix, latent: np.ndarray, dimension: int, many: bool, report: Callable[[float], None]
) -> np.ndarray:
    """Return the layout that ``scanpy.tl.umap`` computes with its defaults and seed 0, float32; see `layouts`."""
    from umap.umap_ import find_ab_params, simplicial_set_embedding

    keep_compiled()
    init: str | np.ndarray = RANDOM if many else "spectral"
    if many and latent.shape[1] >= dimension:
        init = latent[:, :dimension].astype(np.float32)
    a, b = find_ab_params(1.0, 0.5)
    found, _ = simplicial_set_embedding(
        data=latent,
        graph=graph.tocoo(),
        n_components=dimension,
        initial_alpha=1.0,
        a=a,
        b=b,
        gamma=1.0,
        negative_sample_rate=5,
        n_epochs=500 if graph.shape[0] <= 10_000 else 200,
        init=init,
        random_state=np.random.RandomState(0),
        metric="euclidean",
        metric_kwds={},
        densmap=False,
        densmap_kwds={},
        output_dens=False,
        tqdm_kwds={"disable": False, "file": _Listener(report), "mininterval": 0.5, "ncols": 60},
    )
    return np.asarray(found, np.float32)


class _Listener:
    """The file to which tqdm writes its bars; reads the progress from them."""

    def __init__(self, report: Callable[[float], None]) -> None:
        self._report = report

    def write(self, text: str) -> None:
        if found := re.search(r"(\d+)/(\d+)", text):
            self._report(int(found[1]) / int(found[2]))

    def flush(self) -> None:
        pass


@contextmanager
def _elsewhere(graph: sparse.csr_matrix, latent: np.ndarray, dimension: int) -> Iterator[Callable[[], np.ndarray]]:
    """Compute a layout in another process, which ends with the block; yield a function that waits for the result."""
    with scratch_folder() as folder:
        sparse.save_npz(folder / _GRAPH, graph.tocsr(), compressed=False)
        np.save(folder / _LATENT, latent)
        paths = os.pathsep.join(path for path in sys.path if path)
        # Not `multiprocessing`: a job runs in a daemonic process, which may have no children of that kind.
        child = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", __name__, str(folder), str(dimension)],
            env={**os.environ, "PYTHONPATH": paths},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

        def wait() -> np.ndarray:
            if child.wait() != 0:
                raise CellucidError(
                    f"The {dimension}D UMAP was stopped.",
                    "There may be too little memory: try again, or on a larger machine.",
                )
            found: np.ndarray = np.load(folder / _FOUND)
            return found

        try:
            yield wait
        finally:
            child.kill()
            child.wait()


if __name__ == "__main__":
    place, wanted = Path(sys.argv[1]), int(sys.argv[2])
    made = umap_layout(sparse.load_npz(place / _GRAPH), np.load(place / _LATENT), wanted, True, lambda share: None)
    np.save(place / _FOUND, made)
