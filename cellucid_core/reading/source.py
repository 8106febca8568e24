"""What a reader is given: the file, and what the user chose of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from cellucid_core.cache import combined_hash
from cellucid_core.errors import InputError


@dataclass(frozen=True, eq=False)
class Source:
    """A file or folder that is about to be read.

    Attributes
    ----------
    path
        Where it is: a `pathlib.Path`, or a `RemoteFile`.
    name
        What to call the dataset.
    file_name
        What the user calls the file, for messages.
    hashing
        Returns the hash of its content; waits where it is still being computed.
    inside
        Folder within a zip that is read in place, ending in ``/``, or the empty string.
    modality
        The part that the user asked for, where a file holds several.
    cell_metadata
        The table of cell metadata that the user gave, cell ids as its index.
    """

    path: Any
    name: str
    file_name: str
    hashing: Callable[[], str]
    inside: str = ""
    modality: str | None = None
    cell_metadata: pd.DataFrame | None = None

    @property
    def digest(self) -> str:
        """Hash of the content."""
        return self.hashing()

    def choose(self, available: Sequence[str], preferred: Sequence[str]) -> str:
        """Return the modality to read: the one asked for, else the first preferred one, else the first.

        Raises
        ------
        InputError
            If the one asked for is not available, or none is.
        """
        if not available:
            raise InputError(f"{self.file_name} holds no modality.", "Write it again from your pipeline.")
        if self.modality is not None:
            if self.modality not in available:
                raise InputError(
                    f"{self.file_name} has no modality {self.modality!r}.", f"It has: {', '.join(available[:12])}."
                )
            return self.modality
        return next((name for name in preferred if name in available), available[0])

    def part(self, *choices: str) -> str:
        """Return a hash of the content and of the choices that change what is read of it."""
        return combined_hash(self.digest, *choices)
