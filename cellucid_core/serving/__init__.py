"""Routes beside the pages: streamed downloads and a health check. Starlette only, no Streamlit."""

from __future__ import annotations

from cellucid_core.serving.downloads import download_address, offer_download
from cellucid_core.serving.routing import routes

__all__ = ["download_address", "offer_download", "routes"]
