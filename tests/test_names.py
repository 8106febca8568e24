from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellucid_core.names import case_collisions, collisions, is_reserved, listed, safe_key, separate, unique


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("cell_type", "cell_type"),
        ("CD4+/CD25 T Reg", "CD4_CD25_T_Reg"),
        ("  spaces  ", "spaces"),
        ("a  +  b", "a_b"),
        ("../../etc/passwd", "etc_passwd"),
        ("._hidden_.", "hidden"),
        ("HLA-DRB1.2", "HLA-DRB1.2"),
        ("Größe", "Gr_e"),
        ("", "field"),
        ("+++", "field"),
    ],
)
def test_safe_key_by_hand(name, safe):
    assert safe_key(name) == safe


@given(st.text())
def test_safe_key_is_safe_and_stable(name):
    safe = safe_key(name)
    assert re.fullmatch(r"[A-Za-z0-9._-]+", safe)
    assert safe_key(safe) == safe


def test_collisions_are_exact():
    assert collisions(["a b", "a/b", "A b", "c"]) == {"a_b": ["a b", "a/b"]}
    assert collisions(["x", "x"]) == {"x": ["x", "x"]}
    assert collisions(["a", "b"]) == {}


def test_case_collisions_leave_exact_ones_to_collisions():
    assert case_collisions(["Abc", "aBC", "x"]) == {"abc": ["Abc", "aBC"]}
    assert case_collisions(["a b", "a/b"]) == {}


@pytest.mark.parametrize("name", ["CON", "con", "aux.values", "COM1", "lpt9.x", "_NUL_"])
def test_reserved(name):
    assert is_reserved(name)


@pytest.mark.parametrize("name", ["CONT", "COM0", "xCON", "COM10"])
def test_not_reserved(name):
    assert not is_reserved(name)


@given(st.lists(st.sampled_from(["a", "a-1", "a-2", "b", "A", "a b", "a/b"])))
def test_unique_keeps_first_ones_and_repeats_nothing(names):
    result = unique(names)
    assert len(set(result)) == len(result) == len(names)
    for i, name in enumerate(names):
        if name not in names[:i]:
            assert result[i] == name


@given(st.lists(st.sampled_from(["a b", "a/b", "a_b", "A b", "a_b-2", "B", "b", "é", "è"])), st.booleans())
def test_separate_leaves_no_collision(names, fold):
    result = separate(names, fold_case=fold)
    assert collisions(result) == {}
    if fold:
        assert case_collisions(result) == {}
    if names:
        assert result[0] == names[0]


@pytest.mark.parametrize(
    ("names", "most", "sentence"),
    [
        ([], 3, ""),
        (["a"], 3, "a"),
        (["a", "b", "c"], 3, "a, b, c"),
        (["a", "b", "c", "d"], 3, "a, b, c and 1 more"),
        (["a", "b", "c", "d"], 1, "a and 3 more"),
        (range(1, 2_003), 2, "1, 2 and 2,000 more"),
        ({"x, y": 1, "z": 2}, 5, "x, y, z"),
    ],
)
def test_many_names_in_a_sentence(names, most, sentence):
    assert listed(names, most) == sentence
