"""The command line: the same core as the pages, for pipelines and checks.

Exit status: 0 done; 1 the work was refused or failed (preflight errors, a failed verification); 2 bad arguments, an
input that cannot be opened, or an unforeseen error; 130 interrupted. Messages go to stderr; with ``--json`` exactly one
JSON value goes to stdout, an object (a list for ``signature list``), also when the command failed.
"""

from __future__ import annotations

from cellucid_core.cli.program import main

__all__ = ["main"]
