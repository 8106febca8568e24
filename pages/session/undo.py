"""Undo on a page: the last change is put back, one step at a time, and a message says what it was.

The state itself is in the session (`state`). This module remembers what a page's part of it was before each of the last
changes. Nothing is copied, as the remembered values (sets of pages, gene sets, choices) never change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import streamlit as st

from cellucid_core.cell_pages import PageSet
from cellucid_core.errors import CellucidError
from cellucid_core.names import listed
from pages.session.changes import pending_change, show_choices
from pages.session.state import counted, literal, widget_key, workspace

#: Most steps that a page remembers.
MOST_STEPS = 20
_SAID = "undo_said"
_ABSENT = object()

State = dict[tuple[str, str], Any]


@dataclass(frozen=True)
class Undoable:
    """What can be changed on a page, and undone; the words follow "the change of" in a sentence.

    Attributes
    ----------
    widgets
        Name of a widget that keeps its value, or the beginning of such names up to a space → words.
    choices
        Field of the mapping → words.
    pages, genes, fixes
        Whether the user's own pages, the gene sets, or the fixes can be changed on the page.
    """

    widgets: Mapping[str, str] = field(default_factory=dict)
    choices: Mapping[str, str] = field(default_factory=dict)
    pages: bool = False
    genes: bool = False
    fixes: bool = False


@dataclass
class _History:
    """A page's state when it was last drawn, and for each of the last changes the state before it, with words.

    `begun` is the state at the beginning of a run that has not come to the Undo button yet.
    """

    seen: State | None = None
    begun: State | None = None
    steps: list[tuple[State, str]] = field(default_factory=list)


def begin_undo(page: str, what: Undoable) -> None:
    """Note what was changed before the last run, if a click ended that run before it came to the Undo button.

    Call it before anything on the page that can be changed is drawn.
    """
    known, now = _history(page), _state(what)
    if known.begun is not None:
        drawn = {place: value for place, value in known.begun.items() if value is not _ABSENT}
        _note(known, what, {**(known.seen or {}), **drawn})
    known.begun = now


def undo_button(page: str, what: Undoable) -> None:
    """Note what was changed on a page since it was last drawn, and draw the Undo button.

    Call it after everything on the page that can be changed is drawn.
    """
    if said := st.session_state.pop(_SAID, ""):
        st.toast(said, icon=":material/undo:")
    known = _history(page)
    _note(known, what, _state(what))
    st.button(
        "Undo",
        key=f"undo_{page}",
        icon=":material/undo:",
        type="tertiary",
        disabled=not known.steps or pending_change() is not None,
        help=f"Undo {known.steps[-1][1]}" if known.steps else "Nothing was changed here yet",
        on_click=_undo,
        args=(page, what),
    )


def _note(known: _History, what: Undoable, now: State) -> None:
    if known.seen is not None:
        before = _changed(known.seen, now)
        if words := _words(what, before, now):
            known.steps = [*known.steps, (before, words)][-MOST_STEPS:]
    known.seen, known.begun = now, None


def _history(page: str) -> _History:
    # In a turned (transposed) matrix the rows are other cells, with other pages.
    name = f"{widget_key(f'history {page}')} {workspace().mapping.turn}"
    found: _History = st.session_state.setdefault(name, _History())
    return found


def _state(what: Undoable) -> State:
    """Return everything that can be undone on a page as it is now."""
    work = workspace()
    now: State = {("choices", name): getattr(work.choices, name) for name in what.choices}
    for name in work.kept_names:
        if _known_as(what, name):
            now["widgets", name] = st.session_state.get(widget_key(name), _ABSENT)
    if what.pages:
        now["pages", ""] = work.pages
    if what.genes:
        now["genes", ""] = work.gene_sets
        now["replaced", ""] = work.replaced
    if what.fixes:
        now["fixes", ""] = work.fixes
    return now


def _known_as(what: Undoable, name: str) -> str:
    return what.widgets.get(name) or what.widgets.get(name.partition(" ")[0] + " ", "")


def _changed(before: State, now: State) -> State:
    """Return the earlier values of what differs now; a widget that was not drawn before does not count as changed."""
    both = (place for place in before if place in now and _ABSENT not in (before[place], now[place]))
    return {place: before[place] for place in both if before[place] is not now[place] and before[place] != now[place]}


def _words(what: Undoable, before: State, now: State) -> str:
    """Return what was changed, in words that follow "Undo"; empty if there was no visible change."""
    said, changed = [], []
    for (kind, name), value in before.items():
        if kind == "pages":
            said += _pages_words(value, now[kind, name])
        elif kind == "fixes":
            done = len(set(now[kind, name]) - set(value))
            back = len(set(value) - set(now[kind, name]))
            said += [f"applying {counted(done, 'fix', 'fixes')}"] if done else []
            said += [f"taking back {counted(back, 'fix', 'fixes')}"] if back else []
        elif kind == "choices":
            changed.append(what.choices[name])
        else:
            changed.append("the gene list" if kind in ("genes", "replaced") else _known_as(what, name))
    if said:  # a new page is also chosen at once, which need not be said
        changed = [words for words in changed if words != _known_as(what, "pages ")]
    said += [f"the change of {listed(list(dict.fromkeys(changed)), 4)}"] if changed else []
    return " and ".join(said)


def _pages_words(before: PageSet, now: PageSet) -> list[str]:
    old, new = ({page.id: page for page in pages} for pages in (before, now))
    made = [literal(page.name) for page in now if page.id not in old]
    gone = [literal(page.name) for page in before if page.id not in new]
    said = [f"making {listed(made, 3)}"] if made else []
    said += [f"deleting {listed(gone, 3)}"] if gone else []
    for page in before:
        then = new.get(page.id, page)
        if then.name != page.name:
            said.append(f"renaming {literal(page.name)} to {literal(then.name)}")
        if then.color != page.color:
            said.append(f"the change of the colour of {literal(then.name)}")
    return said


def _undo(page: str, what: Undoable) -> None:
    """Put back the last change of a page. A callback, so it runs before anything is drawn."""
    known = _history(page)
    _note(known, what, _state(what))  # the click may have ended the run that would have noted the last change
    if not known.steps:  # a second click came before the page was drawn again
        return
    before, words = known.steps.pop()
    try:
        _put_back(before)
    except CellucidError as error:
        st.session_state[_SAID] = literal(error)
        return
    known.seen = None
    st.session_state[_SAID] = f"Undone: {words}."


def _put_back(before: State) -> None:
    work = workspace()
    choices: dict[str, Any] = {}
    for (kind, name), value in before.items():
        if kind == "widgets":
            st.session_state[widget_key(name)] = value
        elif kind == "choices":
            choices[name] = value
        elif kind == "pages":  # ids of pages are never used twice, not even after an undo
            work.pages = replace(value, made_so_far=max(value.made_so_far, work.pages.made_so_far))
        elif kind == "genes":
            work.gene_sets = value
        elif kind == "replaced":
            work.replaced = value
    fixes = before.get(("fixes", ""), work.fixes)
    if choices or fixes != work.fixes:
        work.take(replace(work.choices, **choices), fixes)
        show_choices(work)
