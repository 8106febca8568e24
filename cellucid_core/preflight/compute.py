"""Compute what is missing (PCA, UMAP) with scanpy, from the gene-major store.

Only the highly variable genes are ever in memory. What was computed is kept in the working folder under a hash of
everything it depends on, so undoing another fix, or opening the file again, does not compute it twice.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from cellucid_core.dataset import Expression, View
from cellucid_core.dataset.home import home_folder
from cellucid_core.dataset.scale import LINEAR
from cellucid_core.dataset.variable_genes import highly_variable
from cellucid_core.errors import InputError
from cellucid_core.preflight.embedding import MAX_CELLS

N_HVG = 2000
TARGET_SUM = 1e4
_VERSION = 1
Made = tuple[dict[str, np.ndarray], str, str]
Say = Callable[[str, float], None]


def compute_pca(view: View, say: Say) -> Made:
    """Return a PCA of the highly variable genes (scanpy's defaults, 50 components, seed 0).

    Parameters
    ----------
    view
        What to compute from.
    say
        Called with what is being done and the share that is done; it may raise to cancel.

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
    _require_size(view)
    return _remembered(view, "pca", lambda: _pca(view, say))


def compute_umap(view: View, say: Say) -> Made:
    """Return a 2D and a 3D UMAP from the latent space, or from a new PCA where there is none.

    Parameters, returns and raises as `compute_pca`.
    """
    _require_size(view)
    return _remembered(view, "umap", lambda: _umap(view, say))


def _pca(view: View, say: Say) -> Made:
    import scanpy as sc

    adata, sentence, code = _prepared(view, say)
    components = min(50, adata.n_vars - 1, adata.n_obs - 1)
    say("Computing the PCA", 0.35)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sc.pp.pca(adata, n_comps=components, random_state=0)
    code += f"\nsc.pp.pca(adata, n_comps={components}, random_state=0)"
    made = {"X_pca": _to_source(view, adata.obsm["X_pca"])}
    return made, f"{sentence}, PCA ({components} components)", code


def _umap(view: View, say: Say) -> Made:
    import scanpy as sc
    from anndata import AnnData

    if view.mapping.latent is not None:
        made: dict[str, np.ndarray] = {}
        latent = view.latent()
        sentence, code = f"From {view.mapping.latent}", "import scanpy as sc"
        use_rep = view.mapping.latent
    else:
        made, sentence, code = _pca(view, say)
        latent, use_rep = made["X_pca"][view.cell_index], "X_pca"
    if not np.isfinite(latent).all():
        raise InputError("The latent space is not finite.", "Mend latent-not-finite first.")
    adata = AnnData(obsm={use_rep: np.asarray(latent, dtype=np.float32)}, shape=(view.n_cells, 0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        neighbours = min(15, max(2, view.n_cells - 1))
        say("Finding neighbours", 0.5)
        sc.pp.neighbors(adata, n_neighbors=neighbours, use_rep=use_rep, random_state=0)
        for dimension, share in ((2, 0.7), (3, 0.85)):
            say(f"Computing the {dimension}D UMAP", share)
            sc.tl.umap(adata, n_components=dimension, random_state=0)
            made[f"X_umap_{dimension}d"] = _to_source(view, adata.obsm["X_umap"])
    say("Done", 1.0)
    code += (
        f"\nsc.pp.neighbors(adata, n_neighbors={neighbours}, use_rep={use_rep!r}, random_state=0)"
        "\nfor d in (2, 3):"
        "\n    adata.obsm[f'X_umap_{d}d'] = sc.tl.umap(adata, n_components=d, random_state=0, copy=True).obsm['X_umap']"
    )
    return made, f"{sentence}: neighbours and UMAP computed in 2D and 3D", code


def _prepared(view: View, say: Say) -> tuple[Any, str, str]:
    """Return the highly variable genes as an AnnData of log values, what was done, and the lines that do it."""
    import scanpy as sc
    from anndata import AnnData

    expression, name = view.expression, view.mapping.matrix
    if expression is None or name is None:
        raise InputError("There is no expression matrix to compute from.", "Compute the embedding in your pipeline.")
    if view.n_cells < 5 or expression.n_genes < 5:
        raise InputError(
            f"{view.n_cells} cells and {expression.n_genes} genes are too few to compute an embedding.",
            "Bring at least 5 cells and 5 genes.",
        )
    done, code, factor = [], ["import scanpy as sc"], None
    kind = view.dataset.scale(name).kind
    if kind in LINEAR:
        total = expression.cell_total
        with np.errstate(divide="ignore"):
            factor = np.where(total > 0, TARGET_SUM / total, 0.0)
        done.append("normalized and logged")
        code += ["sc.pp.normalize_total(adata, target_sum=1e4)", "sc.pp.log1p(adata)"]
    genes = np.arange(expression.n_genes)
    if expression.n_genes > N_HVG:
        say("Finding highly variable genes", 0.05)
        if kind in ("scaled", "signed", "log-of-scaled"):  # dispersions make no sense below 0
            mean = expression.stats.mean(view.n_cells)
            variance = np.nan_to_num(expression.stats.square_total / view.n_cells - mean**2)
            genes = np.sort(np.argsort(-variance, kind="stable")[:N_HVG])
            done.append(f"the {N_HVG:,} genes of largest variance")
            code += ["import numpy as np", f"adata = adata[:, np.argsort(-adata.X.var(axis=0))[:{N_HVG}]].copy()"]
        else:
            genes, _ = highly_variable(expression, N_HVG, factor=factor)
            done.append(f"{len(genes):,} highly variable genes")
            code += [f"sc.pp.highly_variable_genes(adata, n_top_genes={N_HVG})"]
    say("Reading genes", 0.2)
    adata = AnnData(_some_genes(expression, genes, factor))
    if factor is not None:
        sc.pp.log1p(adata)
    return adata, "Computed with scanpy: " + (", ".join(done) or "all genes"), "\n".join(code)


def _some_genes(expression: Expression, genes: np.ndarray, factor: np.ndarray | None) -> Any:
    """Return some genes in all cells, float32, cells × genes: sparse, or dense where the store is; NaN and Inf as 0."""
    if not expression.is_sparse:
        block = expression.block(genes).astype(np.float32)
        block[~np.isfinite(block)] = 0
        return np.ascontiguousarray(block.T if factor is None else block.T * factor[:, None].astype(np.float32))
    columns = [expression.gene_stored(int(gene)) for gene in genes]
    pointers = np.concatenate([[0], np.cumsum([len(cells) for cells, _ in columns])])
    values = np.concatenate([stored for _, stored in columns]).astype(np.float32)
    cells = np.concatenate([rows for rows, _ in columns])
    values[~np.isfinite(values)] = 0
    if factor is not None:
        values = (values * factor[cells]).astype(np.float32)
    return sparse.csc_matrix((values, cells, pointers), shape=(expression.n_cells, len(genes))).tocsr()


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


# ---- computed once -------------------------------------------------------------------------------------------------


def _remembered(view: View, what: str, make: Callable[[], Made]) -> Made:
    path = home_folder("computed") / f"{_key(view, what)}.npz"
    try:
        with np.load(path) as kept:
            words = json.loads(str(kept["words"]))
            return {name: kept[name] for name in kept.files if name != "words"}, words[0], words[1]
    except (OSError, ValueError, KeyError):  # not there yet, or cut off
        pass
    arrays, sentence, code = make()
    handle, draft = tempfile.mkstemp(suffix=".npz", prefix=f".{path.stem}.", dir=path.parent)
    os.close(handle)
    try:
        np.savez(draft, words=np.array(json.dumps([sentence, code])), **arrays)  # type: ignore[arg-type]
        Path(draft).replace(path)
    finally:
        Path(draft).unlink(missing_ok=True)
    return arrays, sentence, code


def _key(view: View, what: str) -> str:
    """Return a hash of all that the result depends on."""
    from importlib.metadata import version

    mapping = view.mapping
    state = hashlib.sha256()
    programs = [version(name) for name in ("scanpy", "umap-learn", "numpy")]
    words = [_VERSION, what, view.dataset.content_hash, mapping.turn, mapping.matrix, mapping.latent, *programs]
    state.update(json.dumps(words).encode())
    state.update(mapping.cells_out.tobytes())
    if mapping.genes_kept is not None:
        state.update(mapping.genes_kept.tobytes())
    if mapping.latent is not None and mapping.latent in mapping.computed:
        state.update(np.ascontiguousarray(mapping.computed[mapping.latent]).tobytes())
    return state.hexdigest()[:40]
