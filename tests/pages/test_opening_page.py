"""Opening a dataset from the browser: what clicks, refusals and changed files do to it."""

from __future__ import annotations

from streamlit.runtime.scriptrunner import RerunData, RerunException
from streamlit.testing.v1 import AppTest

from cellucid_core.errors import InputError
from pages.opening import opening_panel as opening
from pages.opening import reopening
from tests.making import make_adata


def test_a_click_while_an_upload_is_checked_loses_nothing(app, tmp_path, monkeypatch):
    make_adata().write_h5ad(tmp_path / "x.h5ad")
    tokens, taken = iter(["t" * 43]), []

    def take(token):
        taken.append(token)
        if len(taken) == 1:
            raise RerunException(RerunData())  # what a click makes of the next thing that is drawn
        return tmp_path / "x.h5ad", "mine.h5ad"

    monkeypatch.setattr(opening, "uploaded_tokens", lambda key, title="": next(tokens, None))
    monkeypatch.setattr(opening, "take", take)
    app.run()
    assert taken[0] == "t" * 43
    app.run()
    assert taken == ["t" * 43] * 2
    assert app.session_state["upload_done"] == "t" * 43
    assert "**mine**" in app.sidebar.markdown[0].value
    app.run()
    assert len(taken) == 2


def test_an_upload_that_is_refused_frees_the_box(app, monkeypatch):
    tokens = iter(["t" * 43])

    def take(token):
        raise InputError("This upload is not on the server any more.", "Upload the file again.")

    monkeypatch.setattr(opening, "uploaded_tokens", lambda key, title="": next(tokens, None))
    monkeypatch.setattr(opening, "take", take)
    app.run()
    assert app.session_state["upload_done"] == "t" * 43
    assert "arrived" not in app.session_state
    assert "not on the server any more" in app.error[0].value


def test_what_was_refused_is_not_tried_in_every_run(monkeypatch):
    tried = []

    def refuse(source):
        tried.append(source.path)
        raise InputError(f"{source.path} is not a table.", "Choose another.")

    def script():
        import streamlit as st

        from cellucid_core.dataset import DatasetSource
        from pages.opening import reopening

        reopening._try_once(DatasetSource(st.text_input("path", "a")))

    monkeypatch.setattr(reopening, "open_source", refuse)
    test = AppTest.from_function(script).run()
    test.run()
    assert tried == ["a"]
    assert "a is not a table" in test.error[0].value
    test.text_input[0].set_value("b").run()
    assert tried == ["a", "b"]
    assert "b is not a table" in test.error[0].value


def test_a_refused_cell_table_is_called_as_the_user_calls_it(monkeypatch):
    def refuse(source):
        raise InputError(f"No cell of the dataset is in {source.cell_metadata}.", "Make them equal.")

    def script():
        from cellucid_core.dataset import DatasetSource
        from pages.opening import reopening

        reopening._try_once(DatasetSource("a", cell_metadata="0123abcd.csv"), ("0123abcd.csv", "donors.csv"))

    monkeypatch.setattr(reopening, "open_source", refuse)
    test = AppTest.from_function(script).run()
    assert "No cell of the dataset is in donors.csv." in test.error[0].value.replace("\\", "")
