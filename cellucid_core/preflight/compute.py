"""Compute what is missing (PCA, UMAP) with scanpy, from the gene-major store.

Only the highly variable genes are read into memory. Results are kept on disk (`derived`) under a hash of all that they
depend on, so undoing another fix, or opening the file again, does not compute them twice.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
from scipy import sparse

from cellucid_core.dataset import LINEAR, NO_LOGS, Derived, Expression, LogRule, View, derived
from cellucid_core.errors import InputError
from cellucid_core.preflight.finding import Scope
from cellucid_core.preflight.umap import RANDOM, keep_compiled, layouts
from cellucid_core.ranking import highly_variable
from cellucid_core.reading.safety import require_memory

#: Most cells of which an embedding is computed; a million take a quarter of an hour.
MAX_CELLS = 2_000_000
#: Up to so many cells neighbours are found by measuring all distances, and UMAP begins from the spectrum of the graph.
EXACT_CELLS = 200_000
#: Bytes of memory that a cell takes while its neighbours and its coordinates are computed.
_CELL_BYTES = 2_500.0
#: Highly variable genes that a PCA is computed from, and the total to which cells are normalized before.
N_HVG = 2000
TARGET_SUM = 1e4
#: The transformer with which `scanpy.pp.neighbors` measures all distances. For many cells its default is pynndescent,
#: which is compiled again in each process for most of a minute, and whose sparse arrays (since 0.7) scanpy 1.12 cannot
#: read.
_SEARCH = "sklearn"
_PROGRAMS = ("scanpy", "umap-learn", "numpy")


def compute_pca(view: View, scope: Scope) -> Derived:
    """Return a PCA of the highly variable genes (scanpy's defaults, up to 50 components, seed 0).

    Parameters
    ----------
    view
        What to compute from.
    scope
        Its `progress` is called meanwhile; with its `ready_only` nothing is computed.

    Returns
    -------
    Derived
        obsm arrays with a row for each cell of the source, float32 (NaN for cells that were left out); in words, a
        sentence on what was done, and the scanpy lines that do the same.

    Raises
    ------
    InputError
        If there is no expression, too little of it, nothing that varies, too little memory, or more than `MAX_CELLS`
        cells.
    NotComputed
        With ``scope.ready_only``, if it was not computed before.
    """
    _require_size(view)
    return _kept(view, scope, "The PCA", ["pca"], lambda: _pca(view, scope))


def compute_umap(view: View, scope: Scope) -> Derived:
    """Return a 2D and a 3D UMAP from the latent space, or from a new PCA where there is none.

    Parameters, returns and raises are as for `compute_pca`; a new PCA is among the arrays. Also raises an `InputError`
    if the latent space is not finite.
    """
    _require_size(view)
    key = view.mapping.latent
    if key is None:
        from_pca = compute_pca(view, scope)
        latent, use_rep, begin = from_pca.arrays["X_pca"][view.cell_index], "X_pca", from_pca
    else:
        latent, use_rep = view.latent(), key
        begin = Derived({}, (f"From {key}", "import scanpy as sc"))
    if not np.isfinite(latent).all():
        raise InputError("The latent space is not finite.", "Fix latent-not-finite first.")
    depends = ["umap", use_rep, np.ascontiguousarray(latent, np.float32)]
    if graphics_processor():
        depends.append(f"rapids-singlecell {version('rapids-singlecell')}")
    elif view.n_cells > EXACT_CELLS:
        depends.append(f"faiss {version('faiss-cpu')}")
    made = _kept(view, scope, "The UMAP", depends, lambda: _umap(view, latent, use_rep, scope), expression=False)
    scope.say("Done", 1.0)
    sentence, code = begin.words
    return Derived({**begin.arrays, **made.arrays}, (f"{sentence}: {made.words[0]}", f"{code}\n{made.words[1]}"))


def _kept(
    view: View, scope: Scope, what: str, depends: list[Any], make: Callable[[], Derived], *, expression: bool = True
) -> Derived:
    key = view.key_of(*depends, *map(version, _PROGRAMS), expression=expression)
    waiting = partial(scope.say, f"{what} is already being computed; waiting for it", 0.0)
    return derived(key, what, make, ready_only=scope.ready_only, waiting=waiting)


def _pca(view: View, scope: Scope) -> Derived:
    import scanpy as sc

    adata, sentence, code = _prepared(view, scope)
    components = min(50, adata.n_vars - 1, adata.n_obs - 1)
    scope.say("Computing the PCA", 0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sc.pp.pca(adata, n_comps=components, random_state=0)
    code += f"\nsc.pp.pca(adata, n_comps={components}, random_state=0)"
    made = {"X_pca": _to_source(view, adata.obsm["X_pca"])}
    return Derived(made, (f"{sentence}, PCA ({components} components)", code))


def _umap(view: View, latent: np.ndarray, use_rep: str, scope: Scope) -> Derived:
    from anndata import AnnData

    few = view.n_cells <= EXACT_CELLS
    if not few:
        require_memory(view.n_cells * _CELL_BYTES, "An embedding of so many cells")
    # Shares at which neighbours and layouts begin: with many cells, neighbours take more of the time.
    shares = (0.3, 0.5) if few else (0.1, 0.3)
    adata = AnnData(obsm={use_rep: np.asarray(latent, dtype=np.float32)}, shape=(view.n_cells, 0))
    made: dict[str, np.ndarray] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if graphics_processor():
            import rapids_singlecell as programs
        else:
            import scanpy as programs

            keep_compiled()
        neighbours = min(15, max(2, view.n_cells - 1))
        how: dict[str, Any] = {"n_neighbors": neighbours, "use_rep": use_rep, "random_state": 0}
        words = "".join(f", {name}={value!r}" for name, value in how.items())
        lines = []
        scope.say("Finding neighbours", shares[0])
        if programs.__name__ != "scanpy":
            lines.append("import rapids_singlecell as sc")
        elif few:
            how["transformer"] = _SEARCH
            words += f", transformer={_SEARCH!r}"
        else:
            from cellucid_core.preflight.nearest_cells import NearestCells

            how["transformer"] = NearestCells(neighbours, partial(_within, scope, "Finding neighbours", *shares))
            words += f", transformer=NearestCells({neighbours})"
            lines.append("from cellucid_core.preflight.nearest_cells import NearestCells")
        programs.pp.neighbors(adata, **how)
        lines.append(f"sc.pp.neighbors(adata{words})")
        if programs.__name__ != "scanpy":
            for dimension in (2, 3):
                scope.say(f"Computing the {dimension}D UMAP", shares[1])
                found = programs.tl.umap(adata, n_components=dimension, random_state=0, copy=True)
                made[f"X_umap_{dimension}d"] = _to_source(view, found.obsm["X_umap"])
        else:
            say = partial(_within, scope, "Computing UMAP in 2D and 3D", shares[1], 1.0)
            say(0.0)
            for dimension, found in layouts(adata.obsp["connectivities"], adata.obsm[use_rep], not few, say).items():
                made[f"X_umap_{dimension}d"] = _to_source(view, found)
    begin_from = ""
    if not few and programs.__name__ == "scanpy":
        first = f"adata.obsm[{use_rep!r}][:, :d]"
        begin_from = (
            f", init_pos={first if latent.shape[1] > 2 else f'{first} if d == {latent.shape[1]} else {RANDOM!r}'}"
        )
    lines += [
        "for d in (2, 3):",
        f"    found = sc.tl.umap(adata, n_components=d, random_state=0{begin_from}, copy=True)",
        "    adata.obsm[f'X_umap_{d}d'] = found.obsm['X_umap']",
    ]
    near = "neighbours" if few else "approximate neighbours"
    return Derived(made, (f"{near} and UMAP computed in 2D and 3D", "\n".join(lines)))


def _within(scope: Scope, what: str, begin: float, end: float, share: float) -> None:
    scope.say(what, begin + share * (end - begin))


def graphics_processor() -> bool:
    """Tell whether a CUDA device can compute neighbours and UMAP: with rapids-singlecell and cupy installed."""
    if importlib.util.find_spec("rapids_singlecell") is None or importlib.util.find_spec("cupy") is None:
        return False
    import cupy

    try:
        return bool(cupy.cuda.runtime.getDeviceCount())
    except Exception:  # a library that finds no driver raises its own types
        return False


def _prepared(view: View, scope: Scope) -> tuple[Any, str, str]:
    """Return the highly variable genes as an AnnData of logged values, a sentence on it, and the lines that do it."""
    import scanpy as sc
    from anndata import AnnData

    expression, name = view.expression, view.mapping.matrix
    if expression is None or name is None:
        raise InputError("There is no expression matrix to compute from.", "Compute the embedding in your pipeline.")
    if view.n_cells < 5 or expression.n_genes < 5:
        raise InputError(
            f"{view.n_cells} cells and {expression.n_genes} genes are too few to compute an embedding.",
            "Provide at least 5 cells and 5 genes.",
        )
    done, code, factor = [], ["import scanpy as sc"], None
    if not _varies(expression):
        raise InputError(
            "No embedding can be computed from a matrix whose genes are the same in every cell, all zeros for example.",
            "Choose another matrix, or check what wrote this one.",
        )
    scale = view.dataset.scale(name)
    if scale.kind in LINEAR:
        total = expression.cell_total
        with np.errstate(divide="ignore"):
            factor = np.where(total > 0, TARGET_SUM / total, 0.0)
        done.append("normalized and logged")
        code += ["sc.pp.normalize_total(adata, target_sum=1e4)", "sc.pp.log1p(adata)"]
    genes = np.arange(expression.n_genes)
    if expression.n_genes > N_HVG:
        scope.say("Finding highly variable genes", 0.02)
        if scale.kind in NO_LOGS:  # dispersions of such values mean nothing
            mean = expression.stats.mean(view.n_cells)
            variance = np.nan_to_num(expression.stats.square_total / view.n_cells - mean**2)
            genes = np.sort(np.argsort(-variance, kind="stable")[:N_HVG])
            done.append(f"the {N_HVG:,} genes of largest variance")
            code += ["import numpy as np", f"adata = adata[:, np.argsort(-adata.X.var(axis=0))[:{N_HVG}]].copy()"]
        else:
            genes, _ = highly_variable(expression, N_HVG, rule=LogRule(scale, factor))
            done.append(f"{len(genes):,} highly variable genes")
            if scale.base in ("2", "10"):
                code += [f'adata.uns["log1p"] = {{"base": {scale.base}}}']
            code += [f"sc.pp.highly_variable_genes(adata, n_top_genes={N_HVG})"]
    _require_room(expression, genes)
    scope.say("Reading genes", 0.05)
    adata = AnnData(_some_genes(expression, genes, factor))
    if factor is not None:
        sc.pp.log1p(adata)
    return adata, "Computed with scanpy: " + (", ".join(done) or "all genes"), "\n".join(code)


def _require_room(expression: Expression, genes: np.ndarray) -> None:
    """Refuse genes that do not fit into memory; they are there in several copies while they are arranged and logged."""
    if expression.is_sparse:
        size = 24.0 * float(expression.stats.n_nonzero[genes].sum())
    else:
        size = 12.0 * expression.n_cells * len(genes)
    require_memory(size, f"A PCA of {len(genes):,} genes in {expression.n_cells:,} cells")


def _varies(expression: Expression) -> bool:
    stats = expression.stats
    return bool((stats.maximum > stats.minimum).any())


def _some_genes(expression: Expression, genes: np.ndarray, factor: np.ndarray | None) -> Any:
    """Return some genes in all cells, (n_cells, n_genes) float32, sparse or dense as the store; NaN and Inf are 0."""
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
