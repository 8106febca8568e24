"""``python -m cellucid_core``: the command line."""

from __future__ import annotations

import sys

from cellucid_core.cli import main

sys.exit(main())
