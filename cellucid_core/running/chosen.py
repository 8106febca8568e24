"""Choose the executor that the configuration names."""

from __future__ import annotations

from cellucid_core.configuration import read_configuration
from cellucid_core.running.executor import Executor, Local


def executor(at_once: int = 2) -> Executor:
    """Return the cluster that ``CELLUCID_CLUSTER`` names, else threads of this process.

    Parameters
    ----------
    at_once
        Number of threads; not used for a cluster.

    Raises
    ------
    InputError
        As `cluster.connected`.
    """
    address = read_configuration().cluster
    if not address:
        return Local(at_once)
    from cellucid_core.running.cluster import connected

    return connected(address)


def on_cluster() -> bool:
    """Tell whether the configuration names a cluster."""
    return bool(read_configuration().cluster)
