"""A disk that takes no more: a sentence, nothing half-made, and when there is room again the same works."""

from __future__ import annotations

import os

import pytest

from tests.making import make_adata
from tests.programs import run_program

#: Files may not grow beyond a limit, which the system tells as it tells of a full disk: a write that fails.
LIMITED = """
import os, resource, signal, sys
from pathlib import Path
from cellucid_core.cache.home import home_folder
from cellucid_core.errors import CellucidError
{imports}
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
before = resource.getrlimit(resource.RLIMIT_FSIZE)
work = lambda: {work}
{prepare}
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, before[1]))
try:
    work()
    sys.exit("it did not notice")
except CellucidError as error:
    assert error.what.strip() and error.fix.strip()
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
TABLE = {
    "imports": "import anndata\nfrom cellucid_core.dataset import open_dataset",
    "prepare": "path = Path(sys.argv[1]).with_suffix('.csv')\nanndata.read_h5ad(sys.argv[1]).to_df().to_csv(path)",
    "work": "open_dataset(path)",
    "between": "assert not list(home_folder('rewritten').glob('*.h5ad'))",
}
LOOM = {
    "imports": "import anndata, h5py\nfrom cellucid_core.dataset import open_dataset",
    "prepare": "path, made = Path(sys.argv[1]).with_suffix('.loom'), anndata.read_h5ad(sys.argv[1])\n"
    "with h5py.File(path, 'w') as file:\n"
    "    file['matrix'] = made.X.toarray().T\n"
    "    file['row_attrs/Gene'], file['col_attrs/CellID'] = list(made.var_names), list(made.obs_names)\n"
    "    for name in ('layers', 'row_graphs', 'col_graphs'):\n"
    "        file.create_group(name)",
    "work": "open_dataset(path)",
    "between": "assert not list(home_folder('rewritten').glob('*.h5ad'))",
}
DEMO = {
    "imports": "from cellucid_core.dataset import open_dataset",
    "prepare": "",
    "work": "open_dataset('demo')",
    "between": "assert not list(home_folder('demo').rglob('*.h5ad'))",
}
SCORES = {
    "imports": "from cellucid_core.dataset import View, default_mapping, open_dataset\n"
    "from cellucid_core.signature import run_signature, write_h5ad",
    "prepare": "dataset = open_dataset(sys.argv[1])\n"
    "view = View(dataset, default_mapping(dataset))\n"
    "run, copy = run_signature(view, ['GENE1', 'GENE2']), home_folder() / 'copy.h5ad'",
    "work": "write_h5ad(view, run, copy)",
    "between": "assert not copy.exists()",
}
SCORES_TABLE = {**SCORES, "imports": SCORES["imports"].replace("write_h5ad", "write_parquet as write_h5ad")}
#: What the limit is; the copy of a file has room for all but its two new columns.
LIMITS = {"scores (h5ad)": "dataset.path.stat().st_size + 2_000", "scores (Parquet)": "2_000"}
CASES = {
    "store": STORE,
    "library entry": ENTRY,
    "upload": UPLOAD,
    "table": TABLE,
    "loom": LOOM,
    "demo": DEMO,
    "copy of a file": SCORES,
    "scores (h5ad)": SCORES,
    "scores (Parquet)": SCORES_TABLE,
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits of Unix")
@pytest.mark.parametrize("case", CASES)
def test_a_sentence_then_it_works_again(tmp_path, case):
    if case == "loom":
        pytest.importorskip("loompy")
    path = tmp_path / "data.h5ad"
    make_adata(600, 300).write_h5ad(path)
    code = LIMITED.format(**CASES[case], limit=LIMITS.get(case, "20_000"))
    done = run_program(code, path, CELLUCID_HOME=str(tmp_path / "home"), CELLUCID_FREE_SPACE="0")
    assert done.returncode == 0, done.stderr
    assert "works again" in done.stdout
    assert "Traceback" not in done.stderr
