"""The embedding on the pages: beside the pages, alone, outlined, and turning."""

from __future__ import annotations

import json

from tests.making import make_adata
from tests.pages.test_pages import widget


def specs(app):
    return [json.loads(chart.proto.spec) for chart in app.get("vega_lite_chart")]


def on_embedding(app):
    app.session_state["signature_tabs"] = "Embedding"
    app.run()
    assert not app.exception
    return app


def test_score_beside_pages_then_outlined_then_in_3d(open_app):
    app = on_embedding(open_app("gene_signature.py"))
    pair = specs(app)[-1]
    assert len(pair["hconcat"]) == 2
    widget(app, "selectbox", "Outline").select("CD19+ B").run()
    assert all("layer" in one for one in specs(app)[-1]["hconcat"])
    widget(app, "button_group", "Show").set_value("Score").run()
    assert not app.exception
    assert "layer" in specs(app)[-1]
    widget(app, "button_group", "Show").set_value("In 3D").run()
    assert not app.exception
    (cloud,) = app.get("deck_gl_json_chart")
    assert len(json.loads(cloud.proto.json)["layers"][0]["data"]) == 700


def test_without_the_embedding_that_was_shown(open_app, opened):
    adata = make_adata()
    app = open_app("gene_signature.py", opened(adata))
    widget(app, "text_area", "Signature genes").set_value("GENE1, GENE2").run()
    on_embedding(app)
    work = app.session_state["workspace"]
    work.choose(embeddings={1: work.choices.embeddings[1]} if 1 in work.choices.embeddings else {})
    app.run()
    assert not app.exception


def test_preflight_turns_a_3d_embedding(open_app):
    app = open_app("upload_preflight.py")
    assert {one["name"] for one in specs(app)[0]["params"]} == {"zoom", "isolate"}
    widget(app, "button_group", "Dimensions").set_value(3).run()
    assert not app.exception
    assert len(app.get("deck_gl_json_chart")) == 1
