"""Keep, while somebody signs in at the provider, which workspace they wanted and what they had made before.

Whoever signs in or out gets another cookie (`browser_cookie`), and comes back from the provider to the bare address. So
the server notes in its database, under the fingerprint of the browser's cookie, which workspace was wanted (by its
name, from which nobody can make its link) and whether the user takes over what was made at the browser. With the
sign-in the note moves to the new cookie; it works once and expires soon. Nothing of it is in an address or at the
provider.

What the user does not take over stays with the browser, under its new cookie: it is there again after signing out.
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

#: Seconds that signing in may take, a second factor or a forgotten password included.
LIFETIME = 1800.0


@dataclass(frozen=True)
class Way:
    """What is noted when somebody leaves to sign in.

    Attributes
    ----------
    workspace
        Name of the workspace to open afterwards, ``new``, or empty.
    carry
        Whether the user takes over what was made at the browser.
    user
        The only user for whom the workspace is opened; empty: anybody.
    made
        When it was noted, in seconds since 1970.
    arrived
        Whether somebody has signed in since.
    """

    workspace: str = ""
    carry: bool = False
    user: str = ""
    made: float = 0.0
    arrived: bool = False


def note_way(browser: str | None, workspace: str, *, carry: bool, user: str = "") -> None:
    """Note a `Way` for somebody who leaves to sign in; there is one note for each browser.

    Parameters
    ----------
    browser
        Value of its cookie (`browser_cookie.browser_of`); without one nothing is noted.
    workspace, carry, user
        As in `Way`.

    Raises
    ------
    DatabaseRefused
        If the database cannot be written.
    """
    if browser is not None:
        with writing() as connection:
            _note(connection, browser, way=asdict(Way(workspace, carry, user, time.time())))


def find_way(browser: str | None) -> Way | None:
    """Return the note of the sign-in that gave a browser its cookie; None without one, or if it is too old."""
    if browser is None:
        return None
    with reading() as connection:
        return _found(connection, browser)


def drop_way(browser: str | None) -> None:
    """Delete a browser's note, since whoever is there now did not come from signing in."""
    if browser is None:
        return
    with reading() as connection:
        noted = connection.scalar(select(browsers.c.way).where(browsers.c.print == fingerprint(browser)))
    if noted is not None:
        with writing() as connection:
            _note(connection, browser, way=None)


def arrive_signed_in(browser: str | None, user: str) -> tuple[str, Carried | None]:
    """Use up a browser's note: give the user what was made there before signing in, if they asked for it.

    Parameters
    ----------
    browser
        Value of the browser's cookie after signing in.
    user
        ``user-…``.

    Returns
    -------
    str
        Name of the workspace to open, ``new``, or empty.
    Carried or None
        What the user got.
    """
    if browser is None or find_way(browser) is None:
        return "", None
    with writing() as connection:
        one_at_a_time(connection, browser)  # of two tabs, only one uses the note
        way = _found(connection, browser)
        carried = None
        if way is not None and way.carry and (before := left_behind(connection, browser)) is not None:
            carried = pass_on(connection, browser_owner(before), user)
        _note(connection, browser, way=None)
    return (way.workspace if way is not None and way.user in ("", user) else ""), carried


def left_behind(connection: Connection, browser: str) -> str | None:
    """Return the fingerprint that owns what was made at a signed-in browser before signing in, or None."""
    found = connection.scalar(select(browsers.c.before).where(browsers.c.print == fingerprint(browser)))
    return found or None


def change_browser(old: str | None, new: str, signs_in: bool) -> bool:
    """Change to another cookie, because somebody signed in or out at a browser.

    The old sign-in ends, the old cookie is retired, and the note and what was left behind move to the new one. If
    somebody signs out where nobody was signed in, the browser keeps its cookie and nothing is written, so that requests
    with made-up cookies do not fill the database.

    Parameters
    ----------
    old, new
        The cookie before and after.
    signs_in
        Whether somebody signed in; else somebody signed out.

    Returns
    -------
    bool
        Whether the browser gets the new cookie.
    """
    if old is None:
        return True
    try:
        with writing() as connection:
            return _changed(connection, old, new, signs_in)
    except CellucidError as error:  # signing in and out must work on a full disk
        log_error(error, "sign-in")
    with suppress(CellucidError), writing() as connection:
        end_sign_in_within(connection, old)
        retire(connection, old)
    return True


def _changed(connection: Connection, old: str, new: str, signs_in: bool) -> bool:
    one_at_a_time(connection, old)  # of two tabs, the first one counts
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
        # Else a user has taken it over, and also gets what is still made for the old cookie.
        pass_on(connection, owner, browser_owner(fingerprint(new)))
    return True


def _found(connection: Connection, browser: str) -> Way | None:
    way = _noted(connection, browser)
    return way if way is not None and way.arrived and 0 <= time.time() - way.made <= LIFETIME else None


def _noted(connection: Connection, browser: str) -> Way | None:
    found: Any = connection.scalar(select(browsers.c.way).where(browsers.c.print == fingerprint(browser)))
    try:
        way = Way(**found)
    except TypeError:  # no note, or one of another version
        return None
    return way if all(isinstance(getattr(way, one.name), type(one.default)) for one in fields(Way)) else None


def _note(connection: Connection, browser: str, **values: Any) -> None:
    upsert(connection, browsers, {"print": fingerprint(browser), "changed": time.time(), **values})
