"""Every operation on 1, 2 and 5 parts, here and on a cluster: the same results, computed there."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from cellucid_core.cli import main
from cellucid_core.dataset import Expression, View, default_mapping, log_rule_of, open_dataset
from cellucid_core.export import ExportSettings, write
from cellucid_core.genes import GeneSet
from cellucid_core.library import BuildSettings, build_signature
from cellucid_core.preflight import apply_fixes, preflight
from cellucid_core.ranking import FLAVORS, kept_markers, variability
from cellucid_core.running import Local
from cellucid_core.signature import METHODS, match_in_view, run_signature, score_cells, score_many
from tests.making import make_adata
from tests.patience import until
from tests.running.clusters import cluster

GENES = "GENE1, GENE3, GENE5, GENE7, GENE12"


@pytest.fixture(scope="module")
def whole():
    adata = make_adata(200, 40, seed=3)
    adata.X.data[7] = np.nan
    del adata.obsp["connectivities"]
    return adata


def parted(adata, n_parts, folder):
    """Write an AnnData as files of some of its cells each."""
    paths = []
    for number, rows in enumerate(np.array_split(np.arange(adata.n_obs), n_parts)):
        part = adata[rows].copy()
        if number % 2:  # another order of the genes, and a dense one
            part = part[:, ::-1].copy()
            part.X = part.X.toarray()
        paths.append(folder / f"part{number} of {n_parts}.h5ad")
        part.write_h5ad(paths[-1])
    return paths


@pytest.fixture(params=[1, 2, 5])
def files(request, whole, tmp_path):
    return parted(whole, request.param, tmp_path)


@pytest.fixture
def on_the_cluster(running, certificates, monkeypatch, tmp_path):
    """Return a function after which all that has parts is computed on the cluster, in a folder that is empty."""
    here = Local.map

    def whole_matrices(self, function, calls, progress=None):
        assert all(isinstance(call[1], Expression) and not call[1].spread for call in calls)
        return here(self, function, calls, progress)

    def switch():
        monkeypatch.setenv("CELLUCID_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("CELLUCID_CLUSTER", running.address)
        monkeypatch.setenv("CELLUCID_CLUSTER_CERTS", str(certificates))
        monkeypatch.setattr(Local, "map", whole_matrices)

    return switch


def view_of(paths):
    dataset = open_dataset(paths)
    view = View(dataset, apply_fixes(dataset, default_mapping(dataset), ["all"]))
    return View(dataset, view.mapping)


def results(view, folder):
    """Return everything that is computed, as plain values."""
    found = {}
    match = match_in_view(view, GENES)
    for method in METHODS:
        found[method] = score_cells(view.expression, match, method, gene_ids=view.gene_ids)
    signed = match_in_view(view, "GENE1+, GENE4-, GENE9-", signed=True)
    for method in METHODS:
        found[f"{method} signed"] = score_cells(view.expression, signed, method, gene_ids=view.gene_ids)
    weighted = GeneSet("w", ("GENE1", "GENE2", "GENE8"), weights=(0.5, 2.0, 1.25))
    for method in METHODS:
        many = score_many(view, [weighted, GeneSet("p", ("GENE2", "GENE30"))], method=method)
        found[f"{method} many"] = many.scores
    found["stats"] = np.array([*vars(view.expression.stats).values()], dtype=float)
    found["cells"] = np.array([view.expression.cell_total, view.expression.cell_detected])
    run = run_signature(view, GENES, method="ucell", normalize="zscore")
    found["run"] = json.dumps(run.to_json())
    found["preflight"] = repr(preflight(view).findings)
    write(view, ExportSettings(), folder / "out.zip", force=True)
    found["export"] = (folder / "out.zip").read_bytes()
    return found


def test_results_are_those_of_this_machine(files, on_the_cluster, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    here = results(view_of(files), tmp_path)
    on_the_cluster()
    there = results(view_of(files), tmp_path)
    assert list(here) == list(there)
    for name, value in here.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, there[name], err_msg=name)
        else:
            assert value == there[name], name


def test_cells_are_summed_over_the_genes_that_are_taken(counts, on_the_cluster, tmp_path):
    paths = []
    for number, genes in enumerate([slice(0, 30), slice(10, 40), slice(0, 40)]):
        paths.append(tmp_path / f"{number}.h5ad")
        counts[number::3, genes].copy().write_h5ad(paths[-1])
    X = np.concatenate([counts.X[number::3, 10:30].toarray() for number in range(3)])

    def check():
        expression = view_of(paths).expression
        np.testing.assert_array_equal(expression.cell_total, X.sum(axis=1))
        np.testing.assert_array_equal(expression.cell_detected, (X > 0).sum(axis=1))

    check()
    on_the_cluster()
    check()


def test_cells_and_genes_that_were_left_out(files, on_the_cluster):
    def scores():
        dataset = open_dataset(files)
        mapping = replace(
            default_mapping(dataset),
            cells_out=np.r_[0:45, 120:130],
            genes_kept=np.setdiff1d(np.arange(40), [2, 5]),
        )
        view = View(dataset, mapping)
        match = match_in_view(view, GENES)
        return [score_cells(view.expression, match, method, gene_ids=view.gene_ids) for method in METHODS]

    here = scores()
    on_the_cluster()
    np.testing.assert_array_equal(np.array(here), np.array(scores()))


@pytest.fixture(scope="module")
def counts():
    """What every sum of is exact, so that it is one number however a file is parted."""
    adata = make_adata(200, 40, seed=3)
    X = np.random.default_rng(5).poisson(np.geomspace(0.2, 20, adata.n_vars), adata.shape).astype(np.float32)
    X[:, :8] = 0
    X[::9, :8] = 3  # eight genes that are the same: their order is tested, too
    adata.X = sparse.csr_matrix(X)
    del adata.obsp["connectivities"]
    return adata


def of_genes(view):
    """Return everything that is computed gene by gene, as plain values."""
    rule = log_rule_of(view)
    flavors = FLAVORS if rule.scale.kind == "counts" else ("seurat", "cell_ranger")
    found = {flavor: variability(view.expression, rule=rule, flavor=flavor)[0] for flavor in flavors}
    codes = view.obs("cell_type").cat.codes.to_numpy()
    for group, genes in enumerate(kept_markers(view, codes, 3, 15)[0]):
        found[f"markers {group}"] = genes
    settings = BuildSettings(generations=5, n_hvg=20, n_degs=6)
    for level in build_signature(view, ["cell_type", "donor"], settings).levels:
        found |= {f"{level.name} mean": level.mean.to_numpy(), f"{level.name} variance": level.variance.to_numpy()}
        found |= {f"{level.name} genes": np.array([*level.hvgs, *level.degs])}
    for name, values in vars(view.expression.stats).items():
        found[name] = values
    return found


@pytest.fixture(params=["logs", "counts"])
def values(request):
    return request.getfixturevalue({"logs": "whole", "counts": "counts"}[request.param])


@pytest.mark.parametrize("left_out", [0, 60])
def test_what_is_computed_gene_by_gene_is_one_number(values, left_out, tmp_path, on_the_cluster, monkeypatch):
    """In 1, 2 and 5 parts, here and on a cluster: the same bits."""

    def opened(n_parts):
        dataset = open_dataset(parted(values, n_parts, tmp_path))
        mapping = replace(
            default_mapping(dataset), cells_out=np.arange(0, 3 * left_out, 3), genes_kept=np.arange(1, 40)
        )
        return View(dataset, mapping)

    monkeypatch.setattr("cellucid_core.dataset.gene_by_gene._BLOCK", 7)
    expected = of_genes(opened(1))
    found = {f"{n} parts here": of_genes(opened(n)) for n in (2, 5)}
    on_the_cluster()
    found |= {f"{n} parts there": of_genes(opened(n)) for n in (1, 2, 5)}
    for where, results in found.items():
        assert list(results) == list(expected)
        for name, numbers in expected.items():
            sums = name in ("total", "square_total")  # of parts, which are rounded
            same = partial(np.testing.assert_allclose, rtol=1e-12) if sums else np.testing.assert_array_equal
            same(results[name], numbers, err_msg=f"{name}, {where}")
            assert results[name].dtype == numbers.dtype


def test_a_caller_who_gives_up_leaves_nothing(counts, tmp_path, on_the_cluster):
    from cellucid_core.cache import scratch_folder
    from cellucid_core.errors import InputError

    on_the_cluster()
    view = view_of(parted(counts, 2, tmp_path))

    def give_up(done, total):
        raise InputError("Cancelled.", "Start it again.")

    with pytest.raises(InputError, match="Cancelled"):
        variability(view.expression, rule=log_rule_of(view), report=give_up)
    with scratch_folder() as another:
        assert [path for path in another.parent.iterdir() if path.is_dir()] == [another]


@pytest.mark.parametrize("layout", ["csr", "dense", "chunked"])
def test_a_large_file_is_parted_by_rows(whole, layout, tmp_path, on_the_cluster, monkeypatch):
    adata = whole.copy()
    adata.X = np.nan_to_num(adata.X.toarray()) if layout != "csr" else adata.X
    if layout == "chunked":
        adata.write_h5ad(tmp_path / "data.h5ad", compression="gzip")
    else:
        adata.write_h5ad(tmp_path / "data.h5ad")
    here = view_of([tmp_path / "data.h5ad"])
    match = match_in_view(here, GENES)
    expected = {method: score_cells(here.expression, match, method, gene_ids=here.gene_ids) for method in METHODS}
    on_the_cluster()
    monkeypatch.setattr("cellucid_core.dataset.parts.PART_BYTES", 4_000)
    there = view_of([tmp_path / "data.h5ad"])
    assert len(there.expression.parts()) > 1
    for method, scores in expected.items():
        found = score_cells(there.expression, match, method, gene_ids=there.gene_ids)
        np.testing.assert_array_equal(found, scores, err_msg=method)
    for gene in (0, 17, 39):
        np.testing.assert_array_equal(there.expression.gene(gene), here.expression.gene(gene))


def test_samples_of_an_archive_are_opened_elsewhere(whole, tmp_path, on_the_cluster):
    import zipfile

    with zipfile.ZipFile(tmp_path / "samples.zip", "w") as archive:
        for number, rows in enumerate(np.array_split(np.arange(whole.n_obs), 3)):
            whole[rows].copy().write_h5ad(tmp_path / f"s{number}.h5ad")
            archive.write(tmp_path / f"s{number}.h5ad", f"s{number}.h5ad")
    here = open_dataset(tmp_path / "samples.zip")
    on_the_cluster()
    there = open_dataset(tmp_path / "samples.zip")
    assert there.content_hash == here.content_hash
    assert [part.name for part in there.parts] == ["s0", "s1", "s2"]
    pd.testing.assert_frame_equal(here.obs, there.obs)
    np.testing.assert_array_equal(there.store("X").gene(4)[1], here.store("X").gene(4)[1])


def test_an_adata_in_memory_stays_here(whole, running, certificates, monkeypatch, tmp_path):
    monkeypatch.setenv("CELLUCID_CLUSTER", running.address)
    monkeypatch.setenv("CELLUCID_CLUSTER_CERTS", str(certificates))
    monkeypatch.setenv("CELLUCID_HOME", str(tmp_path))
    dataset = open_dataset({"a": whole[:50].copy(), "b": whole[50:].copy()})
    view = View(dataset, default_mapping(dataset))
    assert len(score_cells(view.expression, match_in_view(view, GENES))) == 200


def test_a_part_that_cannot_be_opened_is_told_as_here(files, on_the_cluster, tmp_path):
    from cellucid_core.errors import InputError

    (tmp_path / "broken.h5ad").write_bytes(b"text")
    with pytest.raises(InputError) as here:
        open_dataset([*files, tmp_path / "broken.h5ad"])
    on_the_cluster()
    with pytest.raises(InputError) as there:
        open_dataset([*files, tmp_path / "broken.h5ad"])
    assert str(there.value) == str(here.value)


def test_the_command_line(files, running, certificates, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    monkeypatch.setenv("CELLUCID_CLUSTER_CERTS", str(certificates))
    found = []
    for number, where in enumerate([[], ["--cluster", running.address]]):
        monkeypatch.setenv("CELLUCID_HOME", str(tmp_path / str(number)))
        out = [tmp_path / f"scores{number}.csv", tmp_path / f"export{number}.zip"]
        genes = ["--genes", GENES, "--method", "ucell", "--group-by", "cell_type"]
        paths = list(map(str, files))
        assert main(["score", *paths, *genes, "--out", str(out[0]), "--json", *where]) == 0
        scored = json.loads(capsys.readouterr().out)
        assert main(["export", *paths, "--fix", "all", "--out", str(out[1]), "--json", *where]) == 0
        assert main(["preflight", *paths, "--json", *where]) in (0, 1)
        capsys.readouterr()
        del scored["path"]
        found.append([scored, *(path.read_bytes() for path in out)])
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("tcp://10.0.0.1:8786", "tls://host:port"),
        ("localhost:8786", "tls://host:port"),
        ("tls://host", "tls://host:port"),
        ("tls://host:8786", "CELLUCID_CLUSTER_CERTS"),
    ],
)
def test_addresses_that_are_refused(address, words, capsys, monkeypatch):
    monkeypatch.delenv("CELLUCID_CLUSTER_CERTS", raising=False)
    assert main(["preflight", "demo", "--cluster", address]) == 2
    assert words in capsys.readouterr().err


def test_every_command_takes_a_cluster(running, tmp_path, monkeypatch, certificates, capsys):
    monkeypatch.setenv("CELLUCID_CLUSTER_CERTS", str(certificates))
    cluster = ["--cluster", running.address, "--json"]
    anndata.AnnData(np.eye(3)).write_h5ad(tmp_path / "x.h5ad")
    assert main(["demo", "--out", str(tmp_path / "demo.h5ad"), *cluster]) == 0
    assert main(["export", "demo", "--out", str(tmp_path / "out" / "demo"), *cluster]) == 2  # no such folder
    assert main(["export", "demo", "--out", str(tmp_path / "demo"), *cluster]) == 0
    assert main(["verify", str(tmp_path / "demo"), "--against", "demo", *cluster]) == 0
    assert main(["datasets", str(tmp_path), *cluster]) == 0
    assert main(["signature", "list", *cluster]) == 0


def test_two_callers_build_the_same_parts(files, running, certificates, on_the_cluster):
    from concurrent.futures import ThreadPoolExecutor

    on_the_cluster()
    with ThreadPoolExecutor(2) as callers:
        both = list(callers.map(lambda _: view_of(files).expression.gene(3), range(2)))
    np.testing.assert_array_equal(*both)


def test_a_full_folder_is_told_and_nothing_is_half_made(whole, tmp_path, monkeypatch):
    """The worker may write no file larger than a few kilobytes, which is to it as a full disk is."""
    from cellucid_core.errors import InputError

    paths = []
    for number, rows in enumerate(np.array_split(np.tile(np.arange(whole.n_obs), 20), 2)):
        part = anndata.AnnData(whole.X[rows], var=whole.var, obsm={"X_umap": whole.obsm["X_umap"][rows]})
        paths.append(tmp_path / f"s{number}.h5ad")
        part.write_h5ad(paths[-1])
    with cluster(tmp_path / "c", workers=0) as small:
        small.add_worker(largest_file=40_000)
        monkeypatch.setenv("CELLUCID_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("CELLUCID_CLUSTER", small.address)
        with pytest.raises(InputError, match="could not be arranged by gene") as told:
            _ = view_of(paths).expression
        assert "Free some disk space" in told.value.fix
        stores = tmp_path / "home" / "stores"
        assert list(stores.glob("v1-*/")) == []
        until(lambda: not any(one.is_dir() for one in stores.iterdir()))  # the other part, too
    monkeypatch.delenv("CELLUCID_CLUSTER")
    assert view_of(paths).expression.n_cells == 4_000  # and then it can be
