"""What the user can ask for, and what is refused with a way out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellucid_core.errors import InputError
from cellucid_core.export import ExportSettings, GeneChoice, parse_bits, parse_gene_choice, parse_quantile


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("all", GeneChoice("all")),
        (" ALL ", GeneChoice("all")),
        ("none", GeneChoice("none")),
        ("hvg:200", GeneChoice("hvg", n=200)),
        ("CD3E, CD4;MS4A1\tLYZ\n'NKG7'", GeneChoice("list", ids=("CD3E", "CD4", "MS4A1", "LYZ", "NKG7"))),
        ("B,A,B", GeneChoice("list", ids=("B", "A", "B"))),
    ],
)
def test_gene_choices(text, expected):
    assert parse_gene_choice(text) == expected


def test_gene_file(tmp_path):
    path = tmp_path / "genes.txt"
    path.write_bytes("\ufeffCD3E\r\nCD4, MS4A1\n\n HLA-DRA \n".encode())
    assert parse_gene_choice(f"@{path}").ids == ("CD3E", "CD4", "MS4A1", "HLA-DRA")
    path.write_text("all\n")
    assert parse_gene_choice(f"@{path}") == GeneChoice("list", ids=("all",))


@pytest.mark.parametrize("text", ["hvg:", "hvg:-3", "hvg:0", "hvg:1.5", "", " , ", "@/nowhere/genes.txt"])
def test_gene_choices_that_make_no_sense(text):
    with pytest.raises(InputError):
        parse_gene_choice(text)


def test_a_binary_gene_file(tmp_path):
    path = tmp_path / "genes.bin"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not text"):
        parse_gene_choice(f"@{path}")


@given(st.text(max_size=40))
def test_any_text_is_a_choice_or_an_input_error(text):
    try:
        choice = parse_gene_choice(text.replace("@", ""))
    except InputError:
        return
    assert choice.kind in ("all", "hvg", "list", "none")


@pytest.mark.parametrize(
    "change",
    [
        {"var_quantization": 7},
        {"var_quantization": True},
        {"obs_quantization": 8.0},
        {"obs_quantization": "8"},
        {"compression": 10},
        {"compression": -1},
        {"compression": True},
        {"compression": None},
        {"categorical_dtype": "int8"},
        {"centroid_min_points": 0},
        {"centroid_quantile": 0},
        {"centroid_quantile": 1.5},
        {"centroid_quantile": float("nan")},
        {"threads": 0},
        {"dataset_id": "a b"},
        {"dataset_id": ""},
        {"dataset_id": "../up"},
        {"dataset_id": "CON"},
        {"dataset_id": "x" * 300},
    ],
)
def test_settings_that_make_no_sense(change):
    with pytest.raises(InputError):
        ExportSettings(**change)


def test_an_unsafe_id_comes_with_a_safe_one():
    with pytest.raises(InputError, match="'my_data'") as caught:
        ExportSettings(dataset_id="my data!")
    ExportSettings(dataset_id=caught.value.fix.split("'")[1])


def test_words_of_the_command_line():
    assert [parse_bits(t) for t in ("8", "16", "none", "None")] == [8, 16, None, None]
    assert [parse_quantile(t) for t in ("0.9", "none")] == [0.9, None]
    for bad in ("", "12", "x"):
        with pytest.raises(InputError):
            parse_bits(bad)
    with pytest.raises(InputError):
        parse_quantile("often")
