"""A few of the many malformed files of ``tests/load/malformed.py``; all of them on demand."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_malformed_files_open_or_are_refused():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "tests/load/malformed.py", "--count", "44", "--seed", "1"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "refused" in done.stdout
