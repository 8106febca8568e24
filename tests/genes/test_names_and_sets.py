"""Gene set files of every kind, pasted lists as papers have them, proposals, and which side of a matrix is genes."""

from __future__ import annotations

from contextlib import suppress

import anndata
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellucid_core.dataset import View, default_mapping, open_dataset
from cellucid_core.errors import InputError
from cellucid_core.genes import GeneIds, match_genes, read_gene_sets, understand_genes
from cellucid_core.genes.known_names import known_names
from cellucid_core.preflight import apply_fixes, preflight
from tests.reading.test_sample_files import write_workbook

TWO = {"T cell": ("CD3D", "CD3E"), "B cell": ("MS4A1", "CD79A", "CD79B")}
FILES = {
    "sets.gmt": "T cell\tof a paper\tCD3D\tCD3E\nB cell\t\tMS4A1\tCD79A\tCD79B\n",
    "sets.gmx": "T cell\tB cell\nof a paper\t\nCD3D\tMS4A1\nCD3E\tCD79A\n\tCD79B\n",
    "msigdb.json": '{"T cell": {"geneSymbols": ["CD3D", "CD3E"]}, '
    '"B cell": {"geneSymbols": ["MS4A1", "CD79A", "CD79B"]}}',
    "lists.json": '{"T cell": ["CD3D", "CD3E"], "B cell": ["MS4A1", "CD79A", "CD79B"]}',
    "cellxgene.csv": "gene_set_name,gene_set_description,gene_symbol,gene_description\n"
    "T cell,of a paper,CD3D,\nT cell,of a paper,CD3E,\nB cell,,MS4A1,\nB cell,,CD79A,\nB cell,,CD79B,\n",
    "long.tsv": "set\tgene\nT cell\tCD3D\nT cell\tCD3E\nB cell\tMS4A1\nB cell\tCD79A\nB cell\tCD79B\n",
    "wide.csv": "T cell,B cell\nCD3D,MS4A1\nCD3E,CD79A\n,CD79B\n",
}


@pytest.mark.parametrize("name", FILES)
def test_the_same_sets_from_files_of_every_kind(name):
    found = read_gene_sets(FILES[name].encode(), name).signatures
    assert {one.name: one.genes for one in found} == TWO
    assert all(one.weights is None for one in found)


def test_a_workbook_a_list_and_weights(tmp_path):
    write_workbook(tmp_path / "sets.xlsx", {"sets": [["T cell", "B cell"], ["CD3D", "MS4A1"], ["CD3E", "CD79A"]]})
    found = read_gene_sets(tmp_path / "sets.xlsx").signatures
    assert [(one.name, one.genes) for one in found] == [("T cell", ("CD3D", "CD3E")), ("B cell", ("MS4A1", "CD79A"))]
    (only,) = read_gene_sets(b"# a set\nCD3D\nCD3E\n", "T.grp").signatures
    assert only.genes == ("CD3D", "CD3E")
    first, second = read_gene_sets(b"set,gene,weight\nA,CD3D,2\nA,CD3E,-1\nB,LYZ,1\n", "w.csv").signatures
    assert (first.genes, first.weights) == (("CD3D", "CD3E"), (2.0, -1.0))
    assert second.genes == ("LYZ",)


@pytest.mark.parametrize("up", ["X_UP", "X-up", "X (up)"])
@pytest.mark.parametrize("down", ["X_DN", "X_DOWN", "X-dn", "X (down)"])
def test_pairs_are_one_signed_set_or_two(up, down):
    text = f"{up}\t\tCD3D\tCD3E\n{down}\t\tMS4A1\n".encode()
    (pair,) = read_gene_sets(text, "x.gmt").signatures
    assert dict(zip(pair.genes, pair.weights, strict=True)) == {"CD3D": 1, "CD3E": 1, "MS4A1": -1}
    assert pair.halves == (up, down)
    apart = read_gene_sets(text, "x.gmt", pairs=False).signatures
    assert [one.name for one in apart] == [up, down] == [one.name for one in pair.apart()]


@pytest.mark.parametrize("name", ["x.gmt", "x.gmx", "x.grp", "x.json", "x.csv", "x.tsv", "x.xlsx"])
@settings(max_examples=40, deadline=None)
@given(content=st.binary(max_size=400))
def test_any_bytes_are_sets_or_a_sentence(name, content):
    with suppress(InputError):  # nothing else
        assert read_gene_sets(content, name).signatures


PASTES = [
    "CD3D, CD3E",
    "CD3D CD3E",
    'c("CD3D", "CD3E")',
    "['CD3D', 'CD3E']",
    "CD3D|CD3E",
    "CD3D/CD3E",
    "• CD3D\n• CD3E",
    "1. CD3D\n2. CD3E",
    "CD3D\u200b, CD3E\u00a0",
    "CD3D (T cell), CD3E",
    "- CD3D\n- CD3E",
    "CD3D+CD3E",
]
ENDS = st.sampled_from([", ", " ", ";", "\n", "\t", "|", "/", "\n• ", "\n- "])
SYMBOLS = sorted(known_names().human_symbols)


