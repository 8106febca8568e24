"""A file means the same genes wherever it is read: on the pages, in an export, on the command line."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellucid_core.cli.program import main
from cellucid_core.errors import CellucidError
from cellucid_core.export.gene_choice import parse_gene_choice, quoted_gene
from cellucid_core.genes import gene_file_genes, gene_set_argument, parse_genes, read_gene_file, read_gene_sets
from tests.genes.files_made import ENCODINGS, FILES, GENES


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", FILES)
def test_every_path_gives_the_same_genes(tmp_path, name, encoding):
    path = tmp_path / name
    path.write_bytes(FILES[name].encode(encoding))
    found = {
        "signature page": [gene for one in read_gene_sets(path.read_bytes(), name).signatures for gene in one.genes],
        "export page": gene_file_genes(path.read_bytes(), name),
        "library": read_gene_file(path),
        "export --genes": list(parse_gene_choice(f"@{path}").ids),
        "score --genes": list(gene_set_argument(f"@{path}")[0].genes),
    }
    assert found == dict.fromkeys(found, GENES)


@pytest.mark.parametrize("name", FILES)
def test_the_score_command(tmp_path, capsys, name):
    path = tmp_path / name
    path.write_bytes(FILES[name].encode("latin-1"))
    assert main(["score", "demo", "--genes", f"@{path}", "--json"]) == 0
    genes = json.loads(capsys.readouterr().out)["genes"]
    assert (genes["found"], genes["missing"]) == (GENES[:1] + GENES[1:2], GENES[2:])


def test_weights_of_a_file_are_used_by_the_command_as_by_the_page(tmp_path):
    path = tmp_path / "weights.tsv"
    path.write_text(FILES["weights.tsv"], encoding="utf-8")
    genes, notes = gene_set_argument(f"@{path}")
    assert (genes.weights, notes) == ((2.5, 1, 0.5), [])
    assert gene_set_argument("CD3D,LYZ") == ("CD3D,LYZ", [])


def test_a_file_of_several_sets_is_refused_where_one_is_wanted_and_exported_whole(tmp_path):
    path = tmp_path / "sets.gmt"
    path.write_text("A\t\tCD3D\tLYZ\nB\t\tMS4A1\n", encoding="utf-8")
    with pytest.raises(CellucidError, match=r"sets.gmt holds 2 sets of genes \(A and B\)|sets.gmt holds 2 sets"):
        gene_set_argument(f"@{path}")
    assert read_gene_file(path) == ["CD3D", "LYZ", "MS4A1"]


@pytest.mark.parametrize(
    ("name", "text", "genes"),
    [
        ("a.csv", "group,names,scores\nB,CD3D,1\nB,LYZ,2\n", ["CD3D", "LYZ"]),
        ("a.csv", '"",p_val,avg_log2FC,cluster,gene\nCD3D,0,1,B,CD3D\nLYZ1,0,2,T,LYZ\n', ["CD3D", "LYZ"]),
        ("a.csv", '"",p_val,avg_log2FC\nCD3D,0,1\nLYZ,0,2\n', ["CD3D", "LYZ"]),
        ("a.csv", ",gene\n0,CD3D\n1,LYZ\n", ["CD3D", "LYZ"]),
        ("a.csv", "CD3D,marker\nLYZ,marker\n", ["CD3D", "LYZ"]),
        ("a.csv", "ensembl_gene_id,hgnc_symbol\nENSG1,CD3D\nENSG2,LYZ\n", ["ENSG1", "ENSG2"]),
        ("a.csv", "id,symbol\n7,CD3D\n8,LYZ\n", ["CD3D", "LYZ"]),
        ("a.csv", "1234\n5678\n", ["1234", "5678"]),
        ("a.txt", "1234, 5678\n91, 92\n", ["1234", "5678", "91", "92"]),
        ("a.txt", '"#odd"\n#even\nCD3D\n', ["#odd", "CD3D"]),
        ("a.txt", "gene, CD3D, LYZ", ["CD3D", "LYZ"]),
        ("a", "CD3D\tT\nLYZ\tmonocyte\n", ["CD3D", "LYZ"]),
        ("a.txt", "CD3D\rLYZ\u2028MS4A1", ["CD3D", "LYZ", "MS4A1"]),
    ],
)
def test_where_the_genes_are(name, text, genes):
    assert gene_file_genes(text.encode(), name) == genes
    assert list(read_gene_sets(text, name).signatures[0].genes) == genes


def test_bytes_that_windows_does_not_use_are_latin_1():
    assert gene_file_genes(b"\x81A\nB\xe9\n", "a.txt") == ["\x81A", "Bé"]


def test_columns_that_are_not_read_are_told():
    (note,) = read_gene_sets("gene,cell\nCD3D,T\nLYZ,M\n", "a.csv").notes
    assert note == "The genes are those of the column 'gene'; other columns were not read."


@given(st.binary(max_size=200), st.sampled_from(["a.txt", "a.csv", "a.tsv", "a.gmt", "a"]))
def test_any_bytes_are_the_same_genes_or_refused(content, name):
    try:
        genes = gene_file_genes(content, name)
    except CellucidError:
        with pytest.raises(CellucidError):
            read_gene_sets(content, name)
        return
    assert all(gene and gene == gene.strip() for gene in genes)
    try:
        sets = read_gene_sets(content, name)
    except CellucidError:
        return
    if all(one.weights is None for one in sets.signatures) and not name.endswith(".gmt"):
        assert [gene for one in sets.signatures for gene in one.genes] == genes


symbols = st.text("ABCdef019-._ ", min_size=1, max_size=8).map(str.strip).filter(lambda s: any(c.isalpha() for c in s))


@given(
    st.lists(symbols.filter(lambda s: s.lower() not in ("e", "a")), min_size=2, max_size=8, unique=True),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from([".txt", ".csv", ".tsv", ".dat"]),
)
def test_a_list_with_or_without_header_and_weights(genes, header, weights, encoding, end, suffix):
    mark = "," if suffix == ".csv" else "\t"
    lines = [f"{gene}{mark}{number + 0.5}" if weights else gene for number, gene in enumerate(genes)]
    head = ["gene" + f"{mark}weight" * weights] if header else []
    content = end.join([*head, *lines]).encode(encoding)
    assert gene_file_genes(content, f"x{suffix}") == genes
    (found,) = read_gene_sets(content, f"x{suffix}").signatures
    assert list(found.genes) == genes
    assert (found.weights is not None) is weights


names = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=12)


@given(st.lists(names, min_size=1, max_size=6))
def test_the_file_that_does_an_export_again_holds_its_genes(given_names):
    ids = parse_genes("\n".join(given_names))
    if any(mark in gene for gene in ids for mark in "\"'“”‘’„`\x00") or not ids:
        return
    content = "".join(f"{line}\n" for line in ("gene", *map(quoted_gene, ids)))
    assert gene_file_genes(content.encode(), "genes.txt") == ids
