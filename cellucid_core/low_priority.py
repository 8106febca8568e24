"""Imported by a process that shall yield to everything else on the machine: importing it lowers the priority.

Beside a page that computes, such a process gets a tenth of a core; alone, all of it.
"""

from __future__ import annotations

import os

if hasattr(os, "nice"):
    os.nice(10)
