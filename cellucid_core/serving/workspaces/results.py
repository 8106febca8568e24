"""A finished export as plain JSON, so that it can be downloaded after a reload while its file is there."""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass, fields
from typing import Any

from cellucid_core.cache import home_folder
from cellucid_core.errors import CellucidError
from cellucid_core.export import FORMATS, Again, ExportResult

_FILE_NAME = re.compile(r"[^/\\\0]{1,255}")


@dataclass(frozen=True)
class KeptExport:
    """A finished export.

    Attributes
    ----------
    dataset_id
        Id in the export.
    result, again
        What was written, and how to write it again.
    format
        ``"compact"``, ``"h5ad"`` or ``"zarr.zip"``.
    settings_mark
        A text that differs for other settings.
    left_out
        Cell columns that were not exported.
    """

    dataset_id: str
    result: ExportResult
    format: str
    settings_mark: str
    again: Again
    left_out: tuple[str, ...]


def export_to_json(kept: KeptExport) -> dict[str, Any]:
    """Return a finished export as plain JSON; only the name of its file, which is in ``home/exports``."""
    return {
        "dataset_id": kept.dataset_id,
        "file": kept.result.path.name,
        "result": {name: _listed(value) for name, value in asdict(kept.result).items() if name != "path"},
        "format": kept.format,
        "settings_mark": kept.settings_mark,
        "again": {"command": kept.again.command, "python": kept.again.python, "files": dict(kept.again.files)},
        "left_out": list(kept.left_out),
    }


def export_from_json(content: dict[str, Any]) -> KeptExport | None:
    """Return a finished export from plain JSON; None if its file is gone or another, or the JSON is damaged."""
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
        again = content["again"]
        files = {str(name): str(text) for name, text in again["files"].items()}
        left_out = tuple(str(name) for name in content["left_out"])
        if content["format"] not in FORMATS:
            return None
        return KeptExport(
            str(content["dataset_id"]),
            result,
            content["format"],
            str(content["settings_mark"]),
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
    if isinstance(value, float):  # also numpy's; JSON has no infinity
        return float(value) if math.isfinite(value) else None
    return list(value) if isinstance(value, tuple) else value
