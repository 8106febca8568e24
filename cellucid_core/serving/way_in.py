"""What must not get lost on the way over the provider: where somebody was going, and what they had made before.

Who signs in or out gets another cookie (`browser_cookie`), and comes back from the provider to the bare address. So the
server notes in its database, under the fingerprint of the browser's cookie, which workspace was wanted (by its
name, from which nobody can make its link) and whether the browser's work comes along. The note moves to the new cookie
with the sign-in that it was made for, works once, and soon not at all. Nothing is in an address or at the provider.

What nobody takes along stays with the browser, whatever its cookie is by then: it is there again after signing out.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from sqlalchemy import Connection, select

from cellucid_core.database import browsers, one_at_a_time, reading, upsert, writing
from cellucid_core.errors import CellucidError
from cellucid_core.serving.browser_cookie import fingerprint
from cellucid_core.serving.claiming import Carried, pass_on
from cellucid_core.serving.logs import log_error
from cellucid_core.serving.sign_in import browser_owner, end_sign_in_within, heir_of, retire, was_signed_in

#: Seconds that signing in may take, with a second factor or a forgotten password.
LIFETIME = 1800.0


@dataclass(frozen=True)
class Way:
    """What somebody who signs in comes from.

    Attributes
    ----------
    workspace
        Name of the workspace that shall be open afterwards, ``new``, or empty.
    carry
        Whether what was made at the browser becomes the user's.
    user
        Who has to be the one who signs in, for the workspace to be opened; empty: anybody.
    made
        When it was noted, in seconds since 1970.
    arrived
        Whether a sign-in has succeeded since.
    """

    workspace: str = ""
    carry: bool = False
    user: str = ""
    made: float = 0.0
    arrived: bool = False


def note_way(browser: str | None, workspace: str, *, carry: bool, user: str = "") -> None:
    """Note what somebody who leaves for the provider comes from; one note for each browser.

    Parameters
    ----------
    browser
        Value of its cookie (`browser_cookie.browser_of`); without one there is nothing to note.
    workspace, carry, user
        As `Way` has them.
    """
    if browser is not None:
        with writing() as connection:
            _note(connection, browser, way=asdict(Way(workspace, carry, user, time.time())))


def find_way(browser: str | None) -> Way | None:
    """Return what the sign-in came from that gave a browser its cookie, None if nothing or too long ago."""
    if browser is None:
        return None
    with reading() as connection:
        return _found(connection, browser)


def drop_way(browser: str | None) -> None:
    """Forget what a browser's note says: whoever is there now has come another way."""
    if browser is None:
        return
    with reading() as connection:
        noted = connection.scalar(select(browsers.c.way).where(browsers.c.print == fingerprint(browser)))
    if noted is not None:
        with writing() as connection:
            _note(connection, browser, way=None)


def arrive_signed_in(browser: str | None, user: str) -> tuple[str, Carried | None]:
    """Give a user what they made before signing in, once, if they asked for it.

    Parameters
    ----------
    browser
        Value of its cookie after signing in.
    user
        ``user-…``.

    Returns
    -------
    str
        Name of the workspace that shall be open, ``new``, or empty.
    Carried or None
        What has become the user's.
    """
    if browser is None or find_way(browser) is None:
        return "", None
    with writing() as connection:
        one_at_a_time(connection, browser)  # of two tabs, one
        way = _found(connection, browser)
        carried = None
        if way is not None and way.carry and (before := left_behind(connection, browser)) is not None:
            carried = pass_on(connection, browser_owner(before), user)
        _note(connection, browser, way=None)
    return (way.workspace if way is not None and way.user in ("", user) else ""), carried


def left_behind(connection: Connection, browser: str) -> str | None:
    """Return the fingerprint under which is what was made at a signed-in browser while nobody was signed in."""
    found = connection.scalar(select(browsers.c.before).where(browsers.c.print == fingerprint(browser)))
    return found or None


def change_browser(old: str | None, new: str, signs_in: bool) -> bool:
    """Do what is to be done when a browser gets another cookie because somebody signed in or out there.

    Where nobody was signed in, there is nobody to sign out: the browser keeps its cookie, and whoever asks to be signed
    out again and again, under cookies that they made up, leaves nothing here.

    Parameters
    ----------
    old, new
        The cookie that is taken away, and the one that it gets.
    signs_in
        Whether somebody signed in.

    Returns
    -------
    bool
        Whether it gets the other cookie.
    """
    if old is None:
        return True
    try:
        with writing() as connection:
            return _changed(connection, old, new, signs_in)
    except CellucidError as error:  # a full disk keeps nobody from signing in, and even less out
        log_error(error, "sign-in")
    with suppress(CellucidError), writing() as connection:
        end_sign_in_within(connection, old)
        retire(connection, old)
    return True


def _changed(connection: Connection, old: str, new: str, signs_in: bool) -> bool:
    one_at_a_time(connection, old)  # of two tabs, the first
    before = left_behind(connection, old)
    if not signs_in and before is None and not was_signed_in(connection, old):
        return False
    end_sign_in_within(connection, old)
    retire(connection, old)
    before = before or fingerprint(old)
    way = _noted(connection, old)
    _note(connection, old, way=None, before="")
    if signs_in:
        came = asdict(replace(way, arrived=True)) if way is not None else None
        _note(connection, new, way=came, before=before)
    elif heir_of(connection, owner := browser_owner(before)) == owner:
        # Else a user has it, and what still becomes of it is theirs.
        pass_on(connection, owner, browser_owner(fingerprint(new)))
    return True


def _found(connection: Connection, browser: str) -> Way | None:
    way = _noted(connection, browser)
    return way if way is not None and way.arrived and 0 <= time.time() - way.made <= LIFETIME else None


def _noted(connection: Connection, browser: str) -> Way | None:
    found: Any = connection.scalar(select(browsers.c.way).where(browsers.c.print == fingerprint(browser)))
    try:
        way = Way(**found)
    except TypeError:  # none, or of another version
        return None
    return way if all(isinstance(getattr(way, one.name), type(one.default)) for one in fields(Way)) else None


def _note(connection: Connection, browser: str, **values: Any) -> None:
    upsert(connection, browsers, {"print": fingerprint(browser), "changed": time.time(), **values})
