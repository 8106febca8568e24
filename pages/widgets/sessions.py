"""Sessions whose browser left."""

from __future__ import annotations

from contextlib import suppress

from streamlit.runtime import get_instance


def forget_expired() -> None:
    """Drop sessions that left longer ago than ``server.disconnectedSessionTTL``.

    Streamlit keeps a session that left, in case it comes back, and looks for those that are too old only when the
    next one leaves: after a busy day, the last of them would stay in memory over night. It has no public way to ask
    for it, so this does nothing where a later Streamlit keeps them in another way. Only for the event loop.
    """
    with suppress(AttributeError, RuntimeError):
        get_instance()._session_mgr._session_storage._cache.expire()  # type: ignore[attr-defined]
