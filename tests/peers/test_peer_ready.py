"""Our Cellucid-ready AnnData against those of cellucid 0.9.5: every group, array, attribute, type, chunk and value.

Golden trees stand in for the peer (see make_golden_ready.py). With ``-m peer`` it runs itself
(`environments`), and its readers open what we write.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cellucid_core.dataset import View, default_mapping, open_dataset
from cellucid_core.export import ExportSettings, GeneChoice, verify, write
from tests.peers.environments import ready_peer_python
from tests.peers.ready_inputs import CASES, CELLS_OUT, COLUMNS, GENES
from tests.peers.ready_tree import tree

HERE = Path(__file__).parent
FORMATS = ("h5ad", "zarr.zip")
pytestmark = [
    pytest.mark.filterwarnings("ignore:Object at .* is not recognized"),
    pytest.mark.filterwarnings("ignore::UserWarning:zarr"),
]

READ = """
import sys
from cellucid._anndata_files import (
    browser_undecodable, classify_anndata_path, read_anndata_contents, read_cellucid_identity, read_into_memory)
for path in sys.argv[1:]:
    store = classify_anndata_path(path)
    assert browser_undecodable(store) == [], browser_undecodable(store)
    assert read_cellucid_identity(store) == ("golden", "Golden"), read_cellucid_identity(store)
    contents, adata = read_anndata_contents(store), read_into_memory(store)
    assert (contents.n_obs, contents.n_vars) == adata.shape
    assert set(contents.obsm) == set(adata.obsm) and contents.has_x == (adata.X is not None)
"""


@pytest.fixture(scope="module")
def golden():
    return json.loads(gzip.decompress((HERE / "golden" / "ready.json.gz").read_bytes()))


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """Return a function that exports a case and returns the file and its view."""
    folder = tmp_path_factory.mktemp("ready")

    def export(name, kind):
        if name == "demo":
            source = open_dataset("demo")
        else:
            path = folder / f"in-{name}.h5ad"
            if not path.exists():
                CASES[name][0]().write_h5ad(path)
            source = open_dataset(path)
        mapping, more = default_mapping(source), {}
        if name == "sparse":
            more = {
                "description": "Made by the peer.",
                "source_citation": "Somebody et al. 2026",
                "source_name": "nowhere",
                "source_url": "https://example.org/data",
            }
        elif name == "latent":
            more = {"launch": ("latent",)}
        elif name == "chosen":
            mapping = replace(
                mapping,
                cells_out=np.array(CELLS_OUT),
                obs_keys=COLUMNS,
                gene_id="symbol",
                embeddings={**mapping.embeddings, 2: "X_tsne"},
            )
            # Genes are asked for by the names that the viewer shows, here of the column; G0 is the first of two.
            names = tuple(f"SYM{int(gene[1:]) // 2}" for gene in GENES)
            more = {"genes": GeneChoice("list", ids=names), "launch": ("latent",), "centroid_min_points": 7}
        view = View(source, mapping)
        target = folder / f"{name}.{kind}"
        settings = ExportSettings(format=kind, dataset_id="golden", name="Golden", **more)
        result = write(view, settings, target, force=True)
        assert result.verified
        assert result.max_error_steps == 0.0
        return target, view

    return export


def differences(found, wanted):
    keys = sorted({*found, *wanted})
    return [f"{key}: {found.get(key)} for {wanted.get(key)}"[:500] for key in keys if found.get(key) != wanted.get(key)]


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("name", [*CASES, "demo"])
def test_every_element_is_that_of_the_peer(name, kind, golden, ours):
    path, view = ours(name, kind)
    assert not differences(json.loads(json.dumps(tree(path))), golden[f"{name}.{kind}"])
    report = verify(path, view)
    assert report.ok, report.problems


@pytest.mark.peer
def test_the_peer_says_the_same_today_and_opens_our_files(golden, ours, tmp_path):
    demo = open_dataset("demo").path
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    script = (
        f"import sys; sys.path.insert(0, {str(HERE)!r}); sys.argv = ['', {str(demo)!r}]; import make_golden_ready as m"
    )
    script += f"; from pathlib import Path; m.HERE = Path({str(tmp_path)!r}); (m.HERE / 'golden').mkdir(); m.main()"
    subprocess.run([ready_peer_python(), "-c", script], check=True, env=environment)
    assert json.loads(gzip.decompress((tmp_path / "golden" / "ready.json.gz").read_bytes())) == golden
    files = [str(ours(name, kind)[0]) for name in (*CASES, "demo") for kind in FORMATS]
    subprocess.run([ready_peer_python(), "-c", READ, *files], check=True, env=environment)
