"""Kill workers of a cluster at random moments of opening, scoring and exporting, and compare every byte.

Run on demand, not by the test suite::

    python tests/load/kill_workers.py FOLDER [--times 10] [--seed N]

FOLDER gets the samples. Undisturbed on this machine first; then each time on a cluster of two workers with an empty
home, of which one is killed at a random moment of the work and started again.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))


def work(folder: Path, parts: list[Path], home: Path, address: str = "") -> tuple[bytes, ...]:
    """Score and export on the command line; return what was written."""
    environment = {**os.environ, "CELLUCID_HOME": str(home), "SOURCE_DATE_EPOCH": "1700000000", "PYTHONPATH": str(ROOT)}
    more = ["--force", *(["--cluster", address] if address else [])]
    files = [folder / "scores.csv", folder / "out.zip"]
    genes = ",".join(f"GENE{i * 7}" for i in range(50))
    commands = [
        ["score", *parts, "--genes", genes, "--method", "ucell", "--out", files[0]],
        ["export", *parts, "--genes", genes, "--out", files[1]],
    ]
    for command in commands:
        program = [sys.executable, "-m", "cellucid_core", *map(str, command), *more]
        subprocess.run(program, env=environment, check=True, stdout=subprocess.DEVNULL)
    return tuple(file.read_bytes() for file in files)


def main() -> int:
    """Kill, compare, say."""
    from tests.benchmarks.bench_samples import make_samples
    from tests.running.clusters import cluster

    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", type=Path)
    options.add_argument("--times", type=int, default=10)
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    chance, folder = random.Random(given.seed), given.folder
    make_samples(folder / "parts", 6, 30_000, 400)
    parts = sorted((folder / "parts").glob("*.h5ad"))
    home = folder / "home"
    shutil.rmtree(home, ignore_errors=True)
    began = time.monotonic()
    expected = work(folder, parts, home)
    usual, same = time.monotonic() - began, 0
    for number in range(given.times):
        shutil.rmtree(home, ignore_errors=True)
        shutil.rmtree(folder / "cluster", ignore_errors=True)
        moment, over = chance.uniform(0, 1.5 * usual), threading.Event()
        with cluster(folder / "cluster", workers=2) as running:

            def kill(moment: float = moment, over: threading.Event = over, running: object = running) -> None:
                if not over.wait(moment):
                    running.workers[-1].kill()  # type: ignore[attr-defined]
                    running.add_worker()  # type: ignore[attr-defined]

            killer = threading.Thread(target=kill)
            killer.start()
            found = work(folder, parts, home, running.address)
            over.set()
            killer.join()
        same += found == expected
        print(f"{number + 1}: killed after {moment:.1f} s, {'same bytes' if found == expected else 'OTHER BYTES'}")
    print(f"{same} of {given.times} with the same bytes")
    return 0 if same == given.times else 1


if __name__ == "__main__":
    sys.exit(main())
