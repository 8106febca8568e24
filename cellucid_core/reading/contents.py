"""What a reader returns: the tables in memory, the matrices still in the file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import sparse

from cellucid_core.reading.matrix import FileMatrix

#: The obs column that says which barcodes the pipeline called cells, where a file holds all barcodes.
FILTERED = "filtered_barcode"


@dataclass(frozen=True)
class Graph:
    """A cell × cell matrix that stays in the file until it is read.

    Attributes
    ----------
    key
        Its name in ``obsp``.
    shape
        As the file declares it.
    read
        Reads it from the file; raises `InputError` if that fails.
    """

    key: str
    shape: tuple[int, ...]
    read: Callable[[], sparse.csr_matrix]


@dataclass(frozen=True, eq=False, kw_only=True)
class Contents:
    """What one file holds.

    Attributes
    ----------
    content_hash
        `cache.content_hash` of the file, combined with what was chosen of it (a modality, cell metadata). Equal for
        equal data.
    obs
        One row per cell; the index holds the cell ids.
    variables
        Matrix name → gene table; one row per gene of that matrix.
    obsm
        Name → array of any shape, which preflight checks.
    graphs
        Cell × cell matrices of ``obsp``.
    matrices
        ``"X"``, ``"raw"`` and layers, as the file keeps them.
    unreadable
        Elements that could not be read → why.
    notes
        What the user should know about how the file was read, one sentence each.
    modality, modalities
        The part that was opened, and all parts, where a file holds several (RNA and ATAC; genes and antibodies).
    varm
        Name → array with a row for each gene; becomes obsm where the dataset turns out to be transposed.
    """

    content_hash: str
    obs: pd.DataFrame
    variables: dict[str, pd.DataFrame]
    obsm: dict[str, np.ndarray]
    graphs: dict[str, Graph]
    matrices: dict[str, FileMatrix]
    unreadable: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    modality: str | None = None
    modalities: tuple[str, ...] = ()
    varm: dict[str, np.ndarray] = field(default_factory=dict)
