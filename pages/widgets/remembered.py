"""Results that take long are kept in the session until what they were made of changes."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import streamlit as st

T = TypeVar("T")


def remembered(name: str, made_of: Hashable, make: Callable[[], T]) -> T:
    """Return the session's last result of this name, made again only if `made_of` is another."""
    key = f"remembered {name}"
    held = st.session_state.get(key)
    if held is None or held[0] != made_of:
        st.session_state[key] = held = (made_of, make())
    result: T = held[1]
    return result


def known(name: str, made_of: Hashable) -> Any:
    """Return the session's last result of this name if it was made of the same, else None."""
    held = st.session_state.get(f"remembered {name}")
    return None if held is None or held[0] != made_of else held[1]
