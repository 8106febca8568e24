"""The demo: 700 human PBMCs (a reduced 10x PBMC 68k data set) that ship inside scanpy, so nothing is downloaded."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from cellucid_core.atomic import complete_or_absent
from cellucid_core.cache import home_folder
from cellucid_core.errors import InputError
from cellucid_core.hdf5_file import Hdf5Writing, put_anndata

#: Increased when the demo's content changes, so that older copies in the cache are not used.
_VERSION = 1
_UMAP_3D = Path(__file__).with_name("demo_umap_3d.npy")


def demo_file() -> Path:
    """Return the demo as an ``.h5ad`` file in the cache folder, written on first use (see `write_demo`)."""
    folder = home_folder("demo", f"v{_VERSION}")
    path = folder / "pbmc68k_reduced.h5ad"
    if not path.exists():
        write_demo(path)
    return path


def write_demo(path: str | Path) -> Path:
    """Write the demo dataset.

    ``scanpy.datasets.pbmc68k_reduced()`` with the log-normalized values of ``raw`` as X, the scaled matrix as the layer
    ``scaled``, and beside the published 2D UMAP a 3D one (`compute_umap_3d`; its result is kept next to this module,
    because compiling UMAP takes half a minute on a fresh machine).

    Parameters
    ----------
    path
        Target ``.h5ad`` file; complete or absent afterwards.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    import anndata

    path = Path(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source = _source()
        adata = anndata.AnnData(
            X=source.raw.X.copy(),
            obs=source.obs.copy(),
            var=source.var.copy(),
            layers={"scaled": np.asarray(source.X, dtype=np.float32)},
            obsm={
                "X_pca": np.asarray(source.obsm["X_pca"]),
                "X_umap": np.asarray(source.obsm["X_umap"], dtype=np.float32),
                "X_umap_3d": np.load(_UMAP_3D),
            },
            obsp={"connectivities": source.obsp["connectivities"].copy()},
        )
        adata.obs.index.name = "cell"
        adata.var.index.name = "gene"
        adata.uns["title"] = "PBMC 68k, reduced"
        try:
            with complete_or_absent(path) as draft, Hdf5Writing(draft, "w") as writing:
                put_anndata(adata, writing.file)
        except OSError as error:
            raise InputError(
                f"The demo could not be written ({error.strerror or error}).",
                "Free some disk space, or point CELLUCID_HOME to a larger disk.",
            ) from error
    return path


def compute_umap_3d() -> np.ndarray:
    """Return the 3D UMAP of the demo as scanpy computes it from the neighbour graph in the file (seed 0).

    Returns
    -------
    numpy.ndarray
        (700, 3) float32.
    """
    import scanpy as sc

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adata = sc.tl.umap(_source(), n_components=3, random_state=0, copy=True)
    return np.asarray(adata.obsm["X_umap"], dtype=np.float32)


def _source() -> Any:
    """Return ``scanpy.datasets.pbmc68k_reduced()`` from the file it reads: the import of scanpy takes seconds."""
    import anndata

    scanpy = find_spec("scanpy")
    assert scanpy is not None
    assert scanpy.origin is not None
    return anndata.read_h5ad(Path(scanpy.origin).with_name("datasets") / "10x_pbmc68k_reduced.h5ad")
