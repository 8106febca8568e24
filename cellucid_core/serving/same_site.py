"""Whether a request that changes something comes from one of our own pages."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit


def is_own_request(headers: Mapping[str, str]) -> bool:
    """Tell whether a request that changes something comes from a page of this server, or from no browser at all.

    Browsers say so themselves: ``Sec-Fetch-Site`` where the page is served by HTTPS or on this machine, ``Origin``
    with everything that changes something (Fetch Metadata; Fetch, "Origin header").
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("origin")
    if origin is None:
        return True
    try:
        return bool(urlsplit(origin).netloc) and urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
    except ValueError:
        return False
