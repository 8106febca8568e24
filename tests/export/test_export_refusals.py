"""Values that cannot be written as they should be, and datasets without genes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import sparse

from cellucid_core.cli.program import main
from cellucid_core.errors import InputError, WorkRefused
from cellucid_core.export import ExportSettings, plan, verify, write
from tests.making import make_adata


def large(**columns):
    adata = make_adata()
    for name, value in columns.items():
        adata.obs[name] = np.full(60, value)
        adata.obs.iloc[0, -1] = 0.0
    return adata


@pytest.mark.parametrize("dense", [False, True])
def test_genes_beyond_float32_are_refused_without_codes_and_written_with_them(viewed, tmp_path, dense):
    adata = make_adata()
    values = adata.X.toarray().astype(np.float64)
    values[3, 7] = 1e39
    adata.X = values if dense else sparse.csr_matrix(values)
    view = viewed(adata)
    exact = ExportSettings(var_quantization=None)
    assert any("GENE7 hold values beyond float32" in why for why in plan(view, exact).refusals)
    with pytest.raises(WorkRefused, match="GENE7"):
        write(view, exact, tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()
    assert plan(view, ExportSettings()).refusals == ()
    assert write(view, ExportSettings(), tmp_path / "x.zip").verified


@pytest.mark.parametrize(
    ("value", "bits", "words"), [(1e39, None, "beyond float32"), (1e306, 8, "span more"), (-1e306, 16, "span more")]
)
def test_columns_too_large_for_what_they_are_written_as(viewed, tmp_path, value, bits, words):
    view = viewed(large(fine=1.0, huge=value))
    settings = ExportSettings(obs_quantization=bits)
    (why,) = plan(view, settings).refusals
    assert "columns huge" in why
    assert words in why
    with pytest.raises(WorkRefused, match="huge"):
        write(view, settings, tmp_path / "x.zip")


def test_infinite_values_of_another_program_are_found(viewed, tmp_path):
    """An export whose float32 values are infinite where the source's are not is not a copy of it."""
    adata = make_adata()
    adata.X = adata.X.astype(np.float64)
    view = viewed(adata)
    write(view, ExportSettings(var_quantization=None, compression=0), tmp_path / "x")
    values = adata.X.toarray()
    gene = tmp_path / "x" / "var" / "GENE7.values.f32"
    written = np.fromfile(gene, "<f4")
    cell = int(np.flatnonzero(written)[0])
    written[cell] = np.inf
    written.tofile(gene)
    values[cell, 7] = 1e39
    adata.X = sparse.csr_matrix(values)
    assert any("exceeds float32" in problem for problem in verify(tmp_path / "x", viewed(adata)).problems)


@pytest.mark.parametrize("out", ["x.zip", "x.h5ad", "x.zarr.zip"])
def test_a_dataset_without_genes(tmp_path, capsys, out):
    adata = make_adata()[:, :0].copy()
    adata.write_h5ad(tmp_path / "none.h5ad")
    assert main(["preflight", str(tmp_path / "none.h5ad"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["dataset"]["n_genes"] == 0
    form = {"x.zip": "compact"}.get(out, out.removeprefix("x."))
    words = ["export", str(tmp_path / "none.h5ad"), "--out", str(tmp_path / out), "--format", form, "--json"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["verified"]


def test_a_prepared_export_is_not_named_like_the_other_format(viewed, tmp_path):
    with pytest.raises(InputError, match="zarr"):
        write(viewed(make_adata()), ExportSettings(), tmp_path / "x.zarr.zip")
