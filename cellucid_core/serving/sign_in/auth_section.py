"""The part of Streamlit's secrets that configures signing in, checked before the server starts."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from importlib import import_module
from typing import Any
from urllib.parse import SplitResult, urlsplit

from cellucid_core.errors import InputError

#: What `st.login` needs in ``[auth]``.
KEYS = ("redirect_uri", "cookie_secret", "client_id", "client_secret", "server_metadata_url")
#: Smallest number of characters, and of different ones, of the secret that signs cookies: RFC 7518 requires 32 bytes
#: for HMAC with SHA-256.
MIN_COOKIE_SECRET, MIN_DIFFERENT = 32, 10
_MADE_BY = 'python -c "import secrets; print(secrets.token_urlsafe(48))"'
_CALLBACK = "/oauth2callback"
_WHERE = "[auth] of .streamlit/secrets.toml"


def check_auth_section(section: Mapping[str, Any] | None, base_path: str = "") -> None:
    """Check the settings for signing in that the operator wrote.

    Parameters
    ----------
    section
        ``[auth]`` of the secrets, None if there is none.
    base_path
        Streamlit's ``server.baseUrlPath``, below which the provider has to send users back.

    Raises
    ------
    InputError
        If a setting or a package is missing or wrong. The error repeats no secret.
    """
    if not section:
        raise InputError(
            f"CELLUCID_SIGN_IN is on, but there is no {_WHERE}.",
            f"Write it with {', '.join(KEYS)}; docs/hosting.md shows how.",
        )
    missing = [key for key in KEYS if not isinstance(section.get(key), str) or not section[key].strip()]
    if missing:
        raise InputError(f"{_WHERE} lacks {', '.join(missing)}.", "docs/hosting.md says where each comes from.")
    secret = section["cookie_secret"]
    if len(secret) < MIN_COOKIE_SECRET or len(set(secret)) < MIN_DIFFERENT:
        raise InputError(
            f"cookie_secret in {_WHERE} can be guessed: it needs at least {MIN_COOKIE_SECRET} random characters.",
            f"Make one with {_MADE_BY}.",
        )
    address = _address(section["redirect_uri"], "redirect_uri")
    trimmed = base_path.strip("/")
    wanted = (f"/{trimmed}" if trimmed else "") + _CALLBACK
    if address.path != wanted or address.query or address.fragment:
        raise InputError(
            f"redirect_uri in {_WHERE} has to end with {wanted}.",
            f"Write the dashboard's address as users see it, followed by {wanted}, and register the same "
            "at the provider.",
        )
    _address(section["server_metadata_url"], "server_metadata_url")
    _require_packages()


def _require_packages() -> None:
    """Import what Streamlit imports when somebody signs in, so that an error shows before the first user does."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Authlib warns of its own deprecated parts
            import_module("authlib.integrations.starlette_client")
    except ImportError:
        raise InputError(
            "CELLUCID_SIGN_IN is on, but Authlib, which signing in needs, is not installed or incomplete.",
            "Run: pip install -r requirements.txt",
        ) from None


def _address(text: str, key: str) -> SplitResult:
    """Read an address and refuse it unless it is HTTPS or on this machine, so that nobody can read what is sent."""
    try:
        address = urlsplit(text.replace("{port}", "8501"))
        own = address.hostname in ("localhost", "127.0.0.1", "::1")
        good = bool(address.hostname) and (address.scheme == "https" or (address.scheme == "http" and own))
        _ = address.port  # raises if it is not a number
    except ValueError:
        good = False
    if not good:
        raise InputError(
            f"{key} in {_WHERE} is not an address that begins with https://.",
            "Only on this machine itself (localhost) it may be http://.",
        )
    return address