def has(gene):
    return gene in known_names().human_symbols


@pytest.mark.parametrize("text", PASTES)
def test_what_papers_write_means_two_genes(text):
    assert understand_genes(text, has)[0] == ["CD3D", "CD3E"]


@pytest.mark.parametrize(
    ("text", "genes"),
    [
        ("NOPE1 NOPE2", ["NOPE1", "NOPE2"]),
        ("c(NOPE1; NOPE2 / NOPE-3)", ["c(NOPE1", "NOPE2", "NOPE-3"]),
        ("a gene that is named 1", ["a gene that is named 1"]),
        ("NOPE1 gene", ["NOPE1 gene"]),
    ],
)
def test_unknown_names_are_several_where_all_look_like_symbols(text, genes):
    assert understand_genes(text, has)[0] == genes


@settings(max_examples=100, deadline=None)
@given(genes=st.lists(st.sampled_from(SYMBOLS), min_size=2, max_size=12, unique=True), end=ENDS)
def test_genes_joined_by_anything_come_back(genes, end):
    assert understand_genes(end.strip(" ;,|/\t") + end.join(genes), has)[0] == genes


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_understood(text):
    found, notes = understand_genes(text, has)
    assert all(gene.strip() for gene in found)
    assert all(notes)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("CD20", "MS4A1"),
        ("PD-1", "PDCD1"),
        ("TIM3", "HAVCR2"),
        ("HN1", "JPT1"),
        ("ms4a1", "MS4A1"),
        ("IFN-γ", "IFNG"),
        ("Ms4a1", "MS4A1"),
        ("ENSG00000156738", "MS4A1"),
        ("ENSG00000156738.17", "MS4A1"),
    ],
)
def test_what_a_missing_gene_could_be(asked, found):
    ids = GeneIds(np.array(["MS4A1", "PDCD1", "HAVCR2", "JPT1", "IFNG", "ACTB"], dtype=object))
    (first, *_) = ids.proposals(asked)
    assert first.gene == found
    assert first.reason
    match = match_genes([asked], ids)
    assert match.missing == [asked]  # never taken silently
    assert match.only_proposals == {asked: found}


KINDS = {
    "human symbols": lambda: sorted(known_names().human_symbols),
    "mouse symbols": lambda: sorted(known_names().mouse_symbols),
    "human ids": lambda: sorted(known_names().human),
    "mouse ids": lambda: sorted(known_names().mouse),
}
CELLS = {
    "Cell_1": lambda n: [f"Cell_{i}" for i in range(n)],
    "S1_0001": lambda n: [f"S{1 + i % 3}_{i:04d}" for i in range(n)],
    "AAAC_2": lambda n: ["".join(row) + f"_{i % 3}" for i, row in enumerate(_letters(n))],
}


def _letters(n):
    return np.random.default_rng(1).choice(list("ACGT"), (n, 16))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("called", CELLS)
def test_the_side_with_the_genes_is_found(tmp_path, kind, called):
    rng = np.random.default_rng(3)
    genes, cells = rng.choice(KINDS[kind](), 200, replace=False), CELLS[called](260)
    x = rng.poisson(1, (260, 200)).astype(np.float32)
    right = anndata.AnnData(x, obs=pd.DataFrame(index=cells), var=pd.DataFrame(index=genes))
    found = {}
    for name, adata in (("right", right), ("turned", right.T)):
        adata.write_h5ad(tmp_path / f"{name}.h5ad")
        dataset = open_dataset(tmp_path / f"{name}.h5ad")
        rules = {one.rule for one in preflight(View(dataset, default_mapping(dataset))).findings}
        found[name] = "expression-orientation" in rules
    assert found == {"right": False, "turned": True}


def test_spaces_around_names_are_found_and_fixed(tmp_path):
    adata = anndata.AnnData(
        np.random.default_rng(0).poisson(2, (12, 4)).astype(np.float32),
        obs=pd.DataFrame({"kind": pd.Categorical([" T", "B ", "T", "B"] * 3)}, index=[f" cell{i}" for i in range(12)]),
        var=pd.DataFrame(index=[" CD3D", "LYZ ", "ACTB", "MS4A1"]),
    )
    adata.write_h5ad(tmp_path / "x.h5ad")
    dataset = open_dataset(tmp_path / "x.h5ad")
    mapping = default_mapping(dataset)
    assert "names-spaces" in {one.rule for one in preflight(View(dataset, mapping)).findings}
    fixed = View(dataset, apply_fixes(dataset, mapping, ["names-spaces"]))
    assert list(fixed.gene_ids) == ["CD3D", "LYZ", "ACTB", "MS4A1"]
    assert "names-spaces" not in {one.rule for one in preflight(fixed).findings}
    assert set(map(str, fixed.obs("kind"))) == {"T", "B"}
