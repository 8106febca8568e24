"""Group colours."""

from __future__ import annotations

import re

import numpy as np
import pytest

from cellucid_core.cell_pages import palette
from cellucid_core.cell_pages.palette import _distance, _seen


@pytest.mark.parametrize("n", [0, 1, 7, 8, 30, 70])
def test_a_longer_palette_begins_with_the_shorter(n):
    assert palette(n) == palette(n + 1)[:n]
    assert all(re.fullmatch(r"#[0-9A-F]{6}", color) for color in palette(n))


def test_many_colours_are_all_different():
    assert len(set(palette(200))) == 200
    assert len(palette(5000)) == 5000


def test_twenty_colours_can_be_told_apart_by_every_kind_of_vision():
    rgb = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in palette(20)], dtype=float)
    seen = _seen(rgb)
    for i in range(20):
        others = np.delete(np.arange(20), i)
        # 0.02 in OKLab is about what can just be told apart.
        assert _distance([kind[others] for kind in seen], rgb[i : i + 1]).min() > 0.04
    white, dark = _seen(np.array([[255.0, 255, 255]]))[0][0, 0], _seen(np.array([[14.0, 17, 23]]))[0][0, 0]
    assert (seen[0][:, 0] - dark).min() > 0.25
    assert (white - seen[0][:, 0]).min() > 0.08
