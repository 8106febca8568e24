"""The rule that checks whether cells and genes were swapped, and its fix, which transposes the dataset."""

from __future__ import annotations

from dataclasses import replace

from cellucid_core.dataset import AppliedFix, Mapping, Turn, View, default_mapping
from cellucid_core.genes import look_like_barcodes, look_like_genes, sampled, share_of_genes
from cellucid_core.names import listed
from cellucid_core.preflight.finding import Finding, Scope, examples


def expression_orientation(view: View, scope: Scope) -> Finding | None:
    """A matrix of genes × cells: its shape fits the tables only transposed, or the names look swapped."""
    how = swapped(view)
    if how is None:
        return None
    name = view.mapping.matrix
    rows, columns = view.dataset.matrices[str(name)].shape
    if how == "matrix":
        return Finding(
            "expression-orientation",
            "error",
            "The matrix has genes as rows",
            f"{name} is {rows:,} × {columns:,}, and the tables have {view.dataset.n_cells:,} cells and "
            f"{len(view.dataset.variables[str(name)]):,} genes: it fits only transposed. As it is, every gene would "
            "show other genes' values.",
            count=rows,
            fix="Transpose the matrix",
        )
    cells, genes = view.dataset.obs.index, view.dataset.variables[str(name)].index
    return Finding(
        "expression-orientation",
        "error",
        "Cells and genes look swapped",
        f"The {rows:,} rows, which should be cells, are named like genes or plain numbers ({listed(list(cells[:3]))}), "
        f"and the {columns:,} columns like cells ({listed(list(genes[:3]))}). The viewer would draw every gene as a "
        "point.",
        count=rows,
        examples=examples(cells),
        fix="Transpose: rows become genes, columns become cells",
    )


def fix_expression_orientation(view: View, scope: Scope) -> Mapping:
    """Transpose the dataset; choices that still apply stay, the others become the defaults."""
    how = swapped(view) or "all"
    if how == "matrix":
        fix = AppliedFix("expression-orientation", f"{view.mapping.matrix} transposed", "adata.X = adata.X.T")
        return view.mapping.with_fix(fix, turn=how)
    turned = view.dataset.turned(how)
    fresh, old = default_mapping(turned), view.mapping
    sentence = f"Transposed: {turned.n_cells:,} cells × {view.dataset.n_cells:,} genes"
    keys = tuple(key for key in old.obs_keys if key in turned.obs.columns)
    return replace(
        fresh,
        matrix=old.matrix if old.matrix in turned.matrices else fresh.matrix,
        obs_keys=keys if keys else fresh.obs_keys,
        turn=how,
        fixes=(
            *(fix for fix in old.fixes if fix.overruled),
            AppliedFix("expression-orientation", sentence, "adata = adata.T.copy()"),
        ),
    )


def swapped(view: View) -> Turn | None:
    """Return how the dataset must be turned; None if it need not be, is turned already, or the rule was overruled.

    Names decide only if one axis is named like the other should be and the other is not: rows like genes and columns
    not, or columns like cell barcodes and rows not. So pseudobulks of perturbed genes, and guides named by their
    sequence, are no swap.
    """
    name = view.mapping.matrix
    if name is None or "expression-orientation" in view.mapping.overruled or view.mapping.turn:
        return None
    if view.dataset.fits_only_turned(name):
        return "matrix"
    if view.dataset.matrices[name].shape != (view.dataset.n_cells, len(view.dataset.variables[name])):
        return None
    rows, columns = sampled(view.dataset.obs.index), sampled(view.dataset.variables[name].index)
    # Only some symbols of other animals are known, so columns are no genes only if few are known in any letter case.
    genes_as_rows = (
        len(rows) >= 3
        and look_like_genes(rows)
        and not look_like_genes(columns)
        and share_of_genes(columns, any_case=True) < 0.25
    )
    cells_as_columns = look_like_barcodes(columns) and not look_like_barcodes(rows)
    return "all" if genes_as_rows or cells_as_columns else None
