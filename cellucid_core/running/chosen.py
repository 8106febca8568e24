"""Which executor the configuration names."""

from __future__ import annotations

from cellucid_core.configuration import read_configuration
from cellucid_core.running.executor import Executor, Local


def executor(at_once: int = 2) -> Executor:
    """Return what the configuration names: the cluster of ``CELLUCID_CLUSTER``, else threads here.

    Parameters
    ----------
    at_once
        Threads; on a cluster the workers decide.

    Raises
    ------
    InputError
        If the cluster cannot be reached, or its versions are not ours.
    """
    address = read_configuration().cluster
    if not address:
        return Local(at_once)
    from cellucid_core.running.cluster import connected

    return connected(address)


def on_cluster() -> bool:
    """Tell whether a cluster is named."""
    return bool(read_configuration().cluster)
