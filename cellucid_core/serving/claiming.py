"""Give what one owner has to another: what was made at a browser to the user who signs in there, and back."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from cellucid_core.database import one_at_a_time, writing
from cellucid_core.library import pass_entries
from cellucid_core.serving.downloads import pass_downloads
from cellucid_core.serving.incoming import pass_uploads
from cellucid_core.serving.jobs import pass_jobs
from cellucid_core.serving.live import pass_links
from cellucid_core.serving.sign_in import HEIRS, name_heir
from cellucid_core.serving.workspaces import pass_workspaces


@dataclass(frozen=True)
class Carried:
    """What one owner gave to another.

    Attributes
    ----------
    source, target
        The owners, ``browser-…`` or ``user-…``.
    workspaces, entries, jobs, uploads, downloads, links
        Keys of what was given; `hand_back` gives only these back.
    """

    source: str
    target: str
    workspaces: tuple[str, ...] = ()
    entries: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()
    uploads: tuple[str, ...] = ()
    downloads: tuple[str, ...] = ()
    links: tuple[str, ...] = ()

    @property
    def is_something(self) -> bool:
        """Whether anything was given that a person would look for."""
        return bool(self.workspaces or self.entries or self.jobs or self.uploads or self.links)


def hand_back(carried: Carried) -> Carried:
    """Give back what `pass_on` gave, and nothing else; what was deleted since stays deleted.

    Raises
    ------
    DatabaseRefused
        If the database cannot be written.
    """
    with writing() as connection:
        return pass_on(connection, carried.target, carried.source, carried)


def pass_on(connection: Connection, source: str, target: str, only: Carried | None = None) -> Carried:
    """Give everything that one owner has to another, within a transaction.

    The target then has used the source's workspaces last. Finished exports and collections belong to workspaces and go
    with them; files of uploads stay where they are.

    Parameters
    ----------
    connection
        The transaction.
    source, target
        ``browser-…`` or ``user-…``.
    only
        Give nothing but what this lists.
    """
    if source == target:
        return Carried(source, target)
    one_at_a_time(connection, HEIRS)
    name_heir(connection, source, target)
    name_heir(connection, target, "")
    each = {
        "workspaces": pass_workspaces,
        "entries": pass_entries,
        "jobs": pass_jobs,
        "uploads": pass_uploads,
        "downloads": pass_downloads,
        "links": pass_links,
    }
    passed = {
        what: pass_them(connection, source, target, getattr(only, what) if only else None)
        for what, pass_them in each.items()
    }
    return Carried(source, target, **passed)
