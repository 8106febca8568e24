"""A session's work comes back in another session: by the browser, by the link, and to nobody else."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from streamlit.runtime.scriptrunner_utils.exceptions import RerunException, StopException
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData
from streamlit.testing.v1 import AppTest

from cellucid_core.cache.home import home_folder
from cellucid_core.cell_pages import SavedPage
from cellucid_core.database import DatabaseRefused
from cellucid_core.dataset import DatasetSource, open_dataset
from cellucid_core.genes import read_gene_sets
from cellucid_core.serving.workspaces import read_workspace
from pages.session import changes as fixing
from pages.session import keeping, owner
from pages.session.kept_widgets import fits
from pages.session.state import OpenGeneSets, Workspace
from tests.making import make_adata
from tests.pages.conftest import MAIN
from tests.pages.test_pages import PAGES, texts, widget
from tests.patience import PATIENCE
from tests.state import change, rows

_COUNT = itertools.count()


@pytest.fixture
def visit(monkeypatch, demo):
    """Return a function that opens the dashboard in a new session of somebody's browser."""
    os.environ["STREAMLIT_CLIENT_SHOW_ERROR_DETAILS"] = "full"
    test = next(_COUNT)
    now = {"who": ""}
    monkeypatch.setattr(owner, "browser_of", lambda cookies: now["who"])

    class Visit:
        """An AppTest of one browser; browsers of different tests are different."""

        def __init__(self, who="me", link=None, page=None):
            self.who = f"{test}-{who}"
            self.app = AppTest.from_file(str(MAIN), default_timeout=PATIENCE)
            if link is not None:
                self.app.query_params["workspace"] = link
            if page is not None:
                now["who"] = self.who
                self.app.switch_page(page)
            self.run()

        def run(self):
            now["who"] = self.who
            self.app.run()
            assert not self.app.exception
            return self

        def show(self, page):
            self.app.switch_page(page)
            return self.run()

        def open(self, path, name=None):
            work = Workspace()
            work.open(open_dataset(path, name), DatasetSource(str(path), name))
            self.app.session_state["workspace"] = work
            return self.run()

        def change(self, element, *value):
            now["who"] = self.who
            (element.set_value(*value) if value else element.click()).run()
            assert not self.app.exception
            return self

        @property
        def work(self):
            return self.app.session_state["workspace"]

        @property
        def keeper(self):
            return self.app.session_state["keeper"]

        @property
        def link(self):
            return self.app.query_params.get("workspace") or self.keeper.token or None  # no browser, no script

        @property
        def text(self):
            return texts(self.app).replace("\\", "")

    return Visit


@pytest.fixture
def uploaded(home):
    """Return a function that puts an AnnData where uploads are."""
    folder = Path(os.environ["CELLUCID_HOME"]) / "uploads"
    folder.mkdir(exist_ok=True)

    def put(adata):
        path = folder / f"{next(_COUNT):064x}.h5ad"
        adata.write_h5ad(path)
        return path

    return put


def damaged_adata(seed=None):
    adata = make_adata(seed=next(_COUNT) if seed is None else seed)
    adata.obsm["X_umap"][4] = np.nan
    return adata


def worked(visit, path):
    """A session in which something of every kind was done, apart from an export."""
    me = visit().open(path, "My cells").show("upload_preflight.py")
    me.change(me.app.button(key="fix_embedding-not-finite"))
    me.change(widget(me.app, "selectbox", "1D embedding"), "none")
    me.work.choose(connectivities=None)
    made = me.work.pages.add(
        [SavedPage("Mine, <b>", np.array([0, 4, 7]), "#112233", "drawn"), SavedPage("B", np.array([9]))]
    )
    me.work.pages = made.delete("p2").add([SavedPage("C", np.array([1, 2]))])
    me.show("gene_signature.py")
    me.change(widget(me.app, "text_area", "Signature genes"), "GENE1, GENE2, NOT1X")
    me.change(widget(me.app, "selectbox", "Score"), "ucell")
    me.change(widget(me.app, "multiselect", "Pages"), ["T", "\x1fp1"])
    me.change(widget(me.app, "button_group", "Chart"), "Box")
    me.work.replaced = {"gene9": "GENE9"}
    return me


