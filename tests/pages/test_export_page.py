"""The Export page: every setting reaches the file, and what is shown is true."""

from __future__ import annotations

import errno
import json
import shlex
import zipfile
from dataclasses import fields, replace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from cellucid_core.dataset import View
from cellucid_core.dataset.log_rule import log_rule_of
from cellucid_core.errors import WorkRefused
from cellucid_core.export import ExportSettings
from cellucid_core.prepared.decoding import PreparedExport
from cellucid_core.ranking.marker_genes import marker_genes
from pages.exporting import live
from tests.making import make_adata
from tests.pages.conftest import MAIN, ended
from tests.pages.test_pages import metric, texts, widget
from tests.patience import PATIENCE


def export(app):
    widget(app, "button", "Export").click().run()
    assert not app.exception
    assert not app.error
    return app.session_state["workspace"].export


@pytest.fixture
def asked(monkeypatch):
    """Return the list of the settings with which exports were asked for."""
    from pages.exporting import result as export_result

    settings, submit = [], export_result.submit

    def noted(work, arguments, **more):
        settings.append(arguments["settings"])
        return submit(work, arguments, **more)

    monkeypatch.setattr(export_result, "submit", noted)
    return settings


def genes(app, *parts):
    widget(app, "button_group", "Genes").set_value(list(parts)).run()
    assert not app.exception


def reset(app, label, value, kind):
    widget(app, kind, label).set_value(value).run()
    assert not app.exception


def identity_of(done):
    with zipfile.ZipFile(done.result.path) as archive:
        name = next(n for n in archive.namelist() if n.endswith("dataset_identity.json"))
        return json.loads(archive.read(name)), archive.namelist()


def test_it_writes_and_offers_the_zip(open_app):
    app = open_app("export.py")
    genes(app, "list")
    reset(app, "Gene list", "CD3D, NOT1X", "text_area")
    assert "1 gene is not in the dataset: NOT1X" in texts(app).replace("\\", "")
    assert widget(app, "button", "Export").disabled
    widget(app, "checkbox", "Export without this gene").check().run()
    reset(app, "Id", "my-pbmc", "text_input")
    done = export(app)
    assert (done.result.n_genes, done.result.verified) == (1, True)
    with zipfile.ZipFile(done.result.path) as archive:
        assert {name.split("/")[0] for name in archive.namelist()} == {"my-pbmc"}
    assert app.get("link_button")[0].proto.url.endswith(done.token)
    shown = texts(app)
    assert f"All {done.result.arrays:,} arrays verified" in shown
    assert f"largest error {done.result.max_error_steps:.2f} quantization steps" in shown
    assert done.result.sha256 in [element.value for element in app.get("code")]


SETTINGS = [
    ("selectbox", "Genes as", "Exact (float32)", {"var_quantization": None}),
    ("selectbox", "Genes as", "16 bit", {"var_quantization": 16}),
    ("selectbox", "Numeric columns as", "8 bit", {"obs_quantization": 8}),
    ("selectbox", "Numeric columns as", "Exact (float32)", {"obs_quantization": None}),
    ("slider", "Compression", 0, {"compression": 0}),
    ("toggle", "Neighbour graph (connectivities)", False, {"graph": False}),
    ("selectbox", "Category codes", "16 bit (65,534)", {"categorical_dtype": "uint16"}),
    ("number_input", "Threads", 1, {"threads": 1}),
    ("number_input", "Fewest cells for a centroid", 40, {"centroid_min_points": 40}),
    ("number_input", "Share of cells for a centroid", 0.5, {"centroid_quantile": 0.5}),
    ("toggle", "Centroids", False, {"centroid_quantile": None}),
    ("text_input", "Id", "other", {"dataset_id": "other"}),
    ("text_input", "Name", "Other", {"name": "Other"}),
    ("text_area", "Description", " words ", {"description": "words"}),
    ("text_input", "Source", "Lab", {"source_name": "Lab"}),
    ("text_input", "Address", "https://example.org", {"source_url": "https://example.org"}),
    ("text_input", "Citation", "Someone 2020", {"source_citation": "Someone 2020"}),
]


