"""Gene lists as spreadsheets write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellucid_core.errors import InputError
from cellucid_core.genes import MAX_BYTES, gene_file_genes, read_gene_file

GENES = ["CD3D", "HLA-DRA", "LYZ"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", b"CD3D\nHLA-DRA\nLYZ\n"),
        ("a.txt", b"\xef\xbb\xbfgene\r\nCD3D\r\nHLA-DRA\r\n\r\nLYZ"),
        ("a.txt", b"CD3D, HLA-DRA; LYZ"),
        ("a.txt", "CD3D\nHLA-DRA\nLYZ\n".encode("utf-16")),
        ("a.txt", b"CD3D\t2.1\nHLA-DRA\t1.0\nLYZ\t0.5\n"),
        ("a.csv", b"CD3D,2.1\nHLA-DRA,1.0\nLYZ,0.5\n"),
        ("A.CSV", b"Gene Symbol;logFC\nCD3D;2,1\nHLA-DRA;1,0\nLYZ;0,5\n"),
        ("a.csv", b'"CD3D","T, cells"\n"HLA-DRA",""\n"LYZ","x"\n'),
        ("a.csv", b"CD3D,HLA-DRA,LYZ"),
        ("a.csv", b"symbol\nCD3D\n\nHLA-DRA\nLYZ\n,,\n"),
        ("a.tsv", b"gene_id\tscore\nCD3D\t1\nHLA-DRA\t2\nLYZ\t3\n"),
        ("a.csv", "gène\nx\n".encode("latin-1").replace(b"g\xe8ne\nx", b"name\nCD3D\nHLA-DRA\nLYZ")),
    ],
)
def test_the_first_column_counts(tmp_path, name, content):
    assert gene_file_genes(content, name) == GENES
    (tmp_path / name).write_bytes(content)
    assert read_gene_file(tmp_path / name) == GENES


def test_a_gene_that_is_called_like_a_head_stays_where_it_is_alone():
    assert gene_file_genes(b"ID", "a.txt") == ["ID"]
    assert gene_file_genes(b"CD3D\nID3\nname\n", "a.txt") == ["CD3D", "ID3", "name"]


@pytest.mark.parametrize(
    ("content", "words"), [(b"PK\x03\x04\x00\x00", "not text"), (b"a" * (MAX_BYTES + 1), "too large")]
)
def test_what_is_no_list(content, words):
    with pytest.raises(InputError, match=words):
        gene_file_genes(content, "x.csv")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_gene_file(tmp_path / "none.csv")
    with pytest.raises(InputError, match="cannot be read"):
        read_gene_file(tmp_path)


@given(st.binary(max_size=200), st.sampled_from(["a.txt", "a.csv", "a.tsv", "a"]))
def test_any_bytes_are_genes_or_an_input_error(content, name):
    try:
        genes = gene_file_genes(content, name)
    except InputError:
        return
    assert all(isinstance(gene, str) and gene and gene == gene.strip() for gene in genes)
