"""Sessions whose browser has disconnected."""

from __future__ import annotations

from contextlib import suppress

from streamlit.runtime import get_instance


def forget_expired() -> None:
    """Drop sessions that disconnected longer ago than ``server.disconnectedSessionTTL``.

    Streamlit keeps a disconnected session, in case it comes back, and looks for expired ones only when another session
    disconnects: after a busy day, the last ones would stay in memory overnight. Streamlit has no public function for
    this; the function does nothing if a later version keeps sessions differently. Call it on the event loop only.
    """
    with suppress(AttributeError, RuntimeError):
        get_instance()._session_mgr._session_storage._cache.expire()  # type: ignore[attr-defined]
