"""Run one function over the parts of a dataset: in threads here, or as Dask tasks on many machines.

The function, its arguments and its result are the same in both; what comes back is joined by whoever asked. It knows
nothing of datasets.
"""

from __future__ import annotations

from cellucid_core.running.chosen import executor, on_cluster
from cellucid_core.running.executor import Executor, Local, Share

__all__ = ["Executor", "Local", "Share", "executor", "on_cluster"]
