"""The one kind of error a user sees: what happened, and how to fix it."""

from __future__ import annotations

from typing import Any


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
    """The work itself says no: preflight is red, a verification failed (exit status 1).

    Parameters
    ----------
    what, fix
        As for `CellucidError`.
    details
        What a program wants to know besides; goes into the command line's JSON.
    """

    def __init__(self, what: str, fix: str = "", details: dict[str, Any] | None = None) -> None:
        super().__init__(what, fix)
        self.details = details or {}
