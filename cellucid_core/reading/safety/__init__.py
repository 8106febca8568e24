"""Files from strangers: what they declare (sizes, links, codecs) is checked before it is read."""

from __future__ import annotations

from cellucid_core.reading.safety.hdf5 import check_hdf5, check_written
from cellucid_core.reading.safety.hdf5_heaps import check_heaps, walk_objects
from cellucid_core.reading.safety.hdf5_texts import check_texts
from cellucid_core.reading.safety.limits import declared_size, require_disk, require_memory
from cellucid_core.reading.safety.zarr import check_zarr, guarded_store

__all__ = [
    "check_hdf5",
    "check_heaps",
    "check_texts",
    "check_written",
    "check_zarr",
    "declared_size",
    "guarded_store",
    "require_disk",
    "require_memory",
    "walk_objects",
]
