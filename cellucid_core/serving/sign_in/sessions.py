"""Who is signed in, according to a provider's claims, and at which browsers.

Streamlit does the signing in (OpenID Connect) and keeps the claims in a signed cookie that only its websocket reads.
Our routes cannot read it, so a page that runs for somebody who is signed in writes a note into the database, under the
fingerprint of the browser's cookie. The note holds only hashes and times, no names.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, select

from cellucid_core.configuration import read_configuration
from cellucid_core.database import browsers, ended_sign_ins, reading, upsert, writing
from cellucid_core.errors import WorkRefused
from cellucid_core.serving.browser_cookie import fingerprint
from cellucid_core.serving.sign_in.owners import browser_owner

#: Seconds for which an ended sign-in is known, so that it cannot come back: Streamlit's cookie lives 30 days, and
#: one day is added.
_COOKIE_LIFETIME = 31 * 86400


@dataclass(frozen=True)
class SignIn:
    """One sign-in of a person.

    Attributes
    ----------
    user
        ``user-`` and the hash of issuer and subject: the same whenever and wherever this person signs in.
    key
        Hash that tells this sign-in from others of the same person.
    name, email
        As the provider gives them, or empty; only shown, never kept.
    expires
        When the person has to sign in again, in seconds since 1970.
    """

    user: str
    key: str
    name: str
    email: str
    expires: float


def user_of(claims: Mapping[str, Any]) -> str | None:
    """Return ``user-<SHA-256 of issuer and subject>``, or None without these claims.

    Only these two identify a person for good (OpenID Connect Core 1.0, section 5.7).
    """
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
        Seconds since 1970; by default the present time.

    Raises
    ------
    WorkRefused
        If they do not say who it is, are older than ``CELLUCID_SIGN_IN_LIFETIME``, or name somebody who is not in
        ``CELLUCID_ALLOWED_USERS``.
    """
    settings = read_configuration()
    user, issued = user_of(claims), claims.get("iat")
    if user is None or isinstance(issued, bool) or not isinstance(issued, int | float) or not math.isfinite(issued):
        raise WorkRefused(
            "The sign-in provider did not say who you are.", "Tell the operator of this server, then sign in again."
        )
    expires = issued + settings.sign_in_lifetime
    if expires <= (time.time() if now is None else now):
        raise WorkRefused("Your sign-in has expired.", "Sign in again to go on.")
    if settings.allowed_users and not is_allowed(claims, settings.allowed_users):
        raise WorkRefused(
            "This account may not use this server.",
            "Sign out and choose another one, or ask the server's operator to add its verified e-mail address.",
        )
    key = _hash(user, str(issued), str(claims.get("nonce")))
    return SignIn(user, key, _text(claims, "name"), _text(claims, "email"), expires)


def is_allowed(claims: Mapping[str, Any], allowed: tuple[str, ...]) -> bool:
    """Tell whether claims hold an e-mail address that the provider has verified and that is allowed.

    Parameters
    ----------
    claims
        The provider's claims. Without ``email_verified`` the address is not trusted: anybody could have entered it.
    allowed
        Addresses, and ``@domain`` for all addresses of a domain, in lower case (`Configuration.allowed_users`).
    """
    email = claims.get("email")
    # Some providers send "true". Some letters beyond ASCII become others in lower case (the Kelvin sign becomes k).
    if claims.get("email_verified") not in (True, "true") or not isinstance(email, str) or not email.isascii():
        return False
    name, at, domain = email.lower().rpartition("@")
    return bool(name and at and "@" not in name) and (f"{name}@{domain}" in allowed or f"@{domain}" in allowed)


