"""One reader per format, in a registry: a new format is a new entry, not a new branch."""

from __future__ import annotations

from collections.abc import Callable

from cellucid_core.dataset.formats.h5ad import read_h5ad
from cellucid_core.dataset.formats.h5mu import read_h5mu
from cellucid_core.dataset.formats.loom import read_loom
from cellucid_core.dataset.formats.prepared_export import read_prepared_export
from cellucid_core.dataset.formats.table import read_table
from cellucid_core.dataset.formats.tenx_h5 import read_tenx_h5
from cellucid_core.dataset.formats.tenx_matrix import read_tenx_matrix
from cellucid_core.dataset.formats.zarr_store import read_zarr
from cellucid_core.dataset.kinds import Kind
from cellucid_core.dataset.model import Dataset
from cellucid_core.dataset.source import Source

#: Format → reader. A reader may raise anything; `open_dataset` makes a sentence of it.
READERS: dict[Kind, Callable[[Source], Dataset]] = {
    "h5ad": read_h5ad,
    "zarr": read_zarr,
    "h5mu": read_h5mu,
    "10x h5": read_tenx_h5,
    "10x matrix folder": read_tenx_matrix,
    "loom": read_loom,
    "table": read_table,
    "prepared export": read_prepared_export,
}

__all__ = ["READERS"]