@pytest.mark.parametrize(("kind", "label", "value", "expected"), SETTINGS)
def test_every_setting_reaches_the_export(open_app, asked, kind, label, value, expected):
    app = open_app("export.py")
    genes(app)  # none: quick
    reset(app, label, value, kind)
    export(app)
    (settings,) = asked
    assert {name: getattr(settings, name) for name in expected} == expected


def test_no_setting_is_forgotten():
    tested = {name for *_, expected in SETTINGS for name in expected}
    assert {item.name for item in fields(ExportSettings)} - tested == {"genes", "vectors", "format", "launch"}


def test_settings_reach_the_file(open_app):
    app = open_app("export.py")
    for kind, label, value in (
        ("selectbox", "Genes as", "Exact (float32)"),
        ("selectbox", "Numeric columns as", "8 bit"),
        ("slider", "Compression", 0),
        ("selectbox", "Category codes", "16 bit (65,534)"),
        ("multiselect", "Cell columns", ["phase"]),
        ("text_input", "Citation", "Someone 2020"),
    ):
        reset(app, label, value, kind)
    done = export(app)
    identity, names = identity_of(done)
    assert identity["export_settings"] == {
        "compression": None,
        "var_quantization": None,
        "obs_continuous_quantization": 8,
        "obs_categorical_dtype": "uint16",
    }
    assert [field["key"] for field in identity["obs_fields"]] == ["phase"]
    assert identity["source"] == {"citation": "Someone 2020"}
    assert "pbmc68k_reduced/obs/phase.codes.u16" in names
    assert "Columns left out: bulk" in texts(app)


def test_vector_fields_can_be_left_out(open_app, opened):
    adata = make_adata()
    adata.obsm["velocity_umap"] = adata.obsm["X_umap"] / 10
    app = open_app("export.py", opened(adata))
    assert "vector_fields" in identity_of(export(app))[0]
    reset(app, "Vector fields (velocity\\_umap)", False, "toggle")
    assert "vector_fields" not in identity_of(export(app))[0]


def test_a_union_of_genes(open_app, asked, demo_view):
    app = open_app("export.py")
    genes(app, "hvg", "markers", "list")
    reset(app, "Number of highly variable genes", 5, "number_input")
    reset(app, "Markers of each category of", "louvain", "selectbox")
    reset(app, "Genes per category", 2, "number_input")
    reset(app, "Gene list", "CD3D", "text_area")
    export(app)
    choice = asked[0].genes
    assert [part.kind for part in choice.each] == ["hvg", "markers", "list"]
    found = int(metric(app, "Genes"))
    series = demo_view.obs("louvain")
    codes, rule = series.cat.codes.to_numpy(), log_rule_of(demo_view)
    marking, _ = marker_genes(demo_view.expression, codes, len(series.cat.categories), 2, rule=rule)
    with PreparedExport(app.session_state["workspace"].export.result.path) as written:
        order = list(written.genes)
        assert order == list(dict.fromkeys([*order[:5], *demo_view.gene_ids[np.concatenate(marking)], "CD3D"]))
        assert len(written.genes) == found


def test_choices_fit_what_is_there_after_another_matrix_is_taken(open_app):
    app = open_app("export.py")
    genes(app, "hvg", "markers")
    reset(app, "Number of highly variable genes", 700, "number_input")
    reset(app, "Genes per category", 700, "number_input")
    reset(app, "Markers of each category of", "louvain", "selectbox")
    work = app.session_state["workspace"]
    work.mapping = work.choices = replace(
        work.choices, genes_kept=np.arange(500), kinds={"louvain": "continuous", "bulk_labels": "categorical"}
    )
    app.run()
    assert not app.exception
    assert widget(app, "number_input", "Number of highly variable genes").value == 500
    assert widget(app, "number_input", "Genes per category").value == 500
    assert widget(app, "selectbox", "Markers of each category of").value == "bulk_labels"


