"""Files of a workspace for what is large: named by their content, written once and never changed."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from cellucid_core.atomic import complete_or_absent
from cellucid_core.cell_pages import MAX_FILE, MadePages, pages_from_json
from cellucid_core.genes import GeneSet, GeneSets
from cellucid_core.serving.workspaces.tokens import is_name, workspaces_folder
from cellucid_core.serving.workspaces.workspace_json import PART_FILE, Damaged

if TYPE_CHECKING:
    from cellucid_core.dataset import View

PartKind = Literal["pages", "genes"]
_FORMAT, _VERSION = "cellucid-dashboard-signatures", 1


def part_name(kind: PartKind, *what: bytes) -> str:
    """Return the name of the file for something that is identified by some bytes."""
    state = hashlib.sha256()
    for piece in what:
        state.update(len(piece).to_bytes(8, "little"))
        state.update(piece)
    return f"{kind}-{state.hexdigest()[:32]}.json"


def write_part(name: str, file: str, text: Callable[[], str]) -> None:
    """Write a file into a workspace's folder, unless it is there already; only then `text` is called."""
    target = workspaces_folder(name) / file
    try:
        os.utime(target)  # it is about to be used, so `files` must not delete it as old
    except FileNotFoundError:
        with complete_or_absent(target, mode=0o600) as draft:
            draft.write_text(text(), encoding="utf-8")


def read_part(name: str, file: str) -> str:
    """Return the text of a file in a workspace's folder.

    Raises
    ------
    Damaged
        If there is no such file, it is larger than `cell_pages.MAX_FILE`, or not text.
    """
    if not is_name(name) or not PART_FILE.fullmatch(file):
        raise Damaged("name of a file")
    path = workspaces_folder() / name / file
    try:
        if path.is_symlink() or path.stat().st_size > MAX_FILE:
            raise Damaged(file)
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise Damaged(file) from error


def page_files_to_pages(view: View, texts: Mapping[str, str]) -> MadePages:
    """Read pages that have a file each, and find their cells.

    Parameters
    ----------
    view
        The dataset as mapped; the files may be of another one.
    texts
        Present name of each page → the text of its file, as `cell_pages.pages_to_json` returns it.

    Raises
    ------
    InputError
        As `cellucid_core.cell_pages.pages_from_json`.
    Damaged
        If a text is not that of such a file.
    """
    together: dict[str, Any] = {}
    try:
        for name, text in texts.items():
            content = json.loads(text)
            entry = {**content["pages"][0], "name": name}
            together = together or {**content, "pages": []}
            together["pages"].append(entry)
    except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        raise Damaged("pages") from error
    return pages_from_json(view, json.dumps(together))  # all at once, since finding cells by their ids takes long


def gene_file_to_json(name: str, sets: GeneSets) -> str:
    """Return signatures, and the name of the user's file with them, as text for `gene_file_from_json`."""
    return json.dumps(
        {
            "format": _FORMAT,
            "version": _VERSION,
            "name": name,
            "notes": sets.notes,
            "signatures": [
                {
                    "name": one.name,
                    "genes": one.genes,
                    "weights": one.weights,
                    "description": one.description,
                    "halves": one.halves,
                }
                for one in sets.signatures
            ],
        }
    )


def gene_file_from_json(text: str) -> tuple[str, GeneSets]:
    """Return the name and the signatures that `gene_file_to_json` was given.

    Raises
    ------
    Damaged
        If the text is not what that returns.
    """
    try:
        content = json.loads(text)
        if content["format"] != _FORMAT or content["version"] != _VERSION:
            raise Damaged("format")
        signatures = [_signature(one) for one in content["signatures"]]
        names = {one.name for one in signatures}
        if not signatures or len(names) != len(signatures):
            raise Damaged("signatures")
        return _word(content["name"]), GeneSets(signatures, [_word(note) for note in content["notes"]])
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        raise Damaged("signatures") from error


def _signature(content: dict[str, Any]) -> GeneSet:
    genes = tuple(_word(gene) for gene in content["genes"])
    weights = content["weights"]
    if weights is not None:
        weights = tuple(float(weight) for weight in weights)
        if len(weights) != len(genes) or not all(map(math.isfinite, weights)):
            raise Damaged("weights")
    halves = content.get("halves")
    if halves is not None:
        up, down = map(_word, halves)
        halves = (up, down)
    return GeneSet(_word(content["name"]), genes, weights, _word(content["description"]), halves)


def _word(value: object) -> str:
    if not isinstance(value, str):
        raise Damaged("text")
    return value