def exported(me):
    me.show("export.py")
    me.change(widget(me.app, "text_input", "Id"), "my-id")
    me.change(widget(me.app, "button", "Export"))
    assert me.work.export is not None
    return me.run()


def same(me, other):
    """Whether two sessions show the same."""
    mine, theirs = me.work, other.work
    assert theirs.dataset.content_hash == mine.dataset.content_hash
    assert theirs.source == mine.source
    assert theirs.fixes == mine.fixes == ("embedding-not-finite",)
    assert theirs.mapping.digest() == mine.mapping.digest()
    assert theirs.choices.connectivities is None
    for ours, kept in zip(mine.pages, theirs.pages, strict=True):
        assert (kept.id, kept.name, kept.color, kept.made) == (ours.id, ours.name, ours.color, ours.made)
        assert kept.rows.tolist() == ours.rows.tolist()
    assert theirs.pages.made_so_far == mine.pages.made_so_far == 3
    assert theirs.replaced == mine.replaced
    done = theirs.export
    assert (done.result, done.settings_mark, done.again, done.left_out) == (
        mine.export.result,
        mine.export.settings_mark,
        mine.export.again,
        mine.export.left_out,
    )
    other.show("export.py")
    assert widget(other.app, "text_input", "Id").value == "my-id"
    assert f"All {done.result.arrays:,} arrays verified" in other.text
    other.show("gene_signature.py")
    assert widget(other.app, "text_area", "Signature genes").value == "GENE1, GENE2, NOT1X"
    assert widget(other.app, "selectbox", "Score").value == "ucell"
    assert widget(other.app, "multiselect", "Pages").value == ["T", "\x1fp1"]
    assert widget(other.app, "button_group", "Chart").value == "Box"
    assert other.app.dataframe[0].value["page"].tolist() == ["T", "Mine, <b>"]


def test_everything_comes_back_to_the_browser_and_by_the_link_and_to_nobody_else(visit, uploaded):
    me = exported(worked(visit, uploaded(damaged_adata())))
    assert len(me.link) == 43
    same(me, visit())
    again = visit(link=me.link, page="gene_signature.py")  # a reload, on the page where one was
    assert widget(again.app, "selectbox", "Score").value == "ucell"
    by_link = visit("somebody else", link=me.link)
    assert by_link.work.mapping.digest() == me.work.mapping.digest()
    assert len(by_link.work.pages) == 2
    assert "Opened by its link" in by_link.text
    nobody = visit("nobody")
    assert nobody.work.dataset is None
    assert "My cells" not in nobody.text
    assert visit("somebody else").work.dataset is None  # a link that one followed is not one's own


def test_nothing_is_written_where_nothing_changed(visit, uploaded):
    me = visit().open(uploaded(damaged_adata()), "Mine").show("gene_signature.py").run()
    revision = read_workspace(me.keeper.name).revision
    me.run().show("upload_preflight.py").run()
    after = me.run().keeper
    kept = read_workspace(after.name)
    me.run().run()
    assert read_workspace(after.name).revision == kept.revision
    assert kept.revision <= revision + 1  # the page that was shown for the first time has widgets of its own


@pytest.mark.parametrize("link", ["x" * 43, "../" * 14 + "x", "a" * 64, "<b>", "-", "\0", "%2e%2e"])
def test_a_link_that_leads_nowhere_is_a_sentence_and_a_fresh_start(visit, link):
    me = visit(link=link)
    assert "This link leads to no workspace" in me.text
    assert me.link is None
    me.change(widget(me.app, "button", "Open the demo"))
    assert len(me.link) == 43
    assert me.link != link


