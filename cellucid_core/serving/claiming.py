"""What somebody made becomes somebody else's: a browser's becomes the user's who signs in there, and back again."""

from __future__ import annotations

from dataclasses import dataclass

from cellucid_core.database import writing
from cellucid_core.library import pass_entries
from cellucid_core.serving.downloads import pass_downloads
from cellucid_core.serving.incoming import pass_uploads
from cellucid_core.serving.jobs import pass_jobs
from cellucid_core.serving.live import pass_links
from cellucid_core.serving.sign_in import holder_name, name_heir
from cellucid_core.serving.workspaces import pass_workspaces


@dataclass(frozen=True)
class Carried:
    """What went from one owner to another.

    Attributes
    ----------
    source, target
        Owners as `pages.session.owner.owner` names them.
    workspaces, entries, jobs, uploads, downloads, links
        Names of what went: only these go back (`hand_back`).
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
        """Whether anything went that a person would look for."""
        return bool(self.workspaces or self.entries or self.jobs or self.uploads or self.links)


def carry_over(source: str, target: str) -> Carried:
    """Give an owner all that another one has, the source's workspaces as those used last.

    May be called again after it was cut off. Finished exports and collections belong to workspaces and go with them;
    files of uploads lie where they lay.

    Parameters
    ----------
    source, target
        ``browser-…`` or ``user-…``.

    Raises
    ------
    OSError
        If the disk cannot be written; what had gone until then has gone.
    """
    return _pass_on(source, target, None)


def hand_back(carried: Carried) -> Carried:
    """Give back what went with `carry_over`, and nothing else; what was deleted since stays deleted."""
    return _pass_on(carried.target, carried.source, carried)


def _pass_on(source: str, target: str, only: Carried | None) -> Carried:
    if source == target:
        return Carried(source, target)
    # First, so that what a job adds meanwhile is found either here or there.
    name_heir(source, target)
    name_heir(target, "")
    holders = holder_name(source), holder_name(target)
    return Carried(
        source,
        target,
        workspaces=pass_workspaces(source, target, only.workspaces if only else None),
        entries=pass_entries(source, target, only.entries if only else None),
        jobs=_jobs(source, target, only),
        uploads=pass_uploads(*holders, only.uploads if only else None),
        downloads=pass_downloads(*holders, only.downloads if only else None),
        links=pass_links(source, target, only.links if only else None),
    )


def _jobs(source: str, target: str, only: Carried | None) -> tuple[str, ...]:
    with writing() as connection:
        return pass_jobs(connection, source, target, only.jobs if only else None)
