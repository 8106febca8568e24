"""The core of the Cellucid dashboard: open single-cell data, check it, export it, score gene signatures.

Everything the pages show is computed here, and the command line (``python -m cellucid_core``) runs the same code.
Nothing in this package imports Streamlit.
"""

from __future__ import annotations

from importlib import metadata

try:
    __version__ = metadata.version("cellucid-dashboard")
except metadata.PackageNotFoundError:  # run from a checkout, which is the usual way
    __version__ = "0.1.0"