def test_a_visitor_leaves_nothing_behind(visit, monkeypatch):
    root = Path(os.environ["CELLUCID_HOME"]) / "workspaces"
    before = set(root.iterdir()) if root.exists() else set()
    monkeypatch.setenv("CELLUCID_OPEN", "demo")
    bot = visit("bot")
    assert bot.work.dataset.name == "PBMC 68k, reduced"
    bot.show("export.py").show("gene_signature.py")
    assert not bot.keeper.name
    assert {path for path in set(root.iterdir()) - before if len(path.name) == 64} == set()
    bot.change(widget(bot.app, "selectbox", "Score"), "sum")
    assert bot.keeper.name
    back = visit("bot").show("gene_signature.py")
    assert widget(back.app, "selectbox", "Score").value == "sum"
    fresh = visit("bot", link="new").show("gene_signature.py")
    assert widget(fresh.app, "selectbox", "Score").value == "mean"


def test_a_workspace_wins_over_the_demo(visit, uploaded, monkeypatch):
    visit().open(uploaded(damaged_adata()), "Mine")
    monkeypatch.setenv("CELLUCID_OPEN", "demo")
    assert visit().work.dataset.name == "Mine"


def test_a_file_that_the_dashboard_was_started_with_wins_over_what_was_open(visit, uploaded, monkeypatch):
    visit().open(uploaded(damaged_adata()), "Mine")
    path = uploaded(damaged_adata())
    monkeypatch.setenv("CELLUCID_OPEN", str(path))
    me = visit()
    assert me.work.source.path == str(path)
    me.open(uploaded(damaged_adata()), "Another")
    assert visit(link=me.link).work.dataset.name == "Another"


def test_a_dataset_that_is_gone_is_said_and_the_rest_stays(visit, uploaded):
    path, other = uploaded(damaged_adata()), uploaded(damaged_adata())
    me = visit().open(other, "Other")
    me.work.pages = me.work.pages.add([SavedPage("P", np.array([3]))])
    me.run().open(path, "Gone soon")
    path.unlink()
    back = visit()
    assert "The file of Gone soon is not on this server any more" in back.text
    assert back.work.dataset is None
    back.change(next(button for button in back.app.button if "Other" in button.label))
    assert [page.name for page in back.work.pages] == ["P"]


def test_what_the_server_does_not_offer_any_more_is_not_opened(visit, tmp_path, monkeypatch):
    root = tmp_path / "atlas"
    root.mkdir()
    damaged_adata().write_h5ad(root / "a.h5ad")
    monkeypatch.setenv("CELLUCID_DATA_ROOTS", str(root))
    visit().open(root / "a.h5ad", "a")
    assert visit().work.dataset is not None
    monkeypatch.setenv("CELLUCID_DATA_ROOTS", "")
    back = visit()
    assert back.work.dataset is None
    assert "not on this server any more" in back.text


def test_a_file_of_the_server_that_changed_is_said_and_pages_follow_their_cells(visit, tmp_path, monkeypatch):
    monkeypatch.setenv("CELLUCID_DATA_ROOTS", str(tmp_path))
    path, adata = tmp_path / "a.h5ad", damaged_adata()
    adata.write_h5ad(path)
    me = visit().open(path, "atlas")
    me.work.fix("embedding-not-finite")
    ids = me.work.dataset.obs.index
    me.work.pages = me.work.pages.add([SavedPage("Stays", np.array([0, 7, 8])), SavedPage("Goes", np.array([5]))])
    me.run()
    without = adata[[i for i in range(60) if i not in (5, 7)]][::-1].copy()
    new = tmp_path / "new.h5ad"
    without.write_h5ad(new)
    shutil.move(new, path)
    back = visit()
    assert "atlas has changed since you opened it last" in back.text
    assert "Goes" in back.text
    assert back.work.fixes == ()
    assert back.work.export is None
    (page,) = back.work.pages
    assert {back.work.dataset.obs.index[row] for row in page.rows} == {ids[0], ids[8]}
    kept = read_workspace(back.keeper.name)
    assert list(kept.datasets) == [back.work.dataset.content_hash] == [kept.current]


