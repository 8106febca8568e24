"""Gene lists as people paste them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellucid_core.genes import match_genes, parse_genes

IDS = np.array(["CD3E", "CD4", "MS4A1", "Actb", "ENSG00000123456", "a,b", "CD4"], dtype=object)


@pytest.mark.parametrize(
    ("text", "genes"),
    [
        ("CD3E, CD4, MS4A1", ["CD3E", "CD4", "MS4A1"]),
        ("CD3E\nCD4\r\nMS4A1\rX", ["CD3E", "CD4", "MS4A1", "X"]),
        ("CD3E;CD4\tMS4A1", ["CD3E", "CD4", "MS4A1"]),
        (" \"CD3E\" , 'CD4' ,“MS4A1”", ["CD3E", "CD4", "MS4A1"]),
        ('"a,b", c', ["a,b", "c"]),
        ("CD4,,;\n\n CD4", ["CD4", "CD4"]),
        ("HLA-DRA, NKX2-5, 5'UTR", ["HLA-DRA", "NKX2-5", "5'UTR"]),
        ("my gene, other", ["my gene", "other"]),
        ('"CD3E, CD4', ["CD3E", "CD4"]),
        ("\ufeffCD3E", ["CD3E"]),
        ("", []),
        (' ,;"" ', []),
    ],
)
def test_parse(text, genes):
    assert parse_genes(text) == genes


PLAIN = st.text(st.characters(codec="utf-8", exclude_characters=",;\t\r\n\"'“”‘’„`\ufeff\u2028\u2029"), min_size=1)


@given(
    st.lists(PLAIN.map(str.strip).filter(bool), max_size=8),
    st.lists(st.sampled_from([",", ";", "\t", "\n", "\r\n", " , ", "\n\n"]), min_size=8, max_size=8),
)
def test_any_separator_gives_the_same_genes(genes, separators):
    text = "".join(gene + mark for gene, mark in zip(genes, separators, strict=False))
    assert parse_genes(text) == genes


@given(st.text())
def test_parse_never_fails_and_never_returns_blanks(text):
    assert all(gene and gene == gene.strip() for gene in parse_genes(text))


def test_match_is_exact_in_order_and_once():
    match = match_genes(["MS4A1", "nope", "CD3E", "MS4A1", "nope"], IDS)
    assert match.found == ["MS4A1", "CD3E"]
    assert match.positions.tolist() == [2, 0]
    assert match.weights.tolist() == [1, 1]
    assert match.missing == ["nope"]
    assert match.repeated == ["MS4A1", "nope"]


def test_repeats_can_count():
    match = match_genes(["MS4A1", "CD3E", "MS4A1"], IDS, repeats="count")
    assert match.weights.tolist() == [2, 1]


def test_case_is_never_changed_silently_but_proposed():
    match = match_genes(["cd3e", "ACTB"], IDS)
    assert match.found == []
    assert match.only_proposals == {"cd3e": "CD3E", "ACTB": "Actb"}


def test_proposals_from_another_column_and_without_version():
    other = np.array(["T3E", "T4", "CD20", "Actin", "x", "y", "z"], dtype=object)
    match = match_genes(["CD20", "ENSG00000123456.7", "unknown"], IDS, other_ids={"alias": other})
    assert match.only_proposals == {"CD20": "MS4A1", "ENSG00000123456.7": "ENSG00000123456"}
    versioned = np.array(["ENSG00000000003.15"], dtype=object)
    assert match_genes(["ENSG00000000003"], versioned).only_proposals == {"ENSG00000000003": "ENSG00000000003.15"}


def test_an_id_that_the_dataset_repeats_is_its_first_and_said():
    match = match_genes(["CD4"], IDS)
    assert match.positions.tolist() == [1]
    assert match.ambiguous == ["CD4"]


def test_signs_are_read_only_where_asked():
    signed = match_genes(["CD3E+", "CD4-", "MS4A1", "gone-", "ms4a1-"], IDS, signed=True)
    assert list(zip(signed.found, signed.signs.tolist(), strict=True)) == [("CD3E", 1), ("CD4", -1), ("MS4A1", 1)]
    assert signed.missing == ["gone-", "ms4a1-"]
    assert signed.missing_signs.tolist() == [-1, -1]
    assert signed.only_proposals == {"ms4a1-": "MS4A1"}
    assert match_genes(["CD4-"], IDS).missing == ["CD4-"]
