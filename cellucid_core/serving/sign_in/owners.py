"""Browsers whose number was taken away because somebody signed in or out, and who has now what belonged to them.

Tabs that are still open, and jobs that still run, know such a number; they must neither go on as nobody's nor leave
what they make with an owner who never comes back.
"""

from __future__ import annotations

import re
from pathlib import Path

from cellucid_core.atomic import complete_or_absent
from cellucid_core.cache import home_folder
from cellucid_core.library import Entry, Signature, add_entry, pass_entries
from cellucid_core.serving.browser_cookie import fingerprint

_OWNER = re.compile(r"(user|browser)-[0-9a-f]{64}")
_BROWSER = "browser-"
#: Sign-ins and sign-outs at one browser during one job.
_MOST_HEIRS = 50


def browser_owner(print_of_cookie: str) -> str:
    """Return the owner of what is made at a browser where nobody is signed in: ``browser-`` and its fingerprint."""
    return f"{_BROWSER}{print_of_cookie}"


def holder_name(owner: str) -> str:
    """Return how uploads and downloads name an owner: users as they are, browsers by their bare fingerprint."""
    return owner.removeprefix(_BROWSER)


def retire(browser: str) -> None:
    """Note that a browser has got another cookie, so that the old one counts no more."""
    _mark(fingerprint(browser)).touch(mode=0o600)


def is_retired(browser: str | None) -> bool:
    """Tell whether a browser has got another cookie than this one since."""
    return browser is not None and _mark(fingerprint(browser)).exists()


def name_heir(owner: str, heir: str) -> None:
    """Note who has now what belonged to a retired browser; an empty text: it is the browser's again."""
    if not owner.startswith(_BROWSER):
        return
    mark = _mark(owner.removeprefix(_BROWSER))
    if heir or mark.exists():
        with complete_or_absent(mark, mode=0o600) as draft:
            draft.write_text(heir, encoding="utf-8")


def heir_of(owner: str) -> str:
    """Return who has now what belonged to an owner: mostly the owner."""
    for _ in range(_MOST_HEIRS):
        if not (owner.startswith(_BROWSER) and _OWNER.fullmatch(owner)):
            break
        try:
            heir = _mark(owner.removeprefix(_BROWSER)).read_text(encoding="utf-8")
        except (OSError, ValueError):
            break
        if not _OWNER.fullmatch(heir):
            break
        owner = heir
    return owner


def add_heirs_entry(signature: Signature, owner: str) -> Entry:
    """Add an entry to the library for an owner, or for who has what is theirs by the time it is added.

    Parameters and errors as `cellucid_core.library.add_entry`.
    """
    first = heir_of(owner)
    entry = add_entry(signature, first)
    now = heir_of(owner)  # who signed in while it was written looked for entries before this one was there
    if now != first:
        pass_entries(first, now, (entry.id,))
    return entry


def _mark(print_of_cookie: str) -> Path:
    return home_folder("sign_ins") / f"{print_of_cookie}.gone"
