"""The report as JSON and as a page: complete, escaped, self-contained."""

from __future__ import annotations

import json

import numpy as np

from cellucid_core.dataset import View
from cellucid_core.preflight import RULES, apply_fixes, preflight, report_json
from cellucid_core.reports import preflight_html
from tests.making import make_adata
from tests.reports.parsing import Tags


def broken(viewed):
    adata = make_adata()
    adata.obs["<script>alert(1)<b>"] = [f"b{i}" for i in range(60)]
    adata.obsm["X_umap"][0] = np.nan
    adata.obs_names = ["<b>&\"'", *adata.obs_names[1:]]
    return viewed(adata)


def test_html_is_escaped_complete_and_loads_nothing(viewed):
    view = broken(viewed)
    report = preflight(view)
    page = preflight_html(view, report)
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert not [tag for tag, _ in tags.seen if tag in ("script", "link", "img", "iframe", "b>")]
    assert not [attrs for _, attrs in tags.seen if {"src", "href", "onload"} & set(attrs)]
    text = "".join(tags.text)
    assert "url(" not in text
    assert "@import" not in text
    for found in report.findings:
        assert found.title in text
        assert found.detail in text
        assert all(name in text for name in found.examples)
    assert "<script>alert(1)<b>" in text
    assert "@page" in text


def test_html_lists_what_was_fixed_with_its_code(viewed):
    view = broken(viewed)
    fixed = View(view.dataset, apply_fixes(view.dataset, view.mapping, ["all"]))
    tags = Tags()
    tags.feed(preflight_html(fixed, preflight(fixed)))
    text = "".join(tags.text)
    assert "1 cell left out: embedding not finite" in text
    assert "adata = adata[keep].copy()" in text
    assert "59 (1 left out)" in text
    assert "Ready" in text


def test_json_can_be_written_and_read(viewed):
    view = broken(viewed)
    result = report_json(view, preflight(view))
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert (result["status"], result["light"]) == ("blocked", "red")
    assert result["chosen"]["embeddings"] == {"2d": "X_umap"}


def test_the_rules_are_the_specified_ones():
    assert sorted(rule.id for rule in RULES) == sorted(
        """no-cells embedding-missing embedding-shape embedding-not-finite embedding-placeholder embedding-collapsed
        latent-missing latent-not-finite rows-misaligned cell-ids-duplicate obs-category-count obs-one-value-per-cell
        obs-numeric-labels obs-numeric-text obs-datetime obs-mixed-types obs-all-missing obs-not-finite key-collision
        key-case-collision key-reserved-name expression-missing expression-orientation var-length gene-id-column
        gene-ids-duplicate gene-ids-unlike expression-not-finite expression-scale expression-double-log gene-names-excel
        gene-species-mixed cells-unfiltered genes-all-zero expression-size connectivity-shape connectivity-values
        vector-shape vector-id vector-without-points names-spaces
        parts-scale parts-species parts-genes parts-embedding""".split()  # noqa: SIM905
    )
