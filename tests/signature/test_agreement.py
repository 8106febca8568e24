"""Donors in the sentence, and columns that name donors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cellucid_core.cell_pages import Page, rest_of
from cellucid_core.signature import run_signature, sample_columns, unit_word
from cellucid_core.signature.statistics.agreement import agreement
from cellucid_core.signature.statistics.replicates import owned_scores
from tests.making import make_adata
from tests.signature.signature_values import as_adata


def test_agreement_by_hand():
    donors = np.array(["a", "a", "b", "b", "c", None, "a", "b"], dtype=object)
    pages = [Page("A", np.array([0, 2, 4, 5])), Page("B", np.array([1, 3])), Page("C", np.array([6, 7]))]
    scores = [np.array([5.0, 1, 9, 9]), np.array([1.0, 2]), np.array([1.0, np.nan])]
    owned = owned_scores(pages, scores, donors)
    assert owned[0].means().to_dict() == {"a": 5, "b": 1, "c": 9}
    result = agreement(owned[0], owned[1:])
    assert (result.n, result.higher, result.lower) == (2, 1, 1)  # a: 5 > 1, b: 1 < 2, c is on one side only


@pytest.fixture
def donors(viewed):
    """Three donors; the first 150 cells score higher in all of them, the next 150 only in one."""
    x = np.random.default_rng(0).normal(5, 1, (600, 5))
    owner = np.arange(600) % 3
    x[:150] += 2
    x[150:300] += np.where(owner[150:300] == 0, 9, -1)[:, None]
    adata = as_adata(x, "dense")
    adata.obs["patient_id"] = pd.Categorical([f"p{i}" for i in owner])
    adata.obs["sampleID"] = ["left" if i < 150 else "right" for i in range(600)]
    return viewed(adata)


GENES = ["g0", "g1", "g2"]


def test_sentence_says_how_many_agree(donors):
    page, other = Page("T", np.arange(150)), Page("B", np.arange(150, 300))
    bulk = Page("Bulk", np.arange(300, 600))
    said = run_signature(donors, GENES, pages=[page, rest_of(page, 600)], sample_key="patient_id").headline
    assert said.startswith("T scores higher than the rest: d = ")
    assert said.endswith("; 2 of 3 patients agree")
    assert run_signature(donors, GENES, pages=[page, bulk], sample_key="patient_id").headline.endswith(
        "3 of 3 patients agree"
    )
    assert run_signature(donors, GENES, pages=[bulk, page], sample_key="patient_id").headline.endswith(
        "3 of 3 patients agree"
    )
    said = run_signature(donors, GENES, pages=[page, other, bulk], sample_key="patient_id").headline
    assert said.startswith("B scores highest")
    assert said.endswith("1 of 3 patients agree")
    apart = run_signature(donors, GENES, pages=[page, bulk], sample_key="sampleID").headline
    assert "no sample is on both sides" in apart
    assert "agree" not in run_signature(donors, GENES, pages=[page, bulk]).headline
    halves = [Page("X", np.arange(300, 450)), Page("Y", np.arange(450, 600))]
    same = run_signature(donors, GENES, pages=halves, sample_key="patient_id").headline
    assert "about the same" in same
    assert "X is higher in" in same


def test_columns_of_donors_are_found(viewed):
    adata = make_adata(200)
    names = {
        "batch": np.arange(200) % 4,
        "orig.ident": np.arange(200) % 2,
        "DonorID": [f"d{i % 5}" for i in range(200)],
        "donor_age": np.arange(200) % 3,
        "sample_score": np.random.default_rng(0).normal(size=200),
        "sample": ["only"] * 200,
        "patient": [f"p{i}" for i in range(200)],
        "resampled": ["x", "y"] * 100,
    }
    for name, column in names.items():
        adata.obs[name] = column
    assert sample_columns(viewed(adata)) == ["donor", "DonorID", "orig.ident", "batch"]
    assert [unit_word(name) for name in ("DonorID", "patient.id", "x", "orig.ident")] == [
        "donors",
        "patients",
        "samples",
        "samples",
    ]
