"""Signature files as people have them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cellucid_core.errors import InputError
from cellucid_core.genes import GeneSet, read_gene_sets, read_gmt


def one(text: str | bytes, name: str = "my list.csv") -> GeneSet:
    sets = read_gene_sets(text, name)
    assert len(sets.signatures) == 1
    return sets.signatures[0]


def test_gmt():
    text = "A\tfirst one\tCD3E\tCD4\t\r\n\nB\thttp://x\tMS4A1\nbroken line\n"
    text += "A\tagain\tCD4\nEMPTY\tnothing\t\n\tno name\tX\n"
    sets = read_gene_sets(text, "sets.gmt")
    assert [(s.name, s.genes, s.description) for s in sets.signatures] == [
        ("A", ("CD3E", "CD4"), "first one"),
        ("B", ("MS4A1",), "http://x"),
        ("A-1", ("CD4",), "again"),
    ]
    notes = " ".join(sets.notes)
    assert "Lines 4, 7" in notes
    assert "EMPTY" in notes
    assert "1 names occur more than once" in notes


def test_a_gmt_of_thirty_thousand_lines():
    text = "".join(f"S{i}\td\t" + "\t".join(f"G{i + k}" for k in range(20)) + "\n" for i in range(30_000))
    sets = read_gmt(text)
    assert len(sets.signatures) == 30_000
    assert sets.signatures[-1].genes[-1] == "G30018"
    assert sets.notes == []


NAME = st.text(
    st.characters(codec="utf-8", exclude_characters="\t\r\n\"'\ufeff", exclude_categories=["Cc", "Zs", "Zl", "Zp"]),
    min_size=1,
)


@given(st.dictionaries(NAME, st.lists(NAME, min_size=1, max_size=5), min_size=1, max_size=5))
@example({"#1": ["A"]})
@example({"A\u2028B": ["C\u2028D"]})
def test_gmt_round_trip(sets):
    text = "\n".join("\t".join([name, "d", *genes]) for name, genes in sets.items())
    read = read_gmt(text).signatures
    assert {s.name.strip(): s.genes for s in read} == {
        name.strip(): tuple(g.strip() for g in genes) for name, genes in sets.items()
    }


@pytest.mark.parametrize("text", ["", " \n\t\n", "one line\n", "A\td\t\t\n"])
def test_no_signature_is_said(text):
    with pytest.raises(InputError):
        read_gene_sets(text, "x.gmt")


@pytest.mark.parametrize(
    ("text", "genes", "weights"),
    [
        ("CD3E,1\nCD4,-2.5\n", ("CD3E", "CD4"), (1, -2.5)),
        ("gene,weight\nCD3E,1\nCD4,2\n", ("CD3E", "CD4"), (1, 2)),
        ("weight\tgene\n1\tCD3E\n2\tCD4", ("CD3E", "CD4"), (1, 2)),
        ("names;whatever\nCD3E;1e-3\nCD4;2", ("CD3E", "CD4"), (0.001, 2)),
        ("names;logfoldchanges\nCD3E;1,5\nCD4;2", ("CD3E", "CD4"), (1.5, 2)),
        ('"a,b",3\n"x ""y""",4', ("a,b", 'x "y"'), (3, 4)),
        ("rank,gene,pvals,logFC\n1,CD3E,0.1,2\n2,CD4,0.2,3", ("CD3E", "CD4"), (2, 3)),
        ("CD3E\nCD4\nCD3E", ("CD3E", "CD4", "CD3E"), None),
        ("gene\nCD3E\nCD4", ("CD3E", "CD4"), None),
        ("CD3E,CD4,MS4A1", ("CD3E", "CD4", "MS4A1"), None),
        ("CD3E,CD4", ("CD3E", "CD4"), None),
        ("CD3E,CD4\nCD8A,CD8B", ("CD3E", "CD8A"), None),
    ],
)
def test_tables(text, genes, weights):
    signature = one(text)
    assert (signature.name, signature.genes, signature.weights) == ("my list", genes, weights)
    assert one(("\ufeff" + text).encode()).genes == genes
    assert one(text.encode("utf-16")).genes == genes


def test_what_is_wrong_with_weights_is_said():
    sets = read_gene_sets("gene,weight\nA,1\nB,nan\nC,\n,3\nD,inf\nE,-1\nA,2\n", "w.csv")
    assert sets.signatures[0].genes == ("A", "E", "A")
    notes = " ".join(sets.notes)
    assert "Rows 3 (B, nan), 4 (C, no weight), 5 (no gene, 3) and 1 more" in notes
    assert "E has a negative weight" in notes
    assert "A: listed with different weights" in notes


@pytest.mark.parametrize(
    ("name", "text", "note"),
    [
        (
            "long.csv",
            "set,gene,weight\nA,CD3E,1\nA,,2\nB,CD4,nan\n,CD8A,1\nB,MS4A1,2\n",
            "Rows (A, no gene, 2), (B, CD4, nan), (no set, CD8A, 1) left out: no set, no gene, or no finite weight.",
        ),
        ("long.csv", "set,gene\nA,CD3E\nB,\n", "Row (B, no gene) left out: no set or no gene."),
        ("sets.gmx", "A\t\nd\t\nCD3E\tCD4\n", "Column 2 left out: no name of a set."),
        (
            "sets.json",
            '{"A": ["CD3E", null, 1.5, {}], "B": "CD4"}',
            "Left out, since these are no genes: A (null), A (1.5), A ({…}) and 1 more.",
        ),
    ],
)
def test_what_is_left_out_of_a_file_of_sets_is_said(name, text, note):
    assert read_gene_sets(text, name).notes == [note]


@pytest.mark.parametrize("content", [b"\xff\x00\x01\xfe\x80", b"", b"a,b,c\n1,2,3\n4,5,6", b"gene,weight\nA,x\n"])
def test_what_cannot_be_read_is_said(content):
    with pytest.raises(InputError) as caught:
        read_gene_sets(content, "x.csv")
    assert caught.value.fix


@given(st.text(max_size=200), st.sampled_from(["x.gmt", "x.csv", "x.tsv"]))
def test_any_text_is_read_or_refused(text, name):
    try:
        sets = read_gene_sets(text, name)
    except InputError:
        return
    assert sets.signatures
    for signature in sets.signatures:
        assert signature.genes
        assert signature.weights is None or np.isfinite(signature.weights).all()
