"""An analysis as one HTML file: complete, escaped, self-contained; figures are drawn, numbers are those of the run."""

from __future__ import annotations

from base64 import b64decode
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from cellucid_core import charts
from cellucid_core.cell_pages import choose_pages
from cellucid_core.reports import ReportFigure, signature_html
from cellucid_core.signature import every_method, run_signature
from cellucid_core.signature.statistics import mixed_model
from tests.making import make_adata
from tests.reports.parsing import Tags

HOSTILE = "</pre></script><script>alert(1)</script><img src=x onerror=alert(2)>\u202eeno &amp; \"'"


@pytest.fixture
def run_of(viewed):
    """Return a view and a run on it."""

    def make(adata=None, **more):
        view = viewed(adata if adata is not None else make_adata())
        pages = choose_pages(view, "cell_type")
        return view, run_signature(view, "GENE1, GENE2, GENE2, nope", pages=pages, **more)

    return make


def pictures(tags):
    """The drawings of a report."""
    for tag, attrs in tags.seen:
        if tag == "img":
            kind, _, content = attrs["src"].partition(";base64,")
            assert attrs["alt"]
            yield kind.removeprefix("data:"), b64decode(content, validate=True)


def test_complete_and_self_contained(run_of):
    view, run = run_of(sample_key="donor")
    found = every_method(view, run.match, run.spoken, method=run.method, seed=0, options=run.options)
    fits = mixed_model(run.spoken, run.scores, view.obs("donor"), p_adjust=run.p_adjust)
    page = signature_html(view, run, every_method=found, mixed_model=fits, made={"B": "by hand"})
    tags = Tags.of(page)
    text = " ".join(tags.text)
    for words in (run.headline, found.sentence, *run.warnings, "GENE2", "nope", "by hand", view.dataset.content_hash):
        assert words in text
    for value in run.summary["mean"]:
        assert f"{value:.3g}" in text
    assert "import cellucid_core as cc" in text
    assert "Linear mixed model" in text
    assert not [attrs for _, attrs in tags.seen if {"href", "onload", "onerror"} & set(attrs)]
    assert all(attrs.get("src", "data:").startswith("data:") for _, attrs in tags.seen)
    drawn = list(pictures(tags))
    assert len(drawn) == 4  # samples, violins, genes, embedding
    for kind, picture in drawn:
        assert kind == "image/svg+xml"
        assert ElementTree.fromstring(picture).get("width") == "180mm"


def test_the_chart_that_is_shown_and_values_within_pages(run_of):
    view, run = run_of(split_key="treated")
    shown = ReportFigure("Boxes", "Box: middle half", lambda room: charts.box(run.spoken, run.scores, "Y", room=room))
    tags = Tags.of(signature_html(view, run, scores=shown))
    text = " ".join(tags.text)
    assert "Box: middle half" in text
    assert "treated within each page" in text
    assert [attrs["alt"] for tag, attrs in tags.seen if tag == "img"][:2] == ["Boxes", "Each gene in each page"]
    plain = " ".join(Tags.of(signature_html(view, run)).text)
    assert charts.SPLIT_CAPTION in plain
    assert charts.SPLIT_PER_SAMPLE_CAPTION not in plain
    view, run = run_of(split_key="treated", sample_key="donor")
    assert charts.SPLIT_PER_SAMPLE_CAPTION in " ".join(Tags.of(signature_html(view, run)).text)


def test_many_pages_have_a_matrix_of_pairs(run_of):
    adata = make_adata()
    adata.obs["cell_type"] = pd.Categorical(np.resize([f"kind {i}" for i in range(7)], adata.n_obs))
    view, run = run_of(adata)
    tags = Tags.of(signature_html(view, run))
    assert f"All {len(run.tests)} tests" in " ".join(tags.text)
    assert ("table", {"class": "matrix"}) in tags.seen


def test_words_of_the_data_are_words(run_of):
    adata = make_adata()
    adata.obs["cell_type"] = adata.obs["cell_type"].cat.rename_categories({"B": HOSTILE})
    adata.var_names = [HOSTILE if name == "GENE1" else name for name in adata.var_names]
    view, run = run_of(adata)
    tags = Tags.of(signature_html(view, run, replaced={HOSTILE: "GENE2"}))
    assert not [tag for tag, _ in tags.seen if tag in ("script", "link", "iframe", "object")]
    assert HOSTILE in "".join(tags.text)


def test_one_group_without_an_embedding(viewed):
    adata = make_adata()
    adata.obsm.clear()
    view = viewed(adata)
    tags = Tags.of(signature_html(view, run_signature(view, "GENE1")))
    assert len(list(pictures(tags))) == 2


def test_very_many_marks_become_a_picture():
    many = np.random.default_rng(0).normal(size=(12_000, 2))
    figure = ReportFigure("x", "x", lambda room: charts.embedding(many, many[:, 0], "x", room=room))
    assert figure.source().startswith("data:image/png;base64,")
