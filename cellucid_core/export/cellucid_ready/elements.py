"""Everything that a file holds, taken from a view with its choices and fixes, and checked before it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from cellucid_core.dataset import default_mapping
from cellucid_core.errors import WorkRefused
from cellucid_core.export.cellucid_ready.columns import Column, stored
from cellucid_core.export.cellucid_ready.expression import Dense, Sparse, matrix
from cellucid_core.export.cellucid_ready.keys import clashes, fixed, renamed_note
from cellucid_core.export.cellucid_ready.outliers import outlier_record
from cellucid_core.export.cellucid_ready.record import MIN_POINTS, identity, launch_defaults
from cellucid_core.export.chosen_genes import some
from cellucid_core.export.settings import ExportSettings
from cellucid_core.names import unique

if TYPE_CHECKING:
    from cellucid_core.dataset import View

_LEAVE_OUT = "Rename or leave out what is in the way; preflight offers fixes."


@dataclass(frozen=True)
class Elements:
    """What a file holds; arrays of numbers may have wider types than they are written in.

    Attributes
    ----------
    cell_ids, gene_ids
        Object arrays of distinct str, (n_cells,) and (n_genes,).
    obs, var
        Columns by key, in order.
    obsm
        Key → array, (n_cells, k).
    graph
        Symmetric float32 weights, (n_cells, n_cells), without a diagonal; or None.
    uns
        ``title`` and ``cellucid``.
    matrix
        X; None without genes.
    warnings
        What was changed or left out, one sentence each.
    """

    cell_ids: np.ndarray
    gene_ids: np.ndarray
    obs: dict[str, Column]
    var: dict[str, Column]
    obsm: dict[str, np.ndarray]
    graph: sparse.csr_matrix | None
    uns: dict[str, Any]
    matrix: Sparse | Dense | None
    warnings: tuple[str, ...]


def elements(view: View, settings: ExportSettings, positions: np.ndarray) -> Elements:
    """Collect what is written.

    Parameters
    ----------
    positions
        Positions of the chosen genes in the view.

    Raises
    ------
    InputError
        If the identity cannot be used, or a chosen array or column is not there.
    WorkRefused
        If the viewer cannot show the data as they are, or two names would be one.
    """
    notes: list[str] = []
    record = identity(view, settings)
    obs, _ = _table("obs", [view.exported_name(key) for key in view.obs_keys], view.obs_keys, _obs(view), notes)
    genes = positions if view.expression is not None else positions[:0]
    var, var_keys = _var(view, genes, notes)
    arrays, keys = _obsm(view, settings, notes)
    defaults = launch_defaults(view, settings, keys, var_keys)
    if defaults:
        record["defaults"] = defaults
    if "latentKey" in defaults:
        latent = np.asarray(arrays[defaults["latentKey"]], dtype=np.float32)
        minimum = defaults.get("centroidMinPoints", MIN_POINTS)
        record["outlierQuantiles"] = outlier_record(obs, defaults["latentKey"], latent, minimum)
    graph = view.graph() if settings.graph else None
    return Elements(
        _ids(view.cell_ids, "cell", notes),
        _ids(gene_names(view), "gene", notes)[genes],
        obs,
        var,
        arrays,
        None if graph is None else _graph(graph, notes),
        {"title": record["name"], "cellucid": record},
        matrix(view, genes) if len(genes) else None,
        tuple(notes),
    )


# ---- tables --------------------------------------------------------------------------------------------------------


def _obs(view: View) -> list[pd.Series]:
    columns = [view.obs(key) for key in view.obs_keys]
    return columns if view.all_cells else [_used(column) for column in columns]


def _used(column: pd.Series) -> pd.Series:
    """Drop the categories that no row has, as anndata does for part of a table: legends would list them."""
    return column.cat.remove_unused_categories() if isinstance(column.dtype, pd.CategoricalDtype) else column


def _var(view: View, positions: np.ndarray, notes: list[str]) -> tuple[dict[str, Column], dict[str, str]]:
    table = view.var.iloc[positions] if len(positions) else pd.DataFrame()
    names = [str(column) for column in table.columns]
    columns = [table.iloc[:, at] for at in range(len(names))]
    if len(table) < view.n_genes or view.mapping.genes_kept is not None:
        columns = [_used(column) for column in columns]
    return _table("var", names, names, columns, notes)


def _table(
    what: str, names: Sequence[str], sources: Sequence[str], columns: Sequence[pd.Series], notes: list[str]
) -> tuple[dict[str, Column], dict[str, str]]:
    """Return key → column as it is stored, and name in the source → key in the file."""
    word = "cell" if what == "obs" else "gene"
    keys = [fixed(name) for name in names]
    if same := clashes(keys):
        pairs = "; ".join(" and ".join(map(repr, group[:4])) for group in same[:5])
        raise WorkRefused(f"Columns of the {word} table would share one folder on some systems: {pairs}.", _LEAVE_OUT)
    notes += renamed_note(f"Columns of the {word} table", names, keys)
    changed: dict[str, list[str]] = {"text": [], "infinite": []}
    result: dict[str, Column] = {}
    for key, column in zip(keys, columns, strict=True):
        made = stored(column)
        result[key] = made.column
        if made.changed:
            changed[made.changed].append(key)
    if changed["text"]:
        notes.append(f"Columns of the {word} table that AnnData cannot store become text: {some(changed['text'])}.")
    if changed["infinite"]:
        notes.append(f"Infinite values are missing values in {some(changed['infinite'])}.")
    return result, dict(zip(sources, keys, strict=True))


def _ids(ids: np.ndarray, what: str, notes: list[str]) -> np.ndarray:
    if n_empty := int((ids == "").sum()):
        raise WorkRefused(f"{n_empty:,} {what}s have no name.", _LEAVE_OUT)
    n_repeated = len(ids) - len(set(ids))
    if not n_repeated:
        return ids
    notes.append(f"{n_repeated:,} {what} names that occur more than once are numbered.")
    return np.array(unique(ids), dtype=object)


def gene_names(view: View) -> np.ndarray:
    """Return the row names of the gene table before they are made distinct, object (n_genes,); none without a matrix.

    Ids that a fix made (``mapping.gene_ids``) replace them. A chosen column of ids does not: the viewer takes the names
    from that column.
    """
    if view.mapping.matrix is None:
        return np.zeros(0, dtype=object)
    if view.mapping.gene_ids is not None:
        return view.gene_ids
    names: np.ndarray = view.var.index.astype(str).to_numpy(dtype=object)
    return names


# ---- arrays --------------------------------------------------------------------------------------------------------


def _obsm(view: View, settings: ExportSettings, notes: list[str]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return every array of numbers that the viewer accepts, and name in the source → key in the file.

    An array that it does not accept is refused if it was chosen, else left out with a warning.
    """
    mapping = view.mapping
    if not view.dimensions:
        raise WorkRefused("There is no embedding.", "Choose or compute one.")
    for d in view.dimensions:
        view.embedding(d)  # raises for a wrong shape
    vectors = mapping.vectors if settings.vectors else ()
    chosen = dict.fromkeys([*mapping.embeddings.values(), *([mapping.latent] if mapping.latent else []), *vectors])
    unwanted = set(default_mapping(view.dataset).vectors) - set(vectors)
    sources = dict.fromkeys([*view.dataset.obsm, *mapping.computed])
    names, arrays, odd = [], [], []
    for name in sources:
        if name in unwanted:
            continue
        array, why = _array(view, name)
        if array is None and name in chosen:
            raise WorkRefused(f"obsm[{name!r}] {why}.", "Leave those cells out, or choose another array.")
        if array is None:
            odd.append(f"{name} ({why})")
        else:
            names.append(name)
            arrays.append(array)
    if odd:
        notes.append(f"Arrays of obsm left out: {some(odd)}.")
    exported = [mapping.vectors_renamed.get(name, name) for name in names]
    keys = [fixed(name) for name in exported]
    if same := clashes(keys):
        raise WorkRefused(
            f"The obsm arrays {' and '.join(same[0])} would share one folder on some systems.", _LEAVE_OUT
        )
    notes += renamed_note("Arrays of obsm", exported, keys)
    found = dict(zip(keys, arrays, strict=True))
    lost = [key for name, key in zip(names, keys, strict=True) if name in vectors and not _is_bound(key, found)]
    if lost:
        notes.append(
            f"Today's viewer draws a vector field on the embedding X_<basis> that its name ends in, if it is as wide; "
            f"none fits {some(lost)}, so they are shown as embeddings."
        )
    return found, dict(zip(names, keys, strict=True))


