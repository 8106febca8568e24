"""Names in data, shown as they are: nothing in them becomes markup."""

from __future__ import annotations

import pytest

from pages.session.state import literal


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("CD3-D", "CD3\\-D"),
        ("http://x.org", "http\\:\u2060//x\\.org"),
        (":material/delete:", "\\:\u2060material/delete\\:"),
        (":red[hi]", "\\:red\\[hi\\]"),
        ("a@b.org", "a\u2060@b\\.org"),
        ("www.x.org", "www\u2060\\.x\\.org"),
        ("$x$ <b>", "\\$x\\$ \\<b\\>"),
        ("one\ntwo", "one two"),
        ("\u202eabc\u2069", "abc"),
    ],
)
def test_nothing_in_a_name_is_markup(text, shown):
    assert literal(text) == shown
