"""Run one function over the parts of a dataset: in threads here, or as Dask tasks on many machines.

The function, its arguments and its results are the same in both cases; the caller joins the results. This package knows
nothing about datasets.
"""

from __future__ import annotations

from cellucid_core.running.chosen import executor, on_cluster
from cellucid_core.running.executor import Executor, Local, Share

__all__ = ["Executor", "Local", "Share", "executor", "on_cluster"]
