"""The server beside the pages, on Starlette and without Streamlit.

Routes (uploads, downloads, live datasets, health, metrics) and what every request passes through; jobs, workspaces and
sign-in are packages of their own.
"""

from __future__ import annotations

from cellucid_core.serving.browser_cookie import COOKIE, browser_of, fingerprint
from cellucid_core.serving.claiming import Carried, hand_back
from cellucid_core.serving.downloads import download_address, offer_download
from cellucid_core.serving.kept_uploads import pack_uploads, take_upload, upload_suffix
from cellucid_core.serving.logs import log_error, start_logging
from cellucid_core.serving.routing import middleware, routes, upload_address
from cellucid_core.serving.server_folders import data_roots, server_files, server_path
from cellucid_core.serving.sign_in import (
    SignIn,
    browser_owner,
    check_auth_section,
    end_sign_in,
    is_retired,
    note_sign_in,
    read_sign_in,
    user_of,
)
from cellucid_core.serving.starting import lifespan
from cellucid_core.serving.upkeep import upkeep
from cellucid_core.serving.way_in import arrive_signed_in, drop_way, find_way, note_way

__all__ = [
    "COOKIE",
    "Carried",
    "SignIn",
    "arrive_signed_in",
    "browser_of",
    "browser_owner",
    "check_auth_section",
    "data_roots",
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
    "pack_uploads",
    "read_sign_in",
    "routes",
    "server_files",
    "server_path",
    "start_logging",
    "take_upload",
    "upkeep",
    "upload_address",
    "upload_suffix",
    "user_of",
]
