"""What is kept of a workspace (`schema`) as plain JSON, version 1.

The row of a workspace holds one object::

    {"schema": 1, "revision": 7, "seed": "…64 hex…", "name": "", "created": 1.7e9, "current": "<content hash>",
     "collection": "",
     "datasets": {"<content hash>": {
        "source": {"path": "demo", "name": null, "modality": null, "cell_metadata": null},
        "title": "PBMC 68k, reduced", "cells": 700, "opened": 1.7e9,
        "choices": {…}, "fixes": ["key-collision"], "replaced": {"cd79a": "CD79A"}, "widgets": {"method": "ucell"},
        "pages": {"": {"made_so_far": 2, "pages": {"p2-1f…": {"id": "p2", "name": "T", "color": "#0072B2",
                                                             "made": "drawn", "file": "pages-….json"}}}},
        "gene_file": "genes-….json", "export": {…} or null}}}

Files are named by their content (`parts`). Unknown fields are ignored; a newer version is refused.
"""

from __future__ import annotations

import math
import re
from typing import Any

from cellucid_core.dataset import JOINS, MAX_SAMPLES, SAMPLE, DatasetSource
from cellucid_core.errors import InputError
from cellucid_core.serving.workspaces.schema import KeptDataset, KeptPage, KeptPages, KeptWorkspace

SCHEMA = 1
#: Largest number of datasets of a workspace; of more, those opened longest ago are dropped.
MAX_DATASETS = 50
#: Largest number of characters of a text, of values of a list, and of characters of a workspace's name.
MAX_TEXT = 2**20
_MAX_VALUES = 1000
_MAX_NAME = 120
_HASH = re.compile(r"[0-9a-f]{64}")
PART_FILE = re.compile(r"(pages|genes)-[0-9a-f]{32}\.json")
_COLLECTION = re.compile(r"[0-9a-f]{32}")
_TURNS = ("", "all", "matrix")


class Damaged(ValueError):
    """A file or a row does not hold what it should; the text names the part."""


def is_plain(value: object) -> bool:
    """Tell whether a widget's value can be kept: a finite number, a text, a bool, None, or a list of these."""
    if isinstance(value, list):
        return len(value) <= _MAX_VALUES and all(is_plain(one) and not isinstance(one, list) for one in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, int) or (isinstance(value, str) and len(value) <= MAX_TEXT)


def workspace_to_json(kept: KeptWorkspace) -> dict[str, Any]:
    """Return a workspace as plain JSON."""
    return {
        "schema": SCHEMA,
        "revision": kept.revision,
        "seed": kept.seed,
        "name": kept.name,
        "created": kept.created,
        "current": kept.current,
        "collection": kept.collection,
        "datasets": {key: dataset_to_json(one) for key, one in kept.datasets.items()},
    }


def dataset_to_json(kept: KeptDataset) -> dict[str, Any]:
    """Return a dataset of a workspace as plain JSON."""
    source = kept.source
    return {
        "source": source_to_json(source),
        "title": kept.title,
        "cells": kept.cells,
        "opened": kept.opened,
        "choices": kept.choices,
        "fixes": list(kept.fixes),
        "replaced": kept.replaced,
        "widgets": kept.widgets,
        "pages": {
            turn: {"made_so_far": pages.made_so_far, "pages": {key: vars(page) for key, page in pages.pages.items()}}
            for turn, pages in kept.pages.items()
        },
        "gene_file": kept.gene_file,
        "export": kept.export,
    }


def source_to_json(source: DatasetSource) -> dict[str, Any]:
    """Return the source of a dataset as plain JSON; that of joined samples holds their sources."""
    plain: dict[str, Any] = {
        "path": source.path,
        "name": source.name,
        "modality": source.modality,
        "cell_metadata": source.cell_metadata,
    }
    if source.content_hash:
        plain["content_hash"] = source.content_hash
    if source.left_out:
        plain["left_out"] = True
    if source.samples:
        plain["samples"] = list(source.samples)
    if source.join != "shared" or source.sample_column != SAMPLE:
        plain |= {"join": source.join, "sample_column": source.sample_column}
    if source.parts:
        plain["parts"] = [source_to_json(part) for part in source.parts]
    return plain