def test_leaving_genes_out_needs_a_word_for_each_list(open_app):
    app = open_app("export.py")
    genes(app, "list")
    reset(app, "Gene list", "CD3D, NOT1X", "text_area")
    widget(app, "checkbox", "Export without this gene").check().run()
    assert not widget(app, "button", "Export").disabled
    reset(app, "Gene list", "CD3D, NOT2X", "text_area")
    assert widget(app, "button", "Export").disabled


def test_all_genes_and_some_exclude_each_other(open_app):
    app = open_app("export.py")
    genes(app, "all", "hvg")
    assert widget(app, "button_group", "Genes").value == ["hvg"]
    genes(app, "hvg", "all")
    assert widget(app, "button_group", "Genes").value == ["all"]
    genes(app)
    assert "No gene is exported" in texts(app)
    assert metric(app, "Genes") == "0"


def test_presets_set_the_widgets_and_any_change_is_custom(open_app, asked):
    app = open_app("export.py")

    def preset():
        return widget(app, "button_group", "Preset").value

    assert preset() == "share"
    widget(app, "button_group", "Preset").set_value("publish").run()
    assert preset() == "publish"
    assert widget(app, "selectbox", "Genes as").value == "16 bit"
    assert "Readers will want to know" in texts(app)
    reset(app, "Citation", "Someone 2020", "text_input")
    assert preset() == "publish"
    assert "Readers will want to know" not in texts(app)
    reset(app, "Compression", 9, "slider")
    assert preset() == "custom"
    widget(app, "button_group", "Preset").set_value("quick").run()
    assert not widget(app, "toggle", "Neighbour graph (connectivities)").value
    assert widget(app, "slider", "Compression").value == 6
    export(app)
    assert asked[0].graph is False


def test_the_plan_changes_with_the_settings(open_app):
    app = open_app("export.py")
    before = metric(app, "Files"), metric(app, "Size")
    genes(app, "hvg")
    reset(app, "Number of highly variable genes", 10, "number_input")
    assert (metric(app, "Files"), metric(app, "Size")) != before
    assert metric(app, "Genes") == "10"
    assert int(metric(app, "Files")) == export(app).result.files


def test_another_format_hides_what_does_not_apply(open_app):
    app = open_app("export.py")
    widget(app, "button_group", "Format").set_value("h5ad").run()
    assert not app.exception
    assert "today's Cellucid web app" in texts(app).replace("\\", "")
    assert not [box for box in app.selectbox if box.label == "Genes as"]
    assert metric(app, "Files") == "1"
    widget(app, "button_group", "Format").set_value("compact").run()
    assert widget(app, "selectbox", "Genes as").value == "8 bit"


def test_the_preview_is_of_the_written_file(open_app):
    app = open_app("export.py")
    export(app)
    assert "Decoded from the written file" in texts(app)
    box = widget(app, "selectbox", "Colour the written file by")
    assert {"phase", "CD3D (gene)"} <= set(box.options)
    for name in ("CD3D (gene)", "n_counts", "phase"):
        widget(app, "selectbox", "Colour the written file by").select(name).run()
        assert not app.exception
        assert app.get("vega_lite_chart") or app.get("arrow_vega_lite_chart")
    app.session_state["workspace"].export.result.path.unlink()
    app.run()
    assert not app.exception
    assert "does not exist" in app.error[0].value


def test_a_file_for_todays_viewer_has_a_preview(open_app):
    app = open_app("export.py")
    widget(app, "button_group", "Format").set_value("h5ad").run()
    export(app)
    assert "in **1 file**" in texts(app)
    assert "Decoded from the written file" in texts(app)
    for name in ("CD3D (gene)", "phase"):
        widget(app, "selectbox", "Colour the written file by").select(name).run()
        assert not app.exception
        assert app.get("vega_lite_chart") or app.get("arrow_vega_lite_chart")


