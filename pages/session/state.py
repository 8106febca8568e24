"""The session's state, typed: which dataset is open, what the user chose, which fixes are applied."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import streamlit as st

from cellucid_core.cell_pages import PageSet
from cellucid_core.dataset import Dataset, DatasetSource, Mapping, NotComputed, View, default_mapping
from cellucid_core.errors import CellucidError
from cellucid_core.genes import GeneSets
from cellucid_core.preflight import PreflightReport, Scope, apply_fixes, fix_all, preflight

if TYPE_CHECKING:
    from pages.session.server_file import Finished

_KEY = "workspace"


@dataclass(frozen=True)
class OpenGeneSets:
    """A file of signatures that the user opened.

    Attributes
    ----------
    name
        What the file is called.
    sets
        What it holds.
    """

    name: str
    sets: GeneSets


@dataclass(frozen=True)
class Wanted:
    """A change that takes long to compute; until that is done, everything stays as it is.

    Attributes
    ----------
    choices, fixes
        What is to be.
    everything
        Whether all safe fixes are to follow.
    """

    choices: Mapping
    fixes: tuple[str, ...]
    everything: bool = False


@dataclass
class Workspace:
    """What one session is working on.

    Attributes
    ----------
    dataset
        The open dataset, shared with every session that opened the same file.
    choices
        The mapping as the user chose it, before fixes.
    fixes
        What was asked for, in order: ``RULE``, ``RULE=ALTERNATIVE`` or ``RULE=overrule``.
    usual
        The choices that are right for most files.
    mapping
        `choices` with `fixes` applied.
    opened
        When the dataset was opened, seconds since 1970.
    kept_names
        Names of the widgets that keep their values (`kept`), as far as they were drawn.
    source
        What the dataset was opened from, for opening it again with another modality or cell table.
    export
        The last finished export, for the export page.
    page_sets
        The pages that the user made, for each dataset of the session (`pages`).
    gene_files
        The file of signatures that is open, for each dataset (`gene_sets`).
    replaced_genes
        Genes as first written → what was accepted for them, for each dataset (`replaced`).
    wanted
        What was asked for last and has to be computed elsewhere first; `pages.session.changes` sees to it.
    """

    dataset: Dataset | None = None
    source: DatasetSource | None = None
    choices: Mapping = field(default_factory=lambda: Mapping(embeddings={}))
    fixes: tuple[str, ...] = ()
    usual: Mapping = field(default_factory=lambda: Mapping(embeddings={}))
    mapping: Mapping = field(default_factory=lambda: Mapping(embeddings={}))
    opened: float = 0.0
    export: Finished | None = None
    page_sets: dict[str, PageSet] = field(default_factory=dict)
    gene_files: dict[str, OpenGeneSets | None] = field(default_factory=dict)
    replaced_genes: dict[str, dict[str, str]] = field(default_factory=dict)
    kept_names: set[str] = field(default_factory=set)
    wanted: Wanted | None = None
    _report: tuple[str, PreflightReport] | None = None
    _seen: tuple[Dataset, Mapping, View] | None = None

    def open(
        self, dataset: Dataset, source: DatasetSource | None = None, report: PreflightReport | None = None
    ) -> None:
        """Start over with a dataset, with the choices that are right for most files, and preflight's report on them."""
        self.dataset, self.source = dataset, source
        self.choices = self.mapping = self.usual = default_mapping(dataset)
        self.opened = time.time()
        self.fixes, self.export, self.wanted = (), None, None
        self._report = None if report is None else (self.mapping.digest(), report)

    def put_down(self) -> None:
        """Have no dataset open; what was made in the session stays."""
        self.dataset = self.source = self.export = None

    def close(self) -> None:
        """Forget everything."""
        vars(self).update(vars(Workspace()))

    def choose(self, **changes: Any) -> None:
        """Change choices, keeping the fixes that still make sense.

        What takes long, here and below, is only noted as `wanted`.
        """
        self.take(replace(self.choices, **changes), self.fixes)

    def fix(self, asked: str, progress: Callable[[str, float], None] | None = None) -> None:
        """Apply a fix; once more, if something chosen since made it necessary again."""
        self.take(self.choices, (*(other for other in self.fixes if other != asked), asked), progress)

    def fix_all(self, progress: Callable[[str, float], None] | None = None) -> None:
        """Apply every safe fix."""
        assert self.dataset is not None
        try:
            mapping = fix_all(self.dataset, self.mapping, Scope(progress=progress, ready_only=True))
        except NotComputed:
            self.wanted = Wanted(self.choices, self.fixes, everything=True)
        else:
            self.take(self.choices, tuple(fix.asked for fix in mapping.fixes))

    def undo(self, asked: str) -> None:
        """Take a fix back, keeping the others."""
        self.take(self.choices, tuple(other for other in self.fixes if other != asked))

    def resume(
        self, choices: Mapping, fixes: tuple[str, ...], progress: Callable[[str, float], None] | None = None
    ) -> None:
        """Take up choices and fixes as they were left, or as they are wanted.

        Raises
        ------
        NotComputed
            If something of it has to be computed elsewhere first.
        """
        assert self.dataset is not None
        mapping = apply_fixes(self.dataset, choices, fixes, Scope(progress=progress, ready_only=True))
        self.choices, self.fixes, self.mapping = choices, fixes, mapping
        self.export = None

    def take(
        self, choices: Mapping, fixes: tuple[str, ...], progress: Callable[[str, float], None] | None = None
    ) -> None:
        """Have choices and fixes."""
        try:
            self.resume(choices, fixes, progress)
        except NotComputed:
            self.wanted = Wanted(choices, fixes)

    @property
    def pages(self) -> PageSet:
        """The pages that the user made of the open dataset; they outlive fixes, and opening another dataset."""
        return self.page_sets.get(self._pages_key, PageSet())

    @pages.setter
    def pages(self, pages: PageSet) -> None:
        self.page_sets[self._pages_key] = pages

    @property
    def gene_sets(self) -> OpenGeneSets | None:
        """The open file of signatures, or None where genes are pasted."""
        assert self.dataset is not None
        return self.gene_files.get(self.dataset.content_hash)

    @gene_sets.setter
    def gene_sets(self, file: OpenGeneSets | None) -> None:
        assert self.dataset is not None
        self.gene_files[self.dataset.content_hash] = file

    @property
    def replaced(self) -> dict[str, str]:
        """Genes as first written → the proposals that were accepted for them."""
        assert self.dataset is not None
        return self.replaced_genes.get(self.dataset.content_hash, {})

    @replaced.setter
    def replaced(self, pairs: dict[str, str]) -> None:
        assert self.dataset is not None
        self.replaced_genes[self.dataset.content_hash] = pairs

    @property
    def _pages_key(self) -> str:
        # Turned, a file's rows are other cells.
        assert self.dataset is not None
        return f"{self.dataset.content_hash} {self.mapping.turn}"

    @property
    def view(self) -> View:
        """The open dataset through the current mapping; what it has worked out is kept while the mapping stays."""
        assert self.dataset is not None
        if self._seen is None or self._seen[0] is not self.dataset or self._seen[1] is not self.mapping:
            self._seen = (self.dataset, self.mapping, View(self.dataset, self.mapping))
        return self._seen[2]

    @property
    def report(self) -> PreflightReport:
        """Preflight's report on the current view, computed once per mapping."""
        digest = self.mapping.digest()
        if self._report is None or self._report[0] != digest:
            self._report = (digest, preflight(self.view))
        return self._report[1]


