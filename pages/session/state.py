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
    """Gene sets that the user opened: the name of their file or collection, and the sets."""

    name: str
    sets: GeneSets


@dataclass(frozen=True)
class Wanted:
    """A change that is slow to compute; until it is done, everything stays as it is.

    Attributes
    ----------
    choices, fixes
        The choices and fixes after the change.
    everything
        Whether all safe fixes are applied after them.
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
        The requested fixes, in order: ``RULE``, ``RULE=ALTERNATIVE`` or ``RULE=overrule``.
    usual
        The default choices.
    mapping
        `choices` with `fixes` applied.
    opened
        When the dataset was opened, seconds since 1970.
    kept_names
        Names of the widgets that keep their values (`kept`), as far as they were drawn.
    source
        Where the dataset was opened from, for opening it again with another modality or cell table.
    export
        The last finished export, for the export page.
    page_sets
        The pages that the user made, for each dataset of the session (see `pages`).
    gene_files
        The open gene sets, for each dataset (see `gene_sets`).
    replaced_genes
        Genes as first written → the accepted proposal, for each dataset (see `replaced`).
    wanted
        The last requested change that a worker has to compute first; `pages.session.changes` starts the job.
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
        """Start over with a dataset and its default choices; `report` is preflight's report on these, if known."""
        self.dataset, self.source = dataset, source
        self.choices = self.mapping = self.usual = default_mapping(dataset)
        self.opened = time.time()
        self.fixes, self.export, self.wanted = (), None, None
        self._report = None if report is None else (self.mapping.digest(), report)

    def put_down(self) -> None:
        """Close the dataset; pages and gene sets of the session stay."""
        self.dataset = self.source = self.export = None

    def close(self) -> None:
        """Forget everything."""
        vars(self).update(vars(Workspace()))

    def choose(self, **changes: Any) -> None:
        """Change choices (fields of the mapping), keeping the fixes.

        Here and in the methods below, a change that is slow to compute is only noted as `wanted`.
        """
        self.take(replace(self.choices, **changes), self.fixes)

    def fix(self, asked: str, progress: Callable[[str, float], None] | None = None) -> None:
        """Apply a fix after all others, even if it was applied before: a later choice may have made it necessary."""
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
        """Undo a fix, keeping the others."""
        self.take(self.choices, tuple(other for other in self.fixes if other != asked))

    def resume(
        self, choices: Mapping, fixes: tuple[str, ...], progress: Callable[[str, float], None] | None = None
    ) -> None:
        """Set choices and fixes, and forget the finished export.

        Raises
        ------
        NotComputed
            If a worker has to compute something first; nothing is changed then.
        """
        assert self.dataset is not None
        mapping = apply_fixes(self.dataset, choices, fixes, Scope(progress=progress, ready_only=True))
        self.choices, self.fixes, self.mapping = choices, fixes, mapping
        self.export = None

    def take(
        self, choices: Mapping, fixes: tuple[str, ...], progress: Callable[[str, float], None] | None = None
    ) -> None:
        """Set choices and fixes, or note them as `wanted` if a worker has to compute something first."""
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
        """The open gene sets, or None if genes are pasted."""
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
        # In a turned (transposed) matrix, the rows are other cells.
        assert self.dataset is not None
        return f"{self.dataset.content_hash} {self.mapping.turn}"

    @property
    def view(self) -> View:
        """The open dataset with the current mapping; the same object, with its computed parts, until either changes."""
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
    """Return the arguments that keep a widget's value, per dataset, while other pages are shown.

    Another dataset starts with the defaults; a dataset that is opened again has the values that were chosen there.
    """
    workspace().kept_names.add(name)
    return {"key": widget_key(name), "persist_state": "session"}


def widget_key(name: str) -> str:
    """Return a widget's key for the open dataset: ``name@hash``, or the name if none is open."""
    dataset = workspace().dataset
    return f"{name}@{dataset.content_hash[:12]}" if dataset else name


def show_error(error: CellucidError) -> None:
    """Draw an error: what happened and how to fix it."""
    st.error(f"**{literal(error.what)}** {literal(error.fix)}", icon=":material/error:")


def dataset_source() -> DatasetSource:
    """Return the source from which a job opens the dataset that is open here."""
    dataset, source = workspace().dataset, workspace().source
    assert dataset is not None
    if source is None:
        return DatasetSource(str(dataset.path), content_hash=dataset.content_hash)
    return replace(source, content_hash=dataset.content_hash)


def counted(n: int, one: str, many: str = "") -> str:
    """Return a number with its noun: ``1 gene``, ``1,234 genes``."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def in_time(seconds: float) -> str:
    """Return seconds as people read them: "under 1 s", "12 s", "3 min"."""
    if seconds < 1:
        return "under 1 s"
    return f"{seconds:,.0f} s" if seconds < 90 else f"{seconds / 60:,.0f} min"


#: Where escaping does not keep text from becoming a link or an icon: a zero-width joiner is put there.
_AUTOMATIC = re.compile(r":(?=//|material/)|(?<=www)(?=\.)|(?=@)", re.IGNORECASE)
#: Marks that change the direction of text, also of the text after a name; they are removed.
_DIRECTIONS = dict.fromkeys(map(ord, "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"))
_JOINER = "\u2060"


def literal(text: object) -> str:
    """Escape text so that Markdown shows it as it is: names in data may look like markup, colours, links or icons."""
    special = "\\`*_{}[]()<>#+-.!|~$:&"
    plain = _AUTOMATIC.sub(lambda found: found[0] + _JOINER, str(text).translate(_DIRECTIONS))
    return "".join(f"\\{c}" if c in special else " " if c in "\r\n" else c for c in plain)
