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
#: Fewest characters of the secret that signs the cookies, and fewest different ones: 32 bytes are RFC 7518's minimum
#: for HMAC with SHA-256.
MIN_COOKIE_SECRET, MIN_DIFFERENT = 32, 10
_MADE_BY = 'python -c "import secrets; print(secrets.token_urlsafe(48))"'
_CALLBACK = "/oauth2callback"
_WHERE = "[auth] of .streamlit/secrets.toml"


def check_auth_section(section: Mapping[str, Any] | None, base_path: str = "") -> None:
    """Check what an operator wrote for signing in.

    Parameters
    ----------
    section
        ``[auth]`` of the secrets, None if there is none.
    base_path
        Streamlit's ``server.baseUrlPath``, below which the provider has to send users back.

    Raises
    ------
    InputError
        If something is missing or wrong. No secret is repeated.
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
            "Write the dashboard's address as users see it, and that; register the same address at the provider.",
        )
    _address(section["server_metadata_url"], "server_metadata_url")
    _require_packages()


def _require_packages() -> None:
    """Try what Streamlit imports when somebody signs in, which would else be told to the first who does."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # which of its own parts Authlib will drop
            import_module("authlib.integrations.starlette_client")
    except ImportError:
        raise InputError(
            "CELLUCID_SIGN_IN is on, but Authlib, which signing in needs, is not installed or incomplete.",
            "Run: pip install -r requirements.txt",
        ) from None


def _address(text: str, key: str) -> SplitResult:
    """Read an address that must not be listened to on its way: HTTPS, or this machine."""
    try:
        address = urlsplit(text.replace("{port}", "8501"))
        own = address.hostname in ("localhost", "127.0.0.1", "::1")
        good = bool(address.hostname) and (address.scheme == "https" or (address.scheme == "http" and own))
        _ = address.port  # raises where it is no number
    except ValueError:
        good = False
    if not good:
        raise InputError(
            f"{key} in {_WHERE} is not an address that begins with https://.",
            "Only on this machine itself (localhost) it may be http://.",
        )
    return address
