"""Imported last by the process that jobs are forked from, so that no job has to load or look through this again."""

from __future__ import annotations

import gc
from contextlib import suppress

import numpy as np

from cellucid_core.compiled import compiled
from cellucid_core.export import stored_errors
from cellucid_core.export.compact import put_codes, take_upper
from cellucid_core.reading import count_into
from cellucid_core.reading.safety import walk_objects
from cellucid_core.store import gather_stats, place_rows


def load() -> None:
    """Load the compiled loops of opening and exporting for the usual types, and compile those that are missing."""
    pointers, cells, values = np.array([0, 1], np.int32), np.zeros(1, np.int32), np.ones(1, np.float32)
    codes, ends, sums = np.zeros(1, np.uint8), np.zeros(1, np.int64), np.zeros(1)
    compiled(walk_objects)(memoryview(bytes(16)).cast("q"))
    compiled(count_into)(cells, ends)
    compiled(place_rows)(pointers, cells, values, 0, ends.copy(), cells.copy(), values.copy(), sums, ends)
    compiled(take_upper)(pointers, cells, values, np.zeros(1, np.uint32), np.zeros(1, np.uint32), ends)
    compiled(put_codes)(sums, None, 0.0, 1.0, 254, 255, codes)
    for array in (cells, values):
        array.setflags(write=False)  # as the arrays of a store are
    compiled(gather_stats)(values, pointers.astype(np.int64), ends, sums, sums.copy(), sums.copy(), sums.copy())
    compiled(put_codes)(values, cells, 0.0, 1.0, 254, 255, codes)
    compiled(stored_errors)(codes, cells, values, 0.0, 1.0, 254, 255, 0)


with suppress(Exception):  # the job that needs it will report the error
    load()
# What is loaded is frozen: otherwise each job's garbage collector would go through it, which takes a tenth of a second
# and copies the memory that all jobs share.
gc.collect()
gc.freeze()
