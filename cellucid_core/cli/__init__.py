"""The command line: the same core as the pages, for pipelines and checks.

Exit status: 0 done; 1 the work says no (preflight errors, a failed verification); 2 bad arguments or an input that
cannot be opened. Messages go to stderr; with ``--json`` exactly one JSON object goes to stdout, also when it failed.
"""

from __future__ import annotations

from cellucid_core.cli.running import main

__all__ = ["main"]
