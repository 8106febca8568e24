"""What an export reports: its progress while it is written, what was written, and what reading back found."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

#: Number of problems that are listed; the rest is counted.
MAX_PROBLEMS = 100


@dataclass(frozen=True)
class ExportProgress:
    """How far an export is: steps done, steps in all, and what is being done ("Writing genes")."""

    done: int
    total: int
    what: str


@dataclass(frozen=True)
class ExportResult:
    """What was written.

    Attributes
    ----------
    path
        The zip or folder.
    files, bytes
        Number of files, and the size of the zip or of all files in bytes.
    seconds
        Seconds from the call until the export is published.
    n_cells, n_genes
        Number of cells and genes that were written.
    verified
        Whether everything was read back and compared.
    max_error_steps
        Largest error of a decoded value, in quantization steps; None if not verified.
    fixes, warnings
        One sentence each; the last warnings are those of `cautions`.
    arrays
        Number of arrays that were read back and compared; 0 if not verified.
    sha256
        SHA-256 of the zip or file, in hexadecimal; None for a folder.
    """

    path: Path
    files: int
    bytes: int
    seconds: float
    n_cells: int
    n_genes: int
    verified: bool
    max_error_steps: float | None
    fixes: tuple[str, ...]
    warnings: tuple[str, ...]
    arrays: int = 0
    sha256: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the object of the command line's ``--json``."""
        return {**asdict(self), "path": str(self.path), "fixes": list(self.fixes), "warnings": list(self.warnings)}

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> ExportResult:
        """Return the result that `to_json` made this object of."""
        return cls(
            **{**found, "path": Path(found["path"]), "fixes": (*found["fixes"],), "warnings": (*found["warnings"],)}
        )


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class VerifyReport:
    """What reading back found.

    Attributes
    ----------
    ok
        Whether there is no problem.
    problems
        One sentence each: at most `MAX_PROBLEMS`, and one that counts the rest.
    checked_files
        Number of files that were read.
    arrays
        Number of arrays that were decoded.
    max_error_steps
        Largest difference from the source, in quantization steps; None if nothing was compared with a source.
    """

    ok: bool
    problems: tuple[str, ...]
    checked_files: int
    arrays: int
    max_error_steps: float | None

    def to_json(self) -> dict[str, Any]:
        """Return the object of the command line's ``--json``."""
        return {
            "ok": self.ok,
            "problems": list(self.problems),
            "checked_files": self.checked_files,
            "arrays": self.arrays,
            "max_error_steps": self.max_error_steps,
        }
