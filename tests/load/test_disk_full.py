"""A disk that takes no more: a sentence, nothing half-made, and when there is room again the same works."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.making import make_adata

ROOT = Path(__file__).parents[2]
#: Files may not grow beyond a limit, which the system tells as it tells of a full disk: a write that fails.
LIMITED = """
import os, resource, signal, sys
from pathlib import Path
from cellucid_core.dataset.home import home_folder
from cellucid_core.errors import CellucidError
{imports}
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
before = resource.getrlimit(resource.RLIMIT_FSIZE)
work = lambda: {work}
{prepare}
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
try:
    work()
    sys.exit("it did not notice")
except CellucidError as error:
    assert error.what.strip() and error.mend.strip()
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, before)
drafts = [path for path in home_folder().rglob("*") if path.name.startswith(".") and path.suffix != ".lock"]
assert not drafts, drafts
{between}
work()
print("works again")
"""
STORE = {
    "imports": "from cellucid_core.dataset import View, default_mapping, open_dataset",
    "prepare": "dataset = open_dataset(sys.argv[1])",
    "work": "View(dataset, default_mapping(dataset)).expression.block(range(5))",
    "between": "assert not [path for path in home_folder('stores').iterdir() if path.is_dir()]",
}
ENTRY = {
    "imports": "from cellucid_core.dataset import View, default_mapping, open_dataset\n"
    "from cellucid_core.library import BuildSettings, add_entry, build_signature, list_entries",
    "prepare": "dataset = open_dataset(sys.argv[1])\n"
    "view = View(dataset, default_mapping(dataset))\n"
    "signature = build_signature(view, ['cell_type'], BuildSettings(n_hvg=50, generations=2))",
    "work": "add_entry(signature, 'me')",
    "between": "assert not list_entries()",
}
UPLOAD = {
    "imports": "from cellucid_core.serving.incoming import Growing, begin_upload, find_upload",
    "prepare": "me, data = 'm' * 43, bytes(300_000)\n"
    "token = begin_upload('a.h5ad', len(data), me)\n"
    "def send():\n"
    "    with Growing(token, find_upload(token, me)) as growing:\n"
    "        growing.write(data)\n"
    "        return growing.commit()",
    "work": "send()",
    "between": "assert find_upload(token, me).offset == 0",
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits of Unix")
@pytest.mark.parametrize("what", [STORE, ENTRY, UPLOAD], ids=["store", "library entry", "upload"])
def test_a_sentence_then_it_works_again(tmp_path, what):
    path = tmp_path / "data.h5ad"
    make_adata(600, 300).write_h5ad(path)
    environment = {**os.environ, "CELLUCID_HOME": str(tmp_path / "home"), "CELLUCID_FREE_SPACE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", LIMITED.format(**what), str(path)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "works again" in done.stdout
    assert "Traceback" not in done.stderr
