"""Undo on a page: what was changed there last is put back, a step at a time, and said.

State has one home, the session (`state`); here is only what a page's part of it was before each of its last changes.
Nothing of it is copied: what is remembered are values that never change (sets of pages, files of genes, choices).
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

#: Steps that a page remembers.
MOST_STEPS = 20
_SAID = "undo_said"
_ABSENT = object()

State = dict[tuple[str, str], Any]


@dataclass(frozen=True)
class Undoable:
    """What a page lets its user change, with its words, as they follow "the change of".

    Attributes
    ----------
    widgets
        Name of a widget that keeps its value, or the beginning of such names, up to a space → words.
    choices
        Field of the mapping that the user chooses → words.
    pages, genes, fixes
        Whether also the user's own pages, the file of genes, or fixes.
    """

    widgets: Mapping[str, str] = field(default_factory=dict)
    choices: Mapping[str, str] = field(default_factory=dict)
    pages: bool = False
    genes: bool = False
    fixes: bool = False


@dataclass
class _History:
    """What a page was when it was drawn last, and before each of the last changes with the words for it."""

    seen: State | None = None
    steps: list[tuple[State, str]] = field(default_factory=list)


def undo_button(page: str, what: Undoable) -> None:
    """Note what was changed on a page since it was drawn last, and draw the button that puts it back.

    To be called once everything that the page lets change is drawn.
    """
    if said := st.session_state.pop(_SAID, ""):
        st.toast(said, icon=":material/undo:")
    known, now = _history(page), _state(what)
    if known.seen is not None:
        before = _changed(known.seen, now)
        if words := _words(what, before, now):
            known.steps = [*known.steps, (before, words)][-MOST_STEPS:]
    known.seen = now
    st.button(
        "Undo",
        key=f"undo_{page}",
        icon=":material/undo:",
        type="tertiary",
        disabled=not known.steps or pending_change() is not None,
        help=f"Undo {known.steps[-1][1]}" if known.steps else "Nothing was changed here yet",
        on_click=_undo,
        args=(page,),
    )


def _history(page: str) -> _History:
    # Of a file that is turned the rows are other cells, and its pages others.
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
    """Return what was before where it is another now; a widget that was not drawn until now was not changed."""
    both = (place for place in before if place in now and _ABSENT not in (before[place], now[place]))
    return {place: before[place] for place in both if before[place] is not now[place] and before[place] != now[place]}


def _words(what: Undoable, before: State, now: State) -> str:
    """Return what was changed, as it follows "Undo"; empty if nothing was that anybody sees."""
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
    if said:  # a page that is made is chosen, too: that goes without saying
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


def _undo(page: str) -> None:
    """Put back what the last change of a page changed; before anything is drawn."""
    known = _history(page)
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
        elif kind == "pages":  # no id of a page is used twice, also of one that is taken back
            work.pages = replace(value, made_so_far=max(value.made_so_far, work.pages.made_so_far))
        elif kind == "genes":
            work.gene_sets = value
        elif kind == "replaced":
            work.replaced = value
    fixes = before.get(("fixes", ""), work.fixes)
    if choices or fixes != work.fixes:
        work.take(replace(work.choices, **choices), fixes)
        show_choices(work)
