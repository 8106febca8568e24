"""Browsers whose cookie was replaced because somebody signed in or out, and their heirs: who has now what they had.

Tabs that are still open and jobs that still run know the old cookie. What they make must go to the heir, not to an
owner who never comes back.
"""

from __future__ import annotations

import re
import time

from sqlalchemy import Connection, select, update

from cellucid_core.database import browsers, one_at_a_time, reading, upsert, writing
from cellucid_core.library import Entry, Signature, add_entry, pass_entries
from cellucid_core.serving.browser_cookie import fingerprint

_OWNER = re.compile(r"(user|browser)-[0-9a-f]{64}")
_BROWSER = "browser-"
#: Largest number of heirs that are followed: sign-ins and sign-outs at one browser during one job.
_MOST_HEIRS = 50
#: Name for `one_at_a_time` in transactions that give something to an heir or ask who the heir is.
HEIRS = "heirs"


def browser_owner(print_of_cookie: str) -> str:
    """Return the owner of what is made at a browser where nobody is signed in: ``browser-`` and the fingerprint."""
    return f"{_BROWSER}{print_of_cookie}"


def retire(connection: Connection, browser: str) -> None:
    """Note that a browser got another cookie, so that the old one is not accepted any more."""
    upsert(connection, browsers, {"print": fingerprint(browser), "retired": True, "changed": time.time()})


def is_retired(browser: str | None) -> bool:
    """Tell whether a cookie was replaced by another."""
    if browser is None:
        return False
    with reading() as connection:
        return bool(connection.scalar(select(browsers.c.retired).where(browsers.c.print == fingerprint(browser))))


def name_heir(connection: Connection, owner: str, heir: str) -> None:
    """Note who now has what belonged to a browser; an empty heir: the browser has it again. Does nothing for a user."""
    if owner.startswith(_BROWSER):
        row = {"print": owner.removeprefix(_BROWSER), "heir": heir}
        if heir:
            upsert(connection, browsers, row | {"changed": time.time()})
        else:
            connection.execute(update(browsers).where(browsers.c.print == row["print"]).values(heir=""))


def heir_of(connection: Connection, owner: str) -> str:
    """Return who now has what belonged to an owner; usually that is the owner."""
    for _ in range(_MOST_HEIRS):
        if not owner.startswith(_BROWSER):
            break
        heir = connection.scalar(select(browsers.c.heir).where(browsers.c.print == owner.removeprefix(_BROWSER)))
        if not heir or not _OWNER.fullmatch(heir):
            break
        owner = heir
    return owner


def add_heirs_entry(signature: Signature, owner: str) -> Entry:
    """Add an entry to the library for an owner, or for the owner's heir at the moment when it is added.

    Raises
    ------
    CellucidError
        As `cellucid_core.library.add_entry`, or if the database cannot be used.
    """
    with reading() as connection:
        first = heir_of(connection, owner)
    entry = add_entry(signature, first)
    with writing() as connection:
        one_at_a_time(connection, HEIRS)
        now = heir_of(connection, owner)  # an heir of this moment did not get it, since it was not there
        if now != first:
            pass_entries(connection, first, now, (entry.id,))
    return entry
