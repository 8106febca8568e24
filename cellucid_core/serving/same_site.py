"""Tell whether a request comes from one of our own pages."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit


def is_own_request(headers: Mapping[str, str]) -> bool:
    """Tell whether a request that changes something comes from a page of this server, or not from a browser.

    Browsers say so in headers: ``Sec-Fetch-Site`` if the page is served over HTTPS or on this machine, ``Origin`` with
    every request that changes something (W3C Fetch Metadata; WHATWG Fetch, "Origin header").
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
