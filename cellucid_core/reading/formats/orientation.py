"""Whether the rows of a table are cells or genes, told from the names in it."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Literal

from cellucid_core.genes import share_of_genes

Axis = Literal["cells", "genes"]

#: Most names that are looked at per axis.
SAMPLE = 2000

_BARCODE = re.compile(r"(?:^|[_:.\-#])[ACGTN]{8,}(?:[-._]\d+)?(?:[_-]\w+)?$")
_CELL_WORD = re.compile(r"^(cell|cells|barcode|barcodes|cellid|cell_?ids?|cell_?names?|obs_?names?|well)$", re.I)
_CELL_NAME = re.compile(r"^(cell|barcode|bc|well|spot)[ _.\-]?\d+", re.I)
_GENE_WORD = re.compile(
    r"^(genes?|gene_?ids?|gene_?(names?|symbols?)|symbols?|features?|ensembl\w*|var_?names?)$", re.I
)
_GENE_NAME = re.compile(
    r"^(ENS[A-Z]*G\d{11}(\.\d+)?"  # Ensembl, every species
    r"|(mt|ercc)-[A-Za-z0-9\-]+"
    r"|rp[sl]\d+[A-Za-z0-9]*"  # ribosomal proteins
    r"|gene[ _.\-]?\d+"
    r"|(actb|gapdh|malat1|b2m|cd\d+[a-z]?|ptprc|epcam|ms4a1|nkg7|lyz|gnly|fcgr3a|cst3|ppbp|hla-[a-z0-9]+|il\d+[a-z]*"
    r"|krt\d+|col\d+a\d+|s100a\d+|tmsb\d+x?|eef1a1|vim|fos|jun|xist|tubb|hbb|hba1|lst1|ftl|fth1)"
    r"|linc\d+|mir\d+\w*|loc\d+|ac\d{6}\.\d+|al\d{6}\.\d+|[0-9]{7}[a-z]\d{2}rik)$",
    re.I,
)


def rows_are(
    row_names: Sequence[str],
    column_names: Sequence[str],
    corner: str = "",
    known_cells: Collection[str] = (),
) -> Axis | None:
    """Tell what the rows of a table are.

    The decision is symmetric: the transposed table (with the same corner cell, or none) gives the other answer.

    Parameters
    ----------
    row_names, column_names
        Names of rows and of columns; up to `SAMPLE` of each are looked at.
    corner
        The cell above the row names; writers put there what the rows are ("gene", "barcode").
    known_cells
        Ids in the table of cell metadata, where the user gave one. They decide, if more of them are on one axis.

    Returns
    -------
    str or None
        None if neither the names nor the corner tell.
    """
    rows, columns = list(row_names[:SAMPLE]), list(column_names[:SAMPLE])
    if known_cells:
        difference = _share(rows, known_cells.__contains__) - _share(columns, known_cells.__contains__)
        if difference:
            return "cells" if difference > 0 else "genes"
    difference = _likeness(rows) - _likeness(columns)
    if abs(difference) > 0.02:
        return "cells" if difference > 0 else "genes"
    if _CELL_WORD.match(corner.strip()):
        return "cells"
    return "genes" if _GENE_WORD.match(corner.strip()) else None


def _likeness(names: list[str]) -> float:
    """Return how much names look like cells rather than genes, −1 … 1: the share of cell names less that of genes."""
    cells = _share(names, lambda name: bool(_BARCODE.search(name) or _CELL_NAME.match(name)))
    genes = max(share_of_genes(names), _share(names, lambda name: bool(_GENE_NAME.match(name))))
    return cells - genes


def _share(names: list[str], test: object) -> float:
    return sum(bool(test(name)) for name in names) / len(names) if names else 0.0  # type: ignore[operator]