def _array(view: View, name: str) -> tuple[np.ndarray | None, str]:
    """Return an array with two axes, or None and what is wrong with it."""
    source = view.mapping.computed.get(name, view.dataset.obsm.get(name))
    assert source is not None
    if source.dtype.kind not in "iuf" or source.ndim not in (1, 2):
        return None, "is not a table of numbers"
    if len(source) != view.dataset.n_cells:
        return None, f"has {len(source):,} rows"
    array = view.obsm(name)
    array = array[:, None] if array.ndim == 1 else array
    if array.shape[1] == 0:
        return None, "has no columns"
    limit = float(np.finfo(np.float32).max)
    low, high = (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)
    if not (-limit <= low and high <= limit):  # NaN is neither
        return None, "has values that are not finite"
    return array, ""


def _is_bound(key: str, arrays: dict[str, np.ndarray]) -> bool:
    """Tell whether the viewer draws a vector field: ``<field>_<basis>`` needs an ``X_<basis>`` of as many columns.

    The longest basis that is there counts.
    """
    at = key.find("_")
    while at != -1 and not key.startswith("X_"):
        basis = arrays.get(f"X_{key[at + 1 :]}")
        if at > 0 and basis is not None:
            return bool(basis.shape[1] == arrays[key].shape[1])
        at = key.find("_", at + 1)
    return False


def _graph(graph: sparse.csr_matrix, notes: list[str]) -> sparse.csr_matrix:
    """Return the graph as the viewer needs it: every edge in both directions, none from a cell to itself."""
    n_cells = graph.shape[0]
    if not graph.has_canonical_format:
        graph = graph.copy()
        graph.sum_duplicates()
    with np.errstate(over="ignore"):
        weights = graph.data.astype(np.float32)
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise WorkRefused(
            "The neighbour graph has weights that are negative or not finite.",
            "Compute it again with scanpy.pp.neighbors, or leave it out.",
        )
    made = sparse.csr_matrix((weights, graph.indices, graph.indptr), shape=graph.shape)
    diagonal = bool(made.diagonal().any())
    if diagonal or not weights.all():
        made = made.copy()
        if diagonal:
            made.setdiag(0)
            notes.append("Edges of the neighbour graph from a cell to itself are left out.")
        made.eliminate_zeros()
    turned = made.T.tocsr()
    same = np.array_equal(made.indptr, turned.indptr) and np.array_equal(made.indices, turned.indices)
    if not (same and np.array_equal(made.data, turned.data)):
        made = sparse.csr_matrix(made.maximum(turned))
        made.sort_indices()
        notes.append("Edges of the neighbour graph get the larger of the weights of their two directions.")
    assert made.shape == (n_cells, n_cells)
    return made
