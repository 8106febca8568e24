"""Rules about the neighbour graph."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from cellucid_core.dataset import AppliedFix, Mapping, View
from cellucid_core.errors import InputError
from cellucid_core.preflight.finding import Finding, Scope, examples, plural


def connectivity_shape(view: View, scope: Scope) -> Finding | None:
    """A graph that is not n_cells × n_cells, or cannot be read."""
    key = view.mapping.connectivities
    if key is None:
        return None
    shape, n = view.dataset.graphs[key].shape, view.dataset.n_cells
    if shape == (n, n):
        try:
            view.graph()
        except InputError as error:
            return Finding(
                "connectivity-shape",
                "error",
                "The neighbour graph cannot be read",
                f"{key}: {error.what} The other parts of the file are sound.",
                count=1,
                examples=(key,),
                fix="Leave the graph out",
            )
        return None
    return Finding(
        "connectivity-shape",
        "error",
        "The neighbour graph does not fit the cells",
        f"{key} is {' × '.join(f'{size:,}' for size in shape) or 'not a matrix'}, not {n:,} × {n:,}, so its edges "
        "would join the wrong cells.",
        count=1,
        examples=(key,),
        fix="Leave the graph out",
    )


def fix_connectivity_shape(view: View, scope: Scope) -> Mapping:
    """Leave the graph out."""
    key = view.mapping.connectivities
    fix = AppliedFix(
        "connectivity-shape", f"Neighbour graph {key} left out: wrong shape or damaged", f"del adata.obsp[{key!r}]"
    )
    return view.mapping.with_fix(fix, connectivities=None)


def connectivity_values(view: View, scope: Scope) -> Finding | None:
    """NaN or negative weights, edges from a cell to itself, edges in one direction only."""
    key = view.mapping.connectivities
    if key is None or view.dataset.graphs[key].shape != (view.dataset.n_cells, view.dataset.n_cells):
        return None
    try:
        graph = view.graph()
    except InputError:  # reported by `connectivity_shape`
        return None
    if graph is None:
        return None
    row = np.repeat(np.arange(graph.shape[0]), np.diff(graph.indptr))
    present = graph.data != 0
    odd = {
        "NaN or infinite weights (taken as an edge)": ~np.isfinite(graph.data),
        "negative weights (taken as an edge)": graph.data < 0,
        "edges from a cell to itself (left out)": (row == graph.indices) & present,
        "edges in one direction only (taken as both)": _one_way(graph, row, present),
    }
    counts = {what: int(where.sum()) for what, where in odd.items() if where.any()}
    if not counts:
        return None
    first = np.flatnonzero(np.logical_or.reduce(list(odd.values())))[:10]
    pairs = [f"{view.cell_ids[row[at]]} → {view.cell_ids[graph.indices[at]]}" for at in first]
    words = [f"{n:,} {what}" for what, n in counts.items()]
    return Finding(
        "connectivity-values",
        "warning",
        f"The neighbour graph {key} has odd edges",
        f"{plural(graph.nnz, 'entry', 'entries')}, of which: {'; '.join(words)}. The viewer draws an edge as a line "
        "without weight or direction, so lines may join cells that are no neighbours.",
        count=sum(counts.values()),
        examples=examples(pairs),
    )


def _one_way(graph: sparse.csr_matrix, row: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Mark the entries whose opposite is absent, (n_entries,) bool."""
    n = graph.shape[0]
    if present.all() and graph.has_canonical_format:
        # The usual case is quick to recognise: the transpose of a symmetric graph has the same pattern.
        pattern = sparse.csr_matrix((np.ones(graph.nnz, np.int8), graph.indices, graph.indptr), shape=graph.shape)
        turned = pattern.T.tocsr()
        if np.array_equal(turned.indptr, graph.indptr) and np.array_equal(turned.indices, graph.indices):
            return np.zeros(graph.nnz, dtype=bool)
    # Sorted 64-bit keys find opposites in a fraction of the time that a difference of two matrices takes.
    forth = row.astype(np.int64) * n + graph.indices
    back = graph.indices.astype(np.int64) * n + row
    keys = np.sort(forth[present])
    if not len(keys):
        return np.zeros(len(forth), dtype=bool)
    place = np.minimum(np.searchsorted(keys, back), len(keys) - 1)
    one_way: np.ndarray = present & (keys[place] != back)
    return one_way
