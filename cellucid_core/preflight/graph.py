"""Rules about the neighbour graph."""

from __future__ import annotations

from cellucid_core.dataset import AppliedFix, Mapping, View
from cellucid_core.preflight.finding import Finding, Scope


def connectivity_shape(view: View, scope: Scope) -> Finding | None:
    """The graph is not n_cells × n_cells."""
    key = view.mapping.connectivities
    if key is None:
        return None
    shape, n = view.dataset.graphs[key].shape, view.dataset.n_cells
    if shape == (n, n):
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
    fix = AppliedFix("connectivity-shape", f"Neighbour graph {key} left out: wrong shape", f"del adata.obsp[{key!r}]")
    return view.mapping.with_fix(fix, connectivities=None)