def test_settings_that_make_no_sense_hide_nothing(open_app):
    app = open_app("export.py")
    export(app)
    widget(app, "text_input", "Id").set_value("a b").run()
    assert not app.exception
    assert "'a b'" in app.error[0].value
    assert widget(app, "button_group", "Preset").value == "custom"
    assert "Decoded from the written file" in texts(app)
    assert not [button for button in app.button if button.label == "Export"]
    widget(app, "text_input", "Id").set_value("ab").run()
    assert not app.error
    assert widget(app, "button", "Export")


def test_do_it_again_shows_both(open_app):
    app = open_app("export.py")
    genes(app, "hvg")
    reset(app, "Number of highly variable genes", 4, "number_input")
    done = export(app)
    code = [element.value for element in app.get("code")]
    assert done.again.command in code
    assert done.again.python.strip() in code
    words = shlex.split(done.again.command.replace("\\\n", " "))
    assert words[words.index("--genes") + 1] == "hvg:4"


def another_session(demo):
    from pages.session.state import Workspace

    app = AppTest.from_file(str(MAIN), default_timeout=PATIENCE).run()
    app.session_state["workspace"] = Workspace()
    app.session_state["workspace"].open(demo)
    app.switch_page("export.py")
    return app.run()


def test_a_new_session_finds_what_was_written(me, open_app, demo):
    done = export(open_app("export.py"))
    app = another_session(demo)
    assert not app.exception
    found = app.session_state["workspace"].export
    assert found.result == done.result
    assert "arrays verified" in texts(app)
    assert "settings have changed" not in texts(app)
    reset(app, "Compression", 1, "slider")
    assert export(app).result.path != done.result.path


def fail(*arguments, **more):
    raise WorkRefused("The disk is on fire.", "Run.")


def test_what_went_wrong_is_told_once(me, open_app, demo, monkeypatch):
    from cellucid_core.serving.jobs import tasks

    app = open_app("export.py")
    monkeypatch.setattr(tasks, "write", fail)
    widget(app, "button", "Export").click().run()
    assert "The disk is on fire" in app.error[0].value
    assert not widget(app, "button", "Export").disabled
    for one in (app.run(), another_session(demo)):
        assert not one.error
        assert not one.exception


def test_what_went_wrong_while_nobody_looked_is_told_once(me, open_app, demo, monkeypatch):
    from cellucid_core.serving.jobs import tasks
    from pages.exporting import result as export_result

    app = open_app("export.py")
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(tasks, "write", fail)
        meanwhile.setattr(export_result, "follow", lambda *_: export_result.st.stop())  # the page was closed
        widget(app, "button", "Export").click().run()
        assert not app.error
        ended(me, "export")
    other = another_session(demo)
    assert "The disk is on fire" in other.error[0].value
    for one in (other.run(), another_session(demo)):
        assert not one.error
        assert not one.exception


def test_an_export_that_is_refused_or_cancelled_takes_nothing_away(open_app, monkeypatch):
    from pages.exporting import result as export_result

    app = open_app("export.py")
    before = export(app)
    reset(app, "Compression", 1, "slider")
    with monkeypatch.context() as busy:
        busy.setattr(export_result, "submit", fail)
        widget(app, "button", "Export").click().run()
    assert "The disk is on fire" in app.error[0].value
    assert app.session_state["workspace"].export is before
    with monkeypatch.context() as clicked:
        clicked.setattr(export_result, "follow", lambda job, *_: (job.wait(), job.change(state="cancelled")))
        widget(app, "button", "Export").click().run()
    assert not app.exception
    assert "Cancelled" in texts(app)
    assert app.session_state["workspace"].export is before


def test_what_others_delete_meanwhile_is_in_nobodys_way(open_app, home):
    from cellucid_core.cache.home import home_folder

    gone = home_folder("exports") / "deleted between listing and looking.zip"
    gone.symlink_to("nowhere")
    assert export(open_app("export.py")).result.path.is_file()
    gone.unlink()


