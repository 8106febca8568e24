"""A finished export as plain JSON, so that it can be downloaded after a reload as long as its file is there."""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass, fields
from typing import Any

from cellucid_core.dataset.home import home_folder
from cellucid_core.errors import CellucidError
from cellucid_core.export import Again, ExportResult, ExportSettings, GeneChoice

_FILE_NAME = re.compile(r"[^/\\\0]{1,255}")


@dataclass(frozen=True)
class KeptExport:
    """A finished export.

    Attributes
    ----------
    dataset_id
        Its id.
    result, settings, again
        What was written, how, and how to write it again.
    left_out
        Cell columns that did not go along.
    """

    dataset_id: str
    result: ExportResult
    settings: ExportSettings
    again: Again
    left_out: tuple[str, ...]


def export_to_json(kept: KeptExport) -> dict[str, Any]:
    """Return it as plain JSON; of the path only the name, as it lies in ``home/exports``."""
    return {
        "dataset_id": kept.dataset_id,
        "file": kept.result.path.name,
        "result": {name: _listed(value) for name, value in asdict(kept.result).items() if name != "path"},
        "settings": {
            **asdict(kept.settings),
            "genes": _genes(kept.settings.genes),
            "launch": list(kept.settings.launch),
        },
        "again": {"command": kept.again.command, "python": kept.again.python, "files": dict(kept.again.files)},
        "left_out": list(kept.left_out),
    }


def export_from_json(content: dict[str, Any]) -> KeptExport | None:
    """Return an export that was kept; None if its file is gone, or what was kept of it is damaged."""
    try:
        file = content["file"]
        if not isinstance(file, str) or not _FILE_NAME.fullmatch(file) or file in (".", ".."):
            return None
        path = home_folder("exports") / file
        if path.is_symlink() or not path.is_file():
            return None
        values = {one.name: content["result"][one.name] for one in fields(ExportResult) if one.name != "path"}
        if not _sound(values) or path.stat().st_size != values["bytes"]:
            return None
        result = ExportResult(
            path=path, **{**values, "fixes": tuple(values["fixes"]), "warnings": tuple(values["warnings"])}
        )
        known = {one.name for one in fields(ExportSettings)}
        given = {name: value for name, value in content["settings"].items() if name in known}
        settings = ExportSettings(**{**given, "genes": _choice(given["genes"]), "launch": tuple(given["launch"])})
        again = content["again"]
        files = {str(name): str(text) for name, text in again["files"].items()}
        left_out = tuple(str(name) for name in content["left_out"])
        texts = (settings.description, settings.source_name, settings.source_url, settings.source_citation)
        if not all(isinstance(text, str) for text in texts):
            return None
        return KeptExport(
            str(content["dataset_id"]),
            result,
            settings,
            Again(str(again["command"]), str(again["python"]), files),
            left_out,
        )
    except (KeyError, TypeError, ValueError, AttributeError, OSError, CellucidError):
        return None


def _sound(values: dict[str, Any]) -> bool:
    whole = all(type(values[name]) is int for name in ("files", "bytes", "n_cells", "n_genes", "arrays"))
    error, sha256 = values["max_error_steps"], values["sha256"]
    return (
        whole
        and isinstance(values["seconds"], int | float)
        and isinstance(values["verified"], bool)
        and (error is None or isinstance(error, int | float))
        and (sha256 is None or isinstance(sha256, str))
        and all(isinstance(text, str) for name in ("fixes", "warnings") for text in values[name])
    )


def _listed(value: Any) -> Any:
    if isinstance(value, float):  # NumPy's too
        return float(value) if math.isfinite(value) else None
    return list(value) if isinstance(value, tuple) else value


def _genes(choice: GeneChoice) -> dict[str, Any]:
    return {
        "kind": choice.kind,
        "n": choice.n,
        "ids": list(choice.ids),
        "column": choice.column,
        "parts": [_genes(part) for part in choice.parts],
    }


def _choice(content: dict[str, Any], depth: int = 0) -> GeneChoice:
    if depth > 1:
        raise ValueError("parts of parts")
    return GeneChoice(
        content["kind"],
        content["n"],
        tuple(str(gene) for gene in content["ids"]),
        str(content["column"]),
        tuple(_choice(part, depth + 1) for part in content["parts"]),
    )
