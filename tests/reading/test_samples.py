"""Samples of folders and archives, told from names: what GEO, 10x and other tools write."""

from __future__ import annotations

import pytest

from cellucid_core.errors import InputError
from cellucid_core.reading.sample_files import chosen_samples
from cellucid_core.reading.samples import find_samples, list_folder


def triple(prefix, cells="barcodes.tsv.gz", genes="features.tsv.gz", matrix="matrix.mtx.gz"):
    return [prefix + matrix, prefix + cells, prefix + genes]


def found(names):
    return {sample.name: list(sample.files) for sample in find_samples(names)}


def test_geo():
    a, b = triple("GSM1_tumour_"), triple("GSM2_blood_")
    assert found([*b, *a, "filelist.txt"]) == {"tumour": a, "blood": b}
    a, b = triple("GSM1.", genes="genes.tsv.gz"), triple("GSM10.", genes="genes.tsv.gz")
    assert found([*a, *b]) == {"GSM1": a, "GSM10": b}
    a, b = triple("GSM1_A/"), triple("GSM2_A/")
    assert found([*b, *a]) == {"GSM1_A": a, "GSM2_A": b}
    parse = [triple(f"GSM{i}_", "cell_metadata.csv.gz", "all_genes.csv.gz", "DGE.mtx.gz") for i in (5, 6)]
    assert found([*parse[0], *parse[1]]) == {"GSM5": parse[0], "GSM6": parse[1]}


@pytest.mark.parametrize("shared", ["features.tsv.gz", "GSE1_features.tsv.gz", "GSE1-genes.tsv"])
def test_a_list_of_genes_for_all_samples(shared):
    a, b = triple("GSM1-tumour-")[:2], triple("GSM2-blood-")[:2]
    assert found([*a, *b, shared]) == {"tumour": [*a, shared], "blood": [*b, shared]}
    a, b = triple("A/")[:2], triple("B/mtx/")[:2]
    assert found([*a, *b, shared]) == {"A": [*a, shared], "B": [*b, shared]}


def test_prefixes_of_their_own():
    """Scanpy #2161: every file has another accession, and the name of the sample is in one only."""
    names = ["GSM1_a_matrix.mtx.gz", "GSM2_a_barcodes.tsv.gz", "GSM3_genes.tsv.gz"]
    assert found(names) == {"a": names}


def test_a_list_of_another_sample_is_not_taken():
    names = [*triple("GSM1_A_"), "GSM2_AB_matrix.mtx.gz", "GSM3_C_barcodes.tsv.gz", "GSM3_C_features.tsv.gz"]
    assert found(names)["AB"] == ["GSM2_AB_matrix.mtx.gz"]


def test_files_of_one_sample_each():
    names = ["GSM1_A_filtered_feature_bc_matrix.h5", "GSM2_B_filtered_feature_bc_matrix.h5", "molecule_info.h5"]
    assert list(found(names)) == ["A", "B"]
    assert list(found(["a.h5ad", "b.loom", "c.h5mu", "cells.csv", "readme.md"])) == ["a", "b", "c"]
    assert list(found(["GSM1_A.tar.gz", "GSM2_B.zip"])) == ["A", "B"]
    assert found(["x/a.zarr/.zgroup", "x/a.zarr/obs/.zgroup", "x/b.zarr/zarr.json", "x/b.zarr/c/a.h5"]) == {
        "a": ["x/a.zarr/"],
        "b": ["x/b.zarr/"],
    }


def test_tables_count_where_there_is_nothing_else():
    assert found(["counts.csv.gz", "metadata.csv", "GSM1_barcodes.tsv"]) == {"counts": ["counts.csv.gz"]}
    assert found(["cell_metadata.csv"]) == {"cell_metadata": ["cell_metadata.csv"]}
    assert found(["GSM1_A_counts.csv.gz", "GSM2_B_counts.csv.gz"]).keys() == {"A_counts", "B_counts"}


def test_forms_of_the_same_cells():
    folder = "run/A/outs/"
    names = [f"{folder}{form}_feature_bc_matrix.h5" for form in ("raw", "filtered")]
    names += triple(f"{folder}raw_feature_bc_matrix/") + triple(f"{folder}filtered_feature_bc_matrix/")
    (sample,) = find_samples([*names, f"{folder}molecule_info.h5", f"{folder}metrics_summary.csv"])
    assert (sample.name, sample.files) == ("A", (names[1],))
    assert [other.files[0] for other in sample.others] == [names[5], names[0], names[2]]
    assert chosen_samples([sample], [names[0]], "x")[0].files == (names[0],)


@pytest.mark.parametrize(
    ("names", "best"),
    [
        (
            [
                *triple("Solo.out/Gene/raw/", "barcodes.tsv", "features.tsv", "matrix.mtx"),
                *triple("Solo.out/Gene/filtered/", "barcodes.tsv", "features.tsv", "matrix.mtx"),
                *triple("Solo.out/GeneFull/filtered/", "barcodes.tsv", "features.tsv", "matrix.mtx"),
                *triple("Solo.out/Velocyto/filtered/", "barcodes.tsv", "features.tsv", "spliced.mtx"),
            ],
            slice(3, 6),
        ),
        (
            [
                "c/cells_x_genes.mtx",
                "c/cells_x_genes.barcodes.txt",
                "c/cells_x_genes.genes.txt",
                "c/cells_x_genes.genes.names.txt",
            ],
            slice(0, 4),
        ),
        (
            ["af/alevin/quants_mat.mtx", "af/alevin/quants_mat_rows.txt", "af/alevin/quants_mat_cols.txt"],
            slice(0, 3),
        ),
        (
            [
                *triple("DGE_filtered/", "cell_metadata.csv", "all_genes.csv", "count_matrix.mtx"),
                *triple("DGE_unfiltered/", "cell_metadata.csv", "all_genes.csv", "count_matrix.mtx"),
            ],
            slice(0, 3),
        ),
    ],
)
def test_folders_of_other_tools(names, best):
    (sample,) = find_samples(names)
    assert list(sample.files) == names[best]


def test_a_choice_is_asked_for():
    samples = find_samples(["GSM1_A.h5ad", "GSM2_B.h5ad"])
    assert chosen_samples(samples, ["B"], "x.zip")[0].files == ("GSM2_B.h5ad",)
    assert [sample.name for sample in chosen_samples(samples, None, "x.zip")] == ["A", "B"]
    with pytest.raises(InputError, match="no sample 'C'"):
        chosen_samples(samples, ["C"], "x.zip")


def test_links_and_chunks_are_not_listed(tmp_path):
    (tmp_path / "a.zarr" / "X").mkdir(parents=True)
    for name in ("a.zarr/.zgroup", "a.zarr/X/0.0", "b.h5ad"):
        (tmp_path / name).touch()
    (tmp_path / "c.h5ad").symlink_to(tmp_path / "b.h5ad")
    assert list_folder(tmp_path) == ["a.zarr/.zgroup", "b.h5ad"]
