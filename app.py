"""Start of the dashboard: ``streamlit run app.py`` finds this ASGI app and serves it.

The page script is ``pages/home.py``; everything else that is served (uploads, downloads, live links, health, metrics)
is a route of `cellucid_core.serving`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from cellucid_core.configuration import check_configuration
from cellucid_core.errors import CellucidError, InputError
from cellucid_core.serving import check_auth_section, lifespan, log_error, middleware, routes, start_logging, upkeep
from pages.widgets.sessions import forget_expired


def auth_section() -> dict[str, Any] | None:
    """Return the section ``[auth]`` of Streamlit's secrets, or None if there is none.

    Raises
    ------
    InputError
        If the secrets cannot be read.
    """
    try:
        section = st.secrets.get("auth")
    except FileNotFoundError:  # Streamlit raises it also for a file that is not TOML, with its content in the message
        if any(Path(file).is_file() for file in st.get_option("secrets.files")):
            raise InputError("Streamlit's secrets cannot be read.", "Check that the file is TOML.") from None
        return None
    return dict(section) if isinstance(section, Mapping) else None


base_path = str(st.get_option("server.baseUrlPath") or "")
try:
    settings = check_configuration()
    if settings.sign_in != "off":
        check_auth_section(auth_section(), base_path)
except CellucidError as wrong:
    print(wrong, file=sys.stderr)
    sys.exit(2)
start_logging(settings.log)


def tell_error(error: BaseException) -> bool:
    """Show and log an exception that no page caught, such as one of a callback, which runs before its page is drawn."""
    from pages.session.state import show_error

    show_error(log_error(error, "page"))
    st.button("Go on", icon=":material/refresh:")  # draws the page again
    return True


app = st.App(
    "pages/home.py",
    routes=routes(base_path),
    middleware=middleware(base_path),
    lifespan=upkeep(lifespan, forget_expired),
    on_script_error=tell_error,
)

if __name__ == "__main__":
    app.run()
