"""Routes beside the pages: uploads, downloads, health, metrics. Starlette only, no Streamlit."""

from __future__ import annotations

from cellucid_core.serving.auth_section import check_auth_section
from cellucid_core.serving.browser_cookie import COOKIE, browser_of, fingerprint
from cellucid_core.serving.carrying import Carried, carry_over, hand_back
from cellucid_core.serving.downloads import download_address, offer_download
from cellucid_core.serving.heirs import browser_owner, is_retired
from cellucid_core.serving.incoming import take_upload, upload_suffix
from cellucid_core.serving.routing import middleware, routes, upload_address
from cellucid_core.serving.sign_in import SignIn, end_sign_in, note_sign_in, read_sign_in, user_of
from cellucid_core.serving.starting import lifespan
from cellucid_core.serving.upkeep import upkeep
from cellucid_core.serving.watching import log_error, start_logging
from cellucid_core.serving.way_in import arrive_signed_in, drop_way, find_way, note_way

__all__ = [
    "COOKIE",
    "Carried",
    "SignIn",
    "arrive_signed_in",
    "browser_of",
    "browser_owner",
    "carry_over",
    "check_auth_section",
    "download_address",
    "drop_way",
    "end_sign_in",
    "find_way",
    "fingerprint",
    "hand_back",
    "is_retired",
    "lifespan",
    "log_error",
    "middleware",
    "note_sign_in",
    "note_way",
    "offer_download",
    "read_sign_in",
    "routes",
    "start_logging",
    "take_upload",
    "upkeep",
    "upload_address",
    "upload_suffix",
    "user_of",
]