def workspace_from_json(content: object) -> KeptWorkspace:
    """Return the workspace of plain JSON; nothing in it is trusted before it is checked.

    Raises
    ------
    InputError
        If a newer version of this program wrote it.
    Damaged
        If it is not what `workspace_to_json` returns.
    """
    top = _object(content, "workspace")
    schema = top.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        raise InputError(
            "This workspace was written by a newer version of the dashboard.",
            "Update the server, or start a new workspace; this one is left as it is.",
        )
    if schema != SCHEMA:
        raise Damaged("schema")
    datasets = {}
    for key, one in _object(top.get("datasets", {}), "datasets").items():
        if not _HASH.fullmatch(key):
            raise Damaged("content hash")
        datasets[key] = _dataset(one)
    if len(datasets) > MAX_DATASETS:
        kept = sorted(datasets.items(), key=lambda item: -item[1].opened)[:MAX_DATASETS]
        datasets = dict(kept)
    return KeptWorkspace(
        seed=_matching(top.get("seed"), _HASH, "seed"),
        revision=_whole(top.get("revision", 0), "revision"),
        name=_text(top.get("name", ""), "name")[:_MAX_NAME],
        created=_time(top.get("created", 0.0), "created"),
        current=_matching(top.get("current", ""), _HASH, "current", empty=True),
        collection=_matching(top.get("collection", ""), _COLLECTION, "collection", empty=True),
        datasets=datasets,
    )


def _dataset(content: object) -> KeptDataset:
    found = _object(content, "dataset")
    export = found.get("export")
    widgets = _object(found.get("widgets", {}), "widgets")
    if not all(is_plain(value) for value in widgets.values()):
        raise Damaged("widgets")
    pages = {}
    for turn, one in _object(found.get("pages", {}), "pages").items():
        if turn not in _TURNS:
            raise Damaged("turn")
        pages[turn] = _pages(one)
    return KeptDataset(
        source=_source(found.get("source"), parts=True),
        title=_text(found.get("title", ""), "title"),
        cells=_whole(found.get("cells", 0), "cells"),
        opened=_time(found.get("opened", 0.0), "opened"),
        choices=_object(found.get("choices", {}), "choices"),
        fixes=tuple(_texts(found.get("fixes", []), "fixes")),
        replaced={
            key: _text(value, "replaced") for key, value in _object(found.get("replaced", {}), "replaced").items()
        },
        widgets=widgets,
        pages=pages,
        gene_file=_matching(found.get("gene_file", ""), PART_FILE, "gene_file", empty=True),
        export=None if export is None else _object(export, "export"),
    )


def _source(content: object, *, parts: bool = False) -> DatasetSource:
    source = _object(content, "source")
    samples = source.get("parts", []) if parts else []
    if not isinstance(samples, list) or len(samples) > MAX_SAMPLES or source.get("join", "shared") not in JOINS:
        raise Damaged("parts")
    return DatasetSource(
        path=_path(source.get("path")),
        name=_text_or_none(source.get("name"), "name"),
        modality=_text_or_none(source.get("modality"), "modality"),
        cell_metadata=None if source.get("cell_metadata") is None else _path(source.get("cell_metadata")),
        content_hash=_matching(source.get("content_hash", ""), _HASH, "content_hash", empty=True),
        parts=tuple(_source(sample) for sample in samples),
        left_out=source.get("left_out") is True,
        samples=tuple(_texts(source.get("samples", []), "samples")),
        join=source.get("join", "shared"),
        sample_column=_text(source.get("sample_column", SAMPLE), "sample_column"),
    )


def _pages(content: object) -> KeptPages:
    found = _object(content, "pages")
    pages = {}
    for key, one in _object(found.get("pages", {}), "pages").items():
        page = _object(one, "page")
        pages[key] = KeptPage(
            id=_text(page.get("id"), "id"),
            name=_text(page.get("name"), "name"),
            color=_text_or_none(page.get("color"), "color"),
            made=_text(page.get("made", ""), "made"),
            file=_matching(page.get("file"), PART_FILE, "file"),
        )
    return KeptPages(pages, _whole(found.get("made_so_far", 0), "made_so_far"))


def _object(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise Damaged(what)
    return value


def _text(value: object, what: str) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise Damaged(what)
    return value


def _path(value: object) -> str:
    text = _text(value, "path")
    if "\0" in text:
        raise Damaged("path")
    return text


def _texts(value: object, what: str) -> list[str]:
    if not isinstance(value, list):
        raise Damaged(what)
    return [_text(one, what) for one in value]


def _text_or_none(value: object, what: str) -> str | None:
    return None if value is None else _text(value, what)


def _matching(value: object, pattern: re.Pattern[str], what: str, *, empty: bool = False) -> str:
    text = _text(value, what)
    if not pattern.fullmatch(text) and not (empty and text == ""):
        raise Damaged(what)
    return text


def _whole(value: object, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise Damaged(what)
    return value


def _time(value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Damaged(what)
    try:
        seconds = float(value)
    except OverflowError:
        raise Damaged(what) from None
    if not math.isfinite(seconds):
        raise Damaged(what)
    return seconds
