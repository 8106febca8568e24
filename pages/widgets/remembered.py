"""Slow results are kept in the session until their inputs change."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import streamlit as st

T = TypeVar("T")


def remembered(name: str, made_of: Hashable, make: Callable[[], T]) -> T:
    """Return the session's last result of this name; call `make` again only if the key `made_of` changed."""
    key = f"remembered {name}"
    held = st.session_state.get(key)
    if held is None or held[0] != made_of:
        st.session_state[key] = held = (made_of, make())
    result: T = held[1]
    return result


def known(name: str, made_of: Hashable) -> Any:
    """Return the session's last result of this name if `made_of` is still its key, else None."""
    held = st.session_state.get(f"remembered {name}")
    return None if held is None or held[0] != made_of else held[1]
