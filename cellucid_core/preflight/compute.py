"""Compute what is missing (PCA, UMAP) with scanpy, from the gene-major store."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from scipy import sparse

from cellucid_core.dataset import View
from cellucid_core.dataset.scale import scale_of
from cellucid_core.errors import InputError

#: Cells that are computed at a time; above that the neighbour graph alone takes many minutes.
MAX_CELLS = 200_000
N_HVG = 2000
Made = tuple[dict[str, np.ndarray], str, str]


def compute_pca(view: View) -> Made:
    """Return a PCA of the highly variable genes (scanpy's defaults, 50 components, seed 0).

    Returns
    -------
    tuple
        obsm arrays with the rows of the source (NaN for cells that were left out), a sentence on what was done, and the
        scanpy lines that do the same.

    Raises
    ------
    InputError
        If there is no expression, too little of it, or more than `MAX_CELLS` cells.
    """
    import scanpy as sc

    adata, sentence, code = _prepared(view)
    components = min(50, adata.n_vars - 1, adata.n_obs - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sc.pp.pca(adata, n_comps=components, random_state=0)
    code += f"\nsc.pp.pca(adata, n_comps={components}, random_state=0)"
    made = {"X_pca": _to_source(view, adata.obsm["X_pca"])}
    return made, f"{sentence}, PCA ({components} components)", code


def compute_umap(view: View) -> Made:
    """Return a 2D and a 3D UMAP from the latent space, or from a new PCA where there is none.

    Returns and raises as `compute_pca`.
    """
    import scanpy as sc
    from anndata import AnnData

    if view.mapping.latent is not None:
        made: dict[str, np.ndarray] = {}
        latent = view.latent()
        sentence, code = f"From {view.mapping.latent}", "import scanpy as sc"
        use_rep = view.mapping.latent
    else:
        made, sentence, code = compute_pca(view)
        latent, use_rep = made["X_pca"][view.cell_index], "X_pca"
    _require_size(view)
    if not np.isfinite(latent).all():
        raise InputError("The latent space is not finite.", "Mend latent-not-finite first.")
    adata = AnnData(obsm={use_rep: np.asarray(latent, dtype=np.float32)}, shape=(view.n_cells, 0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        neighbours = min(15, max(2, view.n_cells - 1))
        sc.pp.neighbors(adata, n_neighbors=neighbours, use_rep=use_rep, random_state=0)
        for dimension in (2, 3):
            sc.tl.umap(adata, n_components=dimension, random_state=0)
            made[f"X_umap_{dimension}d"] = _to_source(view, adata.obsm["X_umap"])
    code += (
        f"\nsc.pp.neighbors(adata, n_neighbors={neighbours}, use_rep={use_rep!r}, random_state=0)"
        "\nfor d in (2, 3):"
        "\n    adata.obsm[f'X_umap_{d}d'] = sc.tl.umap(adata, n_components=d, random_state=0, copy=True).obsm['X_umap']"
    )
    return made, f"{sentence}: neighbours and UMAP computed in 2D and 3D", code


def _prepared(view: View) -> tuple[Any, str, str]:
    """Return the highly variable genes as an AnnData of log values, what was done, and the lines that do it."""
    import scanpy as sc
    from anndata import AnnData

    expression = view.expression
    if expression is None:
        raise InputError("There is no expression matrix to compute from.", "Compute the embedding in your pipeline.")
    _require_size(view)
    if view.n_cells < 5 or expression.n_genes < 5:
        raise InputError(
            f"{view.n_cells} cells and {expression.n_genes} genes are too few to compute an embedding.",
            "Bring at least 5 cells and 5 genes.",
        )
    columns = [expression.gene_stored(gene) for gene in range(expression.n_genes)]
    pointers = np.concatenate([[0], np.cumsum([len(cells) for cells, _ in columns])])
    values = np.concatenate([stored for _, stored in columns]).astype(np.float32)
    cells = np.concatenate([rows for rows, _ in columns])
    values[~np.isfinite(values)] = 0
    matrix = sparse.csc_matrix((values, cells, pointers), shape=(view.n_cells, expression.n_genes)).tocsr()
    adata = AnnData(matrix)
    done, code = [], ["import scanpy as sc"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if scale_of(matrix[: min(view.n_cells, 256)]).kind in ("counts", "normalized", "TPM"):
            sc.pp.normalize_total(adata, target_sum=1e4)
            sc.pp.log1p(adata)
            done.append("normalized and logged")
            code += ["sc.pp.normalize_total(adata, target_sum=1e4)", "sc.pp.log1p(adata)"]
        if expression.n_genes > N_HVG:
            sc.pp.highly_variable_genes(adata, n_top_genes=N_HVG)
            adata = adata[:, adata.var["highly_variable"]].copy()
            done.append(f"{N_HVG:,} highly variable genes")
            code += [f"sc.pp.highly_variable_genes(adata, n_top_genes={N_HVG})"]
    return adata, "Computed with scanpy: " + (", ".join(done) or "all genes"), "\n".join(code)


def _require_size(view: View) -> None:
    if view.n_cells > MAX_CELLS:
        raise InputError(
            f"{view.n_cells:,} cells are too many to compute an embedding here (at most {MAX_CELLS:,}).",
            "Compute it in your pipeline with scanpy.tl.umap and open the file again.",
        )


def _to_source(view: View, array: np.ndarray) -> np.ndarray:
    full = np.full((view.dataset.n_cells, array.shape[1]), np.nan, dtype=np.float32)
    full[view.cell_index] = array
    return full