def note_sign_in(sign_in: SignIn, browser: str | None) -> None:
    """Note that a browser's requests come from somebody who is signed in.

    Parameters
    ----------
    sign_in
        The sign-in.
    browser
        Value of the browser's cookie (`browser_cookie.browser_of`); without one nothing is noted.

    Raises
    ------
    WorkRefused
        If the sign-in has ended, in another tab or by another sign-in at the same browser; if the database cannot be
        used.
    """
    note = {
        "user": sign_in.user,
        "key": sign_in.key,
        "expires": sign_in.expires,
        "allowed": _hash(*read_configuration().allowed_users),
    }
    with reading() as connection:
        known = _noted(connection, browser)
        over = _is_ended(connection, sign_in.key)
    if not over and browser is not None and known != note:
        with writing() as connection:
            over = _is_ended(connection, sign_in.key)  # it may have ended in another tab this moment
            if not over:
                known = _noted(connection, browser)
                if known is not None and known["key"] != sign_in.key:
                    _end(connection, known["key"])
                row = {"print": fingerprint(browser), "sign_in": note, "changed": time.time()}
                upsert(connection, browsers, row)
    if over:
        raise WorkRefused("You signed out, or signed in again, in another tab.", "Sign in again to go on.")


def end_sign_in(browser: str | None) -> None:
    """Sign a browser out in all its tabs; this sign-in cannot be used again."""
    if browser is not None:
        with writing() as connection:
            end_sign_in_within(connection, browser)


def end_sign_in_within(connection: Connection, browser: str) -> None:
    """Do what `end_sign_in` does, within a transaction."""
    note = _noted(connection, browser)
    if note is not None:
        _end(connection, note["key"])
        row = {"print": fingerprint(browser), "sign_in": None, "changed": time.time()}
        upsert(connection, browsers, row)


def signed_in_user(browser: str | None) -> str | None:
    """Return the user who is signed in at a browser, by the note of `note_sign_in`; None if nobody is."""
    settings = read_configuration()
    if browser is None or settings.sign_in == "off":
        return None
    with reading() as connection:
        note = _noted(connection, browser)
        if note is None or _is_ended(connection, note["key"]):
            return None
    # It must not be too old, nor made under another list of allowed users.
    alive = note["expires"] > time.time() and note["allowed"] == _hash(*settings.allowed_users)
    return str(note["user"]) if alive else None


def was_signed_in(connection: Connection, browser: str) -> bool:
    """Tell whether somebody signed in at a browser, however long ago, and did not sign out."""
    return _noted(connection, browser) is not None


def owner_of_browser(browser: str) -> str:
    """Return the owner of what is made at a browser: the user who is signed in there, or else the browser.

    Parameters
    ----------
    browser
        Value of the browser's cookie (`browser_cookie.browser_of`).
    """
    return signed_in_user(browser) or browser_owner(fingerprint(browser))


def sweep_sign_ins(now: float | None = None) -> int:
    """Delete rows of browsers and of sign-ins that have ended once no cookie can come back; return how many.

    That is 31 days after they were changed, or a day more than ``CELLUCID_TIME_TO_LIVE``, for which a browser keeps its
    cookie, if that is longer.
    """
    before = (time.time() if now is None else now) - max(_COOKIE_LIFETIME, read_configuration().time_to_live + 86400)
    with writing() as connection:
        old = browsers.c.changed < before
        gone = connection.execute(delete(browsers).where(old)).rowcount
        ended = ended_sign_ins.c.ended < before
        return int(gone + connection.execute(delete(ended_sign_ins).where(ended)).rowcount)


def _noted(connection: Connection, browser: str | None) -> dict[str, Any] | None:
    if browser is None:
        return None
    found = connection.scalar(select(browsers.c.sign_in).where(browsers.c.print == fingerprint(browser)))
    is_known = isinstance(found, dict) and found.keys() >= {"user", "key", "expires", "allowed"}
    return found if is_known else None  # another version may have written it


def _end(connection: Connection, key: str) -> None:
    upsert(connection, ended_sign_ins, {"key": key, "ended": time.time()})


def _is_ended(connection: Connection, key: str) -> bool:
    return connection.scalar(select(ended_sign_ins.c.key).where(ended_sign_ins.c.key == key)) is not None


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return value.strip()[:200] if isinstance(value, str) else ""
