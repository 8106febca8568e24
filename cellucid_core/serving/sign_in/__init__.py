"""Signing in, and the owners of what people make."""

from __future__ import annotations

from cellucid_core.serving.sign_in.auth_section import check_auth_section
from cellucid_core.serving.sign_in.owners import (
    HEIRS,
    add_heirs_entry,
    browser_owner,
    heir_of,
    is_retired,
    name_heir,
    retire,
)
from cellucid_core.serving.sign_in.sessions import (
    SignIn,
    end_sign_in,
    end_sign_in_within,
    is_allowed,
    note_sign_in,
    owner_of_browser,
    read_sign_in,
    signed_in_user,
    sweep_sign_ins,
    user_of,
    was_signed_in,
)

__all__ = [
    "HEIRS",
    "SignIn",
    "add_heirs_entry",
    "browser_owner",
    "check_auth_section",
    "end_sign_in",
    "end_sign_in_within",
    "heir_of",
    "is_allowed",
    "is_retired",
    "name_heir",
    "note_sign_in",
    "owner_of_browser",
    "read_sign_in",
    "retire",
    "signed_in_user",
    "sweep_sign_ins",
    "user_of",
    "was_signed_in",
]
