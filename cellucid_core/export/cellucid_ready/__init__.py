"""Write a *Cellucid-ready AnnData*: an ordinary ``.h5ad`` or ``.zarr.zip`` laid out for today's Cellucid viewer.

The viewer reads the file itself, with range requests, so the matrix is gene-major and every array is cut into chunks
that a browser inflates. `elements` collects the contents (`columns`, `keys`, `record`, `outliers`, `expression`),
`layout` says how an array is cut and compressed, `nodes` lists the groups and arrays of the file, `hdf5` and `zarr_zip`
write them. `check` reads a file back, `decoding` reads parts of one to show them, `foresee` estimates one.
"""

from __future__ import annotations

from cellucid_core.export.cellucid_ready.check import check_ready, is_ready
from cellucid_core.export.cellucid_ready.decoding import ReadyExport
from cellucid_core.export.cellucid_ready.foresee import plan_ready
from cellucid_core.export.cellucid_ready.write import check_target, write_ready

__all__ = ["ReadyExport", "check_ready", "check_target", "is_ready", "plan_ready", "write_ready"]
