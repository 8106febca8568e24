"""What must not get lost on the way over the provider: where somebody was going, and what they had made before.

Who signs in or out gets another cookie (`browser_cookie`), and comes back from the provider to the bare address. So the
server notes beside the other state, under the fingerprint of the browser's cookie, which workspace was wanted (by its
name, from which nobody can make its link) and whether the browser's work comes along. The note moves to the new cookie
with the sign-in that it was made for, works once, and soon not at all. Nothing is in an address or at the provider.

What nobody takes along stays with the browser, whatever its cookie is by then: it is there again after signing out.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from filelock import FileLock

from cellucid_core.atomic import complete_or_absent
from cellucid_core.cache import home_folder
from cellucid_core.errors import CellucidError
from cellucid_core.serving.browser_cookie import fingerprint
from cellucid_core.serving.claiming import Carried, carry_over
from cellucid_core.serving.logs import log_error
from cellucid_core.serving.sign_in import browser_owner, end_sign_in, heir_of, retire, was_signed_in

#: Seconds that signing in may take, with a second factor or a forgotten password.
LIFETIME = 1800.0
_PRINT = re.compile(r"[0-9a-f]{64}")


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
        _write(_way(browser), Way(workspace, carry, user, time.time()))


def find_way(browser: str | None) -> Way | None:
    """Return what the sign-in came from that gave a browser its cookie, None if nothing or too long ago."""
    if browser is None:
        return None
    way = _read(_way(browser))
    return way if way is not None and way.arrived and 0 <= time.time() - way.made <= LIFETIME else None


def drop_way(browser: str | None) -> None:
    """Forget what a browser's note says: whoever is there now has come another way."""
    if browser is not None:
        _way(browser).unlink(missing_ok=True)


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
    if browser is None or not _way(browser).exists():
        return "", None
    with FileLock(_way(browser).with_suffix(".lock"), mode=0o600):  # of two tabs, one
        way = find_way(browser)
        carried = None
        if way is not None and way.carry and (before := left_behind(browser)) is not None:
            carried = carry_over(browser_owner(before), user)
        drop_way(browser)  # last, so that a server that is killed meanwhile goes on
    return (way.workspace if way is not None and way.user in ("", user) else ""), carried


def left_behind(browser: str) -> str | None:
    """Return the fingerprint under which is what was made at a signed-in browser while nobody was signed in."""
    try:
        found = _before(browser).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None
    return found if _PRINT.fullmatch(found) else None


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
    if not signs_in and not was_signed_in(old) and left_behind(old) is None:
        return False
    end_sign_in(old)
    try:
        retire(old)
        before = left_behind(old) or fingerprint(old)
        way = _read(_way(old))
        drop_way(old)
        _before(old).unlink(missing_ok=True)
        if not signs_in:
            owner = browser_owner(before)
            if heir_of(owner) == owner:  # else a user has it, and what still becomes of it is theirs
                carry_over(owner, browser_owner(fingerprint(new)))
            return True
        with complete_or_absent(_before(new), mode=0o600) as draft:
            draft.write_text(before, encoding="utf-8")
        if way is not None:
            _write(_way(new), replace(way, arrived=True))
    except (OSError, CellucidError) as error:  # a full disk keeps nobody from signing in, and even less out
        log_error(error, "sign-in")
    return True


def _way(browser: str) -> Path:
    return home_folder("sign_ins") / f"{fingerprint(browser)}.way"


def _before(browser: str) -> Path:
    return home_folder("sign_ins") / f"{fingerprint(browser)}.before"


def _write(path: Path, way: Way) -> None:
    with complete_or_absent(path, mode=0o600) as draft:
        draft.write_text(json.dumps(asdict(way)), encoding="utf-8")


def _read(path: Path) -> Way | None:
    try:
        way = Way(**json.loads(path.read_text(encoding="utf-8")))
        sound = isinstance(way.workspace, str) and isinstance(way.user, str) and isinstance(way.made, int | float)
        return way if sound and way.carry in (True, False) and way.arrived in (True, False) else None
    except (OSError, ValueError, TypeError, RecursionError):  # none, or a damaged one
        return None
