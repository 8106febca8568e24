"""What a session knows of the files of its workspace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from cellucid_core.errors import CellucidError
from cellucid_core.serving import Carried
from cellucid_core.serving.workspaces import KeptWorkspace, workspace_from_json

_KEY = "keeper"


@dataclass
class Keeper:
    """What the session knows of the files of its workspace.

    Attributes
    ----------
    name, token, seed
        Of the workspace, empty until something was kept.
    title
        As the user calls it, or empty.
    record
        The workspace as it was last read or written, plain JSON.
    synced
        The same as this session saw it then: what differs from it now, this session changed.
    stamp
        Of the file then.
    by_link
        Whether its link opened it, for somebody who does not have it otherwise.
    pending
        Content hash of the dataset that is still to be opened again.
    automatic
        Whether nothing was done yet but that the server opened the demo.
    said
        Sentences for the user.
    brought
        What became this user's by signing in, as long as they may still say that it is not theirs.
    trouble
        Why the last change could not be kept.
    over
        Whether nothing is kept any more, as the workspace was deleted.
    tried
        The last record whose changes by others were taken over, as far as they could be.
    first
        Name → value of widgets as they were drawn first, for a demo that nobody asked for.
    unwritten
        Name → text of files that are still to be written.
    """

    name: str = ""
    token: str = ""
    seed: str = ""
    title: str = ""
    record: dict[str, Any] = field(default_factory=dict)
    synced: dict[str, Any] = field(default_factory=dict)
    stamp: tuple[int, int, int] | None = None
    by_link: bool = False
    pending: str = ""
    automatic: bool = False
    said: list[str] = field(default_factory=list)
    brought: Carried | None = None
    trouble: CellucidError | None = None
    over: bool = False
    tried: dict[str, Any] = field(default_factory=dict)
    first: dict[str, Any] = field(default_factory=dict)
    _known: dict[Any, tuple[object, Any]] = field(default_factory=dict)
    unwritten: dict[str, Callable[[], str]] = field(default_factory=dict)

    @property
    def kept(self) -> KeptWorkspace | None:
        """The workspace as it was last read or written, None if nothing was."""
        if not self.record:
            return None
        kept: KeptWorkspace = self.once("record", self.record, lambda: workspace_from_json(self.record))
        return kept

    def forget(self, name: Any) -> None:
        """Forget what `once` remembers under a name."""
        self._known.pop(name, None)

    def once(self, name: Any, thing: object, make: Callable[[], Any]) -> Any:
        """Return what was made of a thing, again only when it is another thing; things themselves never change."""
        known = self._known.get(name)
        if known is None or known[0] is not thing:
            self._known[name] = known = (thing, make())
        return known[1]


def keeper() -> Keeper:
    """Return the session's keeper."""
    if _KEY not in st.session_state:
        st.session_state[_KEY] = Keeper()
    found: Keeper = st.session_state[_KEY]
    return found