def workspace() -> Workspace:
    """Return this session's workspace."""
    if _KEY not in st.session_state:
        st.session_state[_KEY] = Workspace()
    state: Workspace = st.session_state[_KEY]
    return state


def kept(name: str) -> dict[str, Any]:
    """Return the arguments that keep a widget's value while other pages are shown, per dataset.

    Opening another file starts with the defaults; coming back to a file finds what was chosen there.
    """
    workspace().kept_names.add(name)
    return {"key": widget_key(name), "persist_state": "session"}


def widget_key(name: str) -> str:
    """Return the key under which `kept` keeps a widget."""
    dataset = workspace().dataset
    return f"{name}@{dataset.content_hash[:12]}" if dataset else name


def show_error(error: CellucidError) -> None:
    """Show what happened and how to fix it."""
    st.error(f"**{literal(error.what)}** {literal(error.fix)}", icon=":material/error:")


def dataset_source() -> DatasetSource:
    """Return how a job opens the dataset that is open here."""
    dataset, source = workspace().dataset, workspace().source
    assert dataset is not None
    if source is None:
        return DatasetSource(str(dataset.path), content_hash=dataset.content_hash)
    return replace(source, content_hash=dataset.content_hash)


def counted(n: int, one: str, many: str = "") -> str:
    """Return a number with its noun: ``1 gene``, ``1,234 genes``."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def in_time(seconds: float) -> str:
    """Return a time for people: "under 1 s", "12 s", "3 min"."""
    if seconds < 1:
        return "under 1 s"
    return f"{seconds:,.0f} s" if seconds < 90 else f"{seconds / 60:,.0f} min"


#: What becomes a link or an icon even where each of its characters is escaped: after these a joiner without width.
_AUTOMATIC = re.compile(r":(?=//|material/)|(?<=www)(?=\.)|(?=@)", re.IGNORECASE)
#: Marks that turn the direction of text, also of what stands behind a name.
_DIRECTIONS = dict.fromkeys(map(ord, "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"))
_JOINER = "\u2060"


def literal(text: object) -> str:
    """Return text that Markdown shows as it is: names in data may look like markup, colours, links or icons."""
    special = "\\`*_{}[]()<>#+-.!|~$:&"
    plain = _AUTOMATIC.sub(lambda found: found[0] + _JOINER, str(text).translate(_DIRECTIONS))
    return "".join(f"\\{c}" if c in special else " " if c in "\r\n" else c for c in plain)
