"""The one kind of error a user sees: what happened, and how to fix it."""

from __future__ import annotations

import secrets
import traceback
from pathlib import Path
from typing import Any

#: Number of innermost stack frames of an unforeseen error that are logged.
_FRAMES = 12


class CellucidError(Exception):
    """Something the user can understand and fix.

    Parameters
    ----------
    what
        One sentence: what happened.
    fix
        One sentence: what to do about it. May be empty only if nothing can be done.
    """

    def __init__(self, what: str, fix: str = "") -> None:
        self.what = what
        self.fix = fix
        super().__init__(f"{what} {fix}".strip())


class InputError(CellucidError):
    """An input that cannot be opened or an argument that makes no sense (exit status 2)."""


class WorkRefused(CellucidError):
    """The work itself was refused or failed: preflight is red, a verification failed (exit status 1).

    Parameters
    ----------
    what, fix
        As for `CellucidError`.
    details
        More for programs; added to the command line's JSON.
    """

    def __init__(self, what: str, fix: str = "", details: dict[str, Any] | None = None) -> None:
        super().__init__(what, fix)
        self.details = details or {}


class Unforeseen(WorkRefused):
    """A bug of this program that nothing below caught: a sentence for the user, with a reference into the log.

    Parameters
    ----------
    error
        The exception.
    reference
        Eight hexadecimal digits that stand in the sentence and in the log; new ones by default.

    Attributes
    ----------
    reference
        The same.
    facts
        For the log: the reference, the type and the stack frames. The exception's message is left out, as it may quote
        data.
    """

    def __init__(self, error: BaseException, reference: str = "") -> None:
        self.reference = reference or secrets.token_hex(4)
        frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
        self.facts: dict[str, Any] = {
            "reference": self.reference,
            "type": type(error).__name__,
            "lines": [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames],
        }
        super().__init__(
            f"Something failed here that should not have ({type(error).__name__}, reference {self.reference}).",
            "Your work is kept. Try again, or in another way; please report the error with this reference, which is "
            "also in the log.",
        )

    def __reduce__(self) -> Any:
        """Reach other processes as a `WorkRefused` with the same sentences, as the exception itself stays here."""
        return WorkRefused, (self.what, self.fix)