def test_a_later_change_is_told(open_app):
    app = open_app("export.py")
    export(app)
    assert "settings have changed since" not in texts(app)
    reset(app, "Compression", 1, "slider")
    assert "settings have changed since" in texts(app)


def test_a_full_disk_is_a_sentence_and_leaves_nothing(open_app, monkeypatch, home):
    from cellucid_core.export.sink import ZipSink

    before = set((home / "exports").glob("*")) | set((home / "exports").glob(".*"))
    app = open_app("export.py")
    original = ZipSink.add

    def full(self, name, data):
        if "/CD3D." in name or self.files > 30:
            raise OSError(errno.ENOSPC, "No space left on device")
        original(self, name, data)

    monkeypatch.setattr(ZipSink, "add", full)
    widget(app, "button", "Export").click().run()
    assert not app.exception
    assert "No space left on device" in app.error[0].value
    assert "nothing was kept" in app.error[0].value
    assert app.session_state["workspace"].export is None
    assert set((home / "exports").glob("*")) | set((home / "exports").glob(".*")) == before
    monkeypatch.setattr(ZipSink, "add", original)
    export(app)  # the next try works


def test_without_a_cookie_the_way_out_is_told(open_app, monkeypatch):
    from pages.widgets import download

    monkeypatch.setattr(download, "browser_of", lambda cookies: None)
    app = open_app("export.py")
    genes(app)
    widget(app, "button", "Export").click().run()
    assert "Allow cookies" in texts(app)
    assert not app.get("link_button")


def test_a_bad_id_is_a_sentence(open_app):
    app = open_app("export.py")
    reset(app, "Id", "../etc", "text_input")
    assert "is not a valid folder name" in app.error[0].value


def test_only_unknown_genes_is_a_sentence(open_app):
    app = open_app("export.py")
    genes(app, "list")
    reset(app, "Gene list", "<b>NOT1X</b>, :red[x]", "text_area")
    assert "None of the 2 genes" in app.error[0].value.replace("\\", "")


def test_fixes_and_left_out_columns_are_summed_up(open_app, opened):
    adata = make_adata()
    adata.obsm["X_umap"][3] = np.nan
    dataset = opened(adata)
    app = open_app("export.py", dataset)
    app.session_state["workspace"].fix("embedding-not-finite")
    reset(app, "Cell columns", ["donor"], "multiselect")
    done = export(app)
    shown = texts(app).replace("\\", "")
    assert "1 cell left out" in shown
    assert "Columns left out: cell_type, score, treated" in shown
    assert "--fix embedding-not-finite" in done.again.command
    assert "--obs-keys donor" in done.again.command
    assert View(dataset, app.session_state["workspace"].mapping).n_cells == 59


def test_a_live_link_is_made_listed_and_withdrawn(open_app):
    app = open_app("export.py")
    widget(app, "button", "Make a live link").click().run()
    assert not app.exception
    assert not app.error
    code = [block.value for block in app.code]
    address = next(text for text in code if "/live/" in text)
    assert len(address.rpartition("/live/")[2].strip("/")) == 43
    assert any("fsspec.open" in text for text in code)
    assert "not read yet" in texts(app)
    widget(app, "button", "Withdraw").click().run()
    assert not [text.value for text in app.code if "/live/" in text.value]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(5, "1 minute"), (3600, "1 hour"), (86399, "1 day"), (7 * 86400 - 1, "7 days"), (30 * 3600, "30 hours")],
)
def test_how_long_a_link_lasts_is_said_in_words(seconds, words):
    assert live._about(seconds) == words


def test_live_links_can_be_turned_off(open_app, monkeypatch):
    monkeypatch.setenv("CELLUCID_LIVE_LINKS", "off")
    app = open_app("export.py")
    assert "Make a live link" not in [button.label for button in app.button]
