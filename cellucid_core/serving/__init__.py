"""Routes beside the pages: uploads, downloads, health, metrics. Starlette only, no Streamlit."""

from __future__ import annotations

from cellucid_core.serving.browser_cookie import COOKIE, browser_of, fingerprint
from cellucid_core.serving.downloads import download_address, offer_download
from cellucid_core.serving.incoming import take_upload, upload_suffix
from cellucid_core.serving.routing import middleware, routes, upload_address
from cellucid_core.serving.starting import lifespan
from cellucid_core.serving.upkeep import upkeep
from cellucid_core.serving.watching import log_error, start_logging

__all__ = [
    "COOKIE",
    "browser_of",
    "download_address",
    "fingerprint",
    "lifespan",
    "log_error",
    "middleware",
    "offer_download",
    "routes",
    "start_logging",
    "take_upload",
    "upkeep",
    "upload_address",
    "upload_suffix",
]