def test_two_tabs_take_over_what_the_other_changed(visit, uploaded):
    one = worked(visit, uploaded(damaged_adata()))
    two = visit().show("gene_signature.py")
    two.change(widget(two.app, "selectbox", "Score"), "median")
    two.work.pages = two.work.pages.add([SavedPage("Of two", np.array([11]))])
    two.run()
    one.work.pages = one.work.pages.add([SavedPage("Of one", np.array([12, 13]))])
    one.work.replaced = {"a": "GENE3"}
    one.show("gene_signature.py")
    assert widget(one.app, "selectbox", "Score").value == "median"
    one.run()
    two.run()
    for tab in (one, two):
        assert sorted(page.name for page in tab.work.pages) == ["C", "Mine, <b>", "Of one", "Of two"]
        assert len({page.id for page in tab.work.pages}) == 4
        assert tab.work.replaced == {"a": "GENE3"}
    one.show("upload_preflight.py").change(one.app.button(key="undo_embedding-not-finite"))
    assert two.run().work.fixes == ()


def test_a_change_whose_run_a_click_ends_can_be_undone(visit, uploaded, monkeypatch):
    me = visit().open(uploaded(damaged_adata()), "Mine").show("gene_signature.py")
    me.change(widget(me.app, "text_area", "Signature genes"), "GENE1")
    with monkeypatch.context() as patched:

        def save_and_stop(*what):
            written = save(*what)
            patched.setattr(keeping, "workspace", stop)  # where the session's state is asked for, a run is ended
            return written

        def stop():
            raise StopException

        save = keeping.save_workspace
        patched.setattr(keeping, "save_workspace", save_and_stop)
        me.change(widget(me.app, "text_area", "Signature genes"), "GENE1, GENE2")
    me.change(widget(me.app, "text_area", "Signature genes"), "GENE1")
    assert widget(me.app, "text_area", "Signature genes").value == "GENE1"
    (kept,) = read_workspace(me.keeper.name).datasets.values()
    assert kept.widgets["genes"] == "GENE1"


def test_a_file_of_signatures_comes_back(visit, uploaded):
    me = visit().open(uploaded(damaged_adata()))
    sets = read_gene_sets(b"one\tabout\tGENE1\tGENE2\ntwo\t\tGENE3\n", "sets.gmt")
    me.work.gene_sets = OpenGeneSets("sets.gmt", sets)
    me.show("gene_signature.py").change(widget(me.app, "selectbox", "Signature"), "two")
    back = visit().show("gene_signature.py")
    assert back.work.gene_sets == me.work.gene_sets
    assert widget(back.app, "selectbox", "Signature").value == "two"


def test_recent_datasets_open_with_what_was_chosen_there(visit, uploaded):
    first, second = uploaded(damaged_adata()), uploaded(damaged_adata())
    me = visit().open(first, "First").show("upload_preflight.py")
    me.change(me.app.button(key="fix_embedding-not-finite"))
    me.open(second, "Second")
    me.change(next(button for button in me.app.sidebar.button if button.label == "First"))
    assert (me.work.dataset.name, me.work.fixes) == ("First", ("embedding-not-finite",))
    assert [button.label for button in me.app.sidebar.button if button.label == "Second"]


def test_deleting_ends_it_in_every_tab(visit, uploaded):
    path = uploaded(damaged_adata())
    me, other = visit().open(path, "Mine"), None
    link, name = me.link, me.keeper.name
    other = visit()
    me.change(me.app.button(key="workspace_delete_now"))
    assert not path.exists()
    assert not (Path(os.environ["CELLUCID_HOME"]) / "workspaces" / name).exists()
    other.run()
    assert "This workspace was deleted" in other.text
    assert other.work.dataset is None
    other.change(widget(other.app, "button", "Open the demo"))
    assert not (Path(os.environ["CELLUCID_HOME"]) / "workspaces" / name).exists()
    assert "leads to no workspace" in visit(link=link).text
    assert visit().work.dataset is None


