"""One reader per format, in a registry: a new format is a new entry, not a new branch."""

from __future__ import annotations

from collections.abc import Callable

from cellucid_core.reading.contents import Contents
from cellucid_core.reading.formats.h5ad import read_h5ad
from cellucid_core.reading.formats.h5mu import read_h5mu
from cellucid_core.reading.formats.loom import read_loom
from cellucid_core.reading.formats.matrix_market import require_text
from cellucid_core.reading.formats.prepared_export import read_prepared_export
from cellucid_core.reading.formats.table import read_table
from cellucid_core.reading.formats.tenx_h5 import read_tenx_h5
from cellucid_core.reading.formats.tenx_matrix import read_tenx_matrix
from cellucid_core.reading.formats.text_table import is_gzip, open_unpacked, pieces, read_layout
from cellucid_core.reading.formats.workbook import read_workbook
from cellucid_core.reading.formats.zarr_store import read_zarr
from cellucid_core.reading.kinds import FileKind
from cellucid_core.reading.source import Source

#: Format → reader. A reader may raise anything; `open_dataset` turns it into an `InputError`.
READERS: dict[FileKind, Callable[[Source], Contents]] = {
    "h5ad": read_h5ad,
    "zarr": read_zarr,
    "h5mu": read_h5mu,
    "10x h5": read_tenx_h5,
    "10x matrix folder": read_tenx_matrix,
    "loom": read_loom,
    "table": read_table,
    "workbook": read_workbook,
    "prepared export": read_prepared_export,
}

__all__ = ["READERS", "is_gzip", "open_unpacked", "pieces", "read_layout", "require_text"]
