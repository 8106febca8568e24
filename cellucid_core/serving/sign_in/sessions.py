"""Who is signed in: what a provider's claims say, and which browsers the routes may believe.

Streamlit does the signing in (OpenID Connect) and keeps the claims in a signed cookie that only its websocket reads.
Our routes cannot read it, so a page that runs for somebody who is signed in notes so beside the other state, under the
fingerprint of the browser's own cookie. The note names nobody: it holds hashes and times.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cellucid_core.atomic import complete_or_absent
from cellucid_core.cache import home_folder
from cellucid_core.configuration import Configuration, read_configuration
from cellucid_core.errors import WorkRefused
from cellucid_core.serving.browser_cookie import fingerprint

#: Streamlit's cookie lives 30 days, plus one of grace; so long one that was signed out must not come back.
_COOKIE_LIFETIME = 31 * 86400
_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class SignIn:
    """Somebody who signed in, once.

    Attributes
    ----------
    user
        ``user-`` and the hash of issuer and subject: the same whenever and wherever this person signs in.
    key
        Hash that tells this time of signing in from others of the same person.
    name, email
        As the provider says; for showing only, never kept. Empty if it says none.
    expires
        When it has to be done again, in seconds since 1970.
    """

    user: str
    key: str
    name: str
    email: str
    expires: float


def user_of(claims: Mapping[str, Any]) -> str | None:
    """Return ``user-<SHA-256 of issuer and subject>``, the only claims that stay (OpenID Connect Core 5.7), or None."""
    issuer, subject = claims.get("iss"), claims.get("sub")
    if not (isinstance(issuer, str) and isinstance(subject, str) and issuer and subject):
        return None
    return f"user-{_hash(issuer, subject)}"


def read_sign_in(claims: Mapping[str, Any], now: float | None = None) -> SignIn:
    """Read the claims of an ID token that Streamlit has verified.

    Parameters
    ----------
    claims
        ``iss``, ``sub``, ``iat`` and, where the provider gives them, ``name``, ``email``, ``email_verified``.
    now
        Seconds since 1970; by default the time.

    Raises
    ------
    WorkRefused
        If they do not say who it is, are too old, or name somebody who is not on ``CELLUCID_ALLOWED_USERS``.
    """
    settings = read_configuration()
    user, issued = user_of(claims), claims.get("iat")
    if user is None or isinstance(issued, bool) or not isinstance(issued, int | float) or not math.isfinite(issued):
        raise WorkRefused(
            "The sign-in provider did not say who you are.", "Tell the operator of this server, then sign in again."
        )
    expires = issued + settings.sign_in_lifetime
    if expires <= (time.time() if now is None else now):
        raise WorkRefused("It is a while since you signed in.", "Sign in again to go on.")
    if settings.allowed_users and not is_allowed(claims, settings.allowed_users):
        raise WorkRefused(
            "This account may not use this server.",
            "Sign out and choose another one, or ask the server's operator to add its verified e-mail address.",
        )
    key = _hash(user, str(issued), str(claims.get("nonce")))
    return SignIn(user, key, _text(claims, "name"), _text(claims, "email"), expires)


def is_allowed(claims: Mapping[str, Any], allowed: tuple[str, ...]) -> bool:
    """Tell whether claims hold an e-mail address that the provider has verified and the list names.

    Parameters
    ----------
    claims
        What the provider says. Without ``email_verified``, anybody might have written the address there.
    allowed
        Addresses and ``@domain``s in small letters (`Configuration.allowed_users`).
    """
    email = claims.get("email")
    # Some providers say "true". Of letters beyond ASCII, some become others as small letters (the Kelvin sign, k).
    if claims.get("email_verified") not in (True, "true") or not isinstance(email, str) or not email.isascii():
        return False
    name, at, domain = email.lower().rpartition("@")
    return bool(name and at and "@" not in name) and (f"{name}@{domain}" in allowed or f"@{domain}" in allowed)


def note_sign_in(sign_in: SignIn, browser: str | None) -> None:
    """Note that a browser's requests come from somebody who is signed in.

    Parameters
    ----------
    sign_in
        Who.
    browser
        Value of the browser's cookie (`browser_cookie.browser_of`); without one there is nothing to note.

    Raises
    ------
    WorkRefused
        If it was signed out meanwhile, in another tab or by another sign-in at the same browser.
    """
    if _ended(sign_in.key).exists():
        raise WorkRefused("You signed out, or signed in again, in another tab.", "Sign in again to go on.")
    if browser is None:
        return
    settings = read_configuration()
    record = {
        "user": sign_in.user,
        "key": sign_in.key,
        "expires": sign_in.expires,
        "allowed": _hash(*settings.allowed_users),
    }
    path = _record_file(browser)
    known = _read(path)
    if known == record:
        return
    if known is not None and known["key"] != sign_in.key:
        _end(known["key"])
    with complete_or_absent(path) as draft:
        draft.write_text(json.dumps(record), encoding="utf-8")


def end_sign_in(browser: str | None) -> None:
    """Sign a browser out: in all its tabs, and for good."""
    if browser is None:
        return
    path = _record_file(browser)
    record = _read(path)
    if record is not None:
        _end(record["key"])
    path.unlink(missing_ok=True)


def signed_in_user(browser: str | None) -> str | None:
    """Return who is signed in at a browser, as far as pages have noted it; None if nobody is, or nobody can be."""
    settings = read_configuration()
    if browser is None or settings.sign_in == "off":
        return None
    record = _read(_record_file(browser))
    return record["user"] if record is not None and _is_alive(record, settings) else None


def was_signed_in(browser: str) -> bool:
    """Tell whether somebody signed in at a browser and did not sign out, however long ago."""
    return _record_file(browser).exists()


def holder_of(browser: str) -> str:
    """Return whom uploads and downloads belong to: the user who is signed in at a browser, or else the browser.

    Parameters
    ----------
    browser
        Value of its cookie (`browser_cookie.browser_of`).
    """
    return signed_in_user(browser) or fingerprint(browser)


def sweep_sign_ins(now: float | None = None) -> int:
    """Delete notes that have expired; return how many went."""
    now = time.time() if now is None else now
    gone = 0
    for path in _folder().iterdir():
        with suppress(OSError):
            # A note of signing out holds nothing; it stays as long as the cookie could come back.
            record = _read(path) if path.suffix == ".json" else None
            # So does what a browser that was signed in or out leaves (`way_in`, `owners`).
            expires = record["expires"] if record is not None else path.stat().st_mtime + _COOKIE_LIFETIME
            if expires < now:
                path.unlink(missing_ok=True)
                gone += 1
    return gone


def _is_alive(record: Mapping[str, Any], settings: Configuration) -> bool:
    """Tell whether a note still counts: not too old, not signed out, made under the list that holds now."""
    return (
        bool(record["expires"] > time.time())
        and record["allowed"] == _hash(*settings.allowed_users)
        and not _ended(record["key"]).exists()
    )


def _end(key: str) -> None:
    _ended(key).touch()


def _ended(key: str) -> Path:
    return _folder() / f"{key}.ended"


def _record_file(browser: str) -> Path:
    return _folder() / f"{fingerprint(browser)}.json"


def _folder() -> Path:
    return home_folder("sign_ins")


def _read(path: Path) -> dict[str, Any] | None:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        sound = (
            set(record) == {"user", "key", "expires", "allowed"}
            and str(record["user"]).startswith("user-")
            # It becomes part of a file's name.
            and _KEY.fullmatch(record["key"]) is not None
            and math.isfinite(record["expires"])
        )
    except (OSError, ValueError, TypeError):  # none, or a damaged one
        return None
    return record if sound else None


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return value.strip()[:200] if isinstance(value, str) else ""