def test_a_damaged_workspace_never_breaks_the_page(visit, uploaded):
    me = worked(visit, uploaded(damaged_adata()))
    home, name = Path(os.environ["CELLUCID_HOME"]), me.keeper.name

    def becomes(content):
        change(home, "UPDATE workspaces SET content = ? WHERE name = ?", json.dumps(content), name)

    (content,) = (row["content"] for row in rows(home, "workspaces") if row["name"] == name)
    entry = content["datasets"][content["current"]]
    entry["widgets"] = {"seed": "x", "method": 3, "chart": ["a"], "genes": None, "pages cell_type": [1], "evil": "x"}
    entry["choices"] = {"matrix": "nope", "embeddings": 4}
    entry["fixes"] = ["no-such-rule", "embedding-not-finite"]
    entry["export"] = {"file": "../../x"}
    for part in (home / "workspaces" / name).glob("pages-*"):
        part.write_text("{}")
    becomes(content)
    back = visit()
    assert back.work.fixes == ("embedding-not-finite",)
    assert "no-such-rule" in back.text
    assert "pages of My cells could not be read" in back.text
    for page in PAGES:
        back.show(page)
    becomes({})
    broken = visit(link=me.link)
    assert "damaged" in broken.text
    assert broken.work.dataset is None
    becomes({**content, "schema": 99})
    assert "newer version" in visit(link=me.link).text


def test_a_full_disk_is_said_and_work_goes_on(visit, uploaded, monkeypatch):
    me = visit().open(uploaded(damaged_adata()), "Mine").show("gene_signature.py")

    def full(*args, **kwargs):
        raise DatabaseRefused(OSError("database or disk is full"))

    with monkeypatch.context() as broken:
        broken.setattr("cellucid_core.serving.workspaces.files.writing", full)
        me.change(widget(me.app, "selectbox", "Score"), "sum")
        assert "could not be kept" in me.run().text
    assert "could not be kept" not in me.run().run().text
    back = visit().show("gene_signature.py")
    assert widget(back.app, "selectbox", "Score").value == "sum"


def test_a_click_while_a_dataset_is_opened_again_loses_nothing(visit, uploaded, monkeypatch):
    me = exported(worked(visit, uploaded(damaged_adata())))
    resume, calls = Workspace.resume, []

    def clicked(self, *arguments):
        calls.append(self)
        if len(calls) == 1:
            raise RerunException(RerunData())
        resume(self, *arguments)

    monkeypatch.setattr(Workspace, "resume", clicked)
    before = read_workspace(me.keeper.name)
    other = visit()
    assert len(calls) > 1
    same(me, other)
    assert read_workspace(me.keeper.name).datasets.keys() == before.datasets.keys()
    same(me, visit())


@pytest.fixture
def uncomputed(visit, uploaded):
    """Somebody's session with a fix whose result is not on the disk any more."""
    adata = make_adata(40, 30, seed=next(_COUNT))
    del adata.obsm["X_pca"]
    me = visit().open(uploaded(adata), "Mine").show("upload_preflight.py")
    me.change(me.app.button(key="fix_latent-missing"))
    assert me.run().work.fixes == ("latent-missing",)
    shutil.rmtree(home_folder("computed"))
    return me


def resuming(monkeypatch, ending):
    """Have the waiting for what is computed again end in some way."""
    follow = fixing.follow

    def wait(job, key, words=None, on_cancel=None):
        if key != "resume":
            follow(job, key, words, on_cancel)
            return
        job.wait(PATIENCE)
        ending(job, on_cancel)

    monkeypatch.setattr(fixing, "follow", wait)


