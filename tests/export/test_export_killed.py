"""Killed without warning, at any moment, an export is whole or it is not there."""

from __future__ import annotations

import json
import os

import pytest

from cellucid_core.export import ExportSettings, verify, write
from tests.export.standin import small_view
from tests.programs import run_program

#: One process that imports once and forks: each child exports over the target, and is killed at a random moment.
KILLER = """
import json, os, random, signal, sys, time
from cellucid_core.export import ExportSettings, verify, write
from tests.export.standin import small_view

target, kills, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
view = small_view(n_cells=3000, n_genes=40, seed=2)
settings = ExportSettings(dataset_id="new", threads=2)
random.seed(seed)

def child():
    # This process starts no thread, so that its children can.
    number = os.fork()
    if number == 0:
        write(view, settings, target, force=True)
        os._exit(0)
    return number

began = time.perf_counter()
os.waitpid(child(), 0)
took = time.perf_counter() - began
states = []
for _ in range(kills):
    number = child()
    time.sleep(random.random() * took * 1.2)
    os.kill(number, signal.SIGKILL)
    os.waitpid(number, 0)
    report = verify(target, threads=1)
    states.append([report.ok, list(report.problems)])
print(json.dumps(states))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="signals and forks of Unix")
@pytest.mark.parametrize("target", ["x.zip", "folder"])
def test_killed_twenty_times_at_random(tmp_path, target):
    place = tmp_path / "place"
    place.mkdir()
    write(small_view(), ExportSettings(dataset_id="old"), place / target)
    done = run_program(KILLER, place / target, 20, 7)
    assert done.returncode == 0, done.stderr
    states = json.loads(done.stdout)
    assert len(states) == 20
    assert all(ok for ok, _ in states), states
    # The next run works, and takes away what the last kill may have left.
    write(small_view(), ExportSettings(dataset_id="next"), place / target, force=True)
    assert verify(place / target, small_view()).ok
    assert [p.name for p in place.iterdir()] == [target]