def test_cancelling_what_is_computed_again_opens_the_dataset_without_it(uncomputed, visit, monkeypatch):
    begun = []

    def cancelled(job, on_cancel):
        begun.append(job.id)
        job.change(state="cancelled")
        shutil.rmtree(home_folder("computed"))
        on_cancel()
        raise RerunException(RerunData())

    resuming(monkeypatch, cancelled)
    other = visit().show("upload_preflight.py")
    assert len(begun) == 1
    assert other.work.dataset is not None
    assert other.work.fixes == ()
    assert "could not be applied again" in other.text


def test_what_was_computed_again_while_nobody_looked_is_there(uncomputed, visit, monkeypatch):
    def closed(job, on_cancel):
        raise StopException

    with monkeypatch.context() as leaving:
        resuming(leaving, closed)
        visit()
    other = visit().show("upload_preflight.py")
    assert other.work.fixes == ("latent-missing",)
    assert not other.app.error


def test_an_opening_that_breaks_loses_nothing_and_is_not_tried_for_ever(visit, uploaded, monkeypatch):
    me = exported(worked(visit, uploaded(damaged_adata())))
    with monkeypatch.context() as broken:
        broken.setattr(Workspace, "resume", lambda *_: 1 / 0)
        app = AppTest.from_file(str(MAIN), default_timeout=PATIENCE)
        monkeypatch.setattr(owner, "browser_of", lambda cookies: me.who)
        app.run()
        assert app.exception
        assert app.session_state["workspace"].dataset is None
        assert not app.run().exception
    same(me, visit())


@pytest.mark.parametrize(
    "place", ["pages.widgets.download.offer_download", "pages.workspace.session_start.note_workspace"]
)
def test_work_comes_back_on_a_full_disk(visit, uploaded, monkeypatch, place):
    me = exported(worked(visit, uploaded(damaged_adata())))
    monkeypatch.setattr("pages.widgets.download.browser_of", lambda cookies: "b" * 43)

    def full(*arguments):
        raise DatabaseRefused(OSError(28, "No space left on device"))

    with monkeypatch.context() as disk:
        disk.setattr(place, full)
        other = visit()
        same(me, other)
        if "download" in place:
            assert "no room for a link" in other.show("export.py").text
    same(me, visit())


def test_every_widget_that_keeps_its_value_is_known(visit, demo):
    me = visit()
    me.change(widget(me.app, "button", "Open the demo"))
    for page in [*PAGES, "signature_library.py"]:
        me.show(page)
    me.show("export.py").change(widget(me.app, "button_group", "Genes"), ["hvg", "markers", "list"])
    for name in me.work.kept_names:
        assert fits(name, me.app.session_state[f"{name}@{demo.content_hash[:12]}"]), name
    assert len(me.work.kept_names) > 35
    assert not fits("evil", "x")
    kept = read_workspace(me.keeper.name).datasets[demo.content_hash].widgets
    assert set(kept) == me.work.kept_names


def test_the_name_follows_the_dataset_until_it_is_given(visit, uploaded):
    me = visit().open(uploaded(damaged_adata()), "Blood <b>")
    assert me.keeper.kept.title == "Blood <b>"
    me.change(me.app.text_input(key="workspace_name"), "  My\n study ")
    assert visit().keeper.kept.title == "My study"
    elsewhere = replace(me.keeper.kept, name="")
    assert elsewhere.title == "Blood <b>"


def test_what_fixes_computed_is_computed_again_where_it_was_deleted(visit, uploaded, home):
    adata = make_adata(40, 30, seed=next(_COUNT))
    del adata.obsm["X_pca"]
    me = visit().open(uploaded(adata)).show("upload_preflight.py")
    me.change(me.app.button(key="fix_latent-missing"))
    before = me.work.mapping.computed["X_pca"]
    shutil.rmtree(home / "computed")
    again = visit()
    assert again.work.fixes == ("latent-missing",)
    np.testing.assert_allclose(again.work.mapping.computed["X_pca"], before, atol=1e-4)
    assert not again.keeper.said
