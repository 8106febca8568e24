"""The embedding as points and as tiles."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cellucid_core.cell_pages import Page
from cellucid_core.charts import embedding, embedding_pair
from cellucid_core.charts.embedding import NO_VALUE
from cellucid_core.errors import InputError


def data(chart) -> pd.DataFrame:
    (rows,) = chart.to_dict()["datasets"].values()
    return pd.DataFrame(rows)


def color(chart) -> dict:
    encoded = chart.to_dict()["encoding"]["color"]
    return encoded["condition"] if "value" in encoded and "scale" in encoded["condition"] else encoded


@pytest.fixture(scope="module")
def many():
    rng = np.random.default_rng(0)
    return rng.normal(size=(30_000, 2)) * [3, 1], rng.normal(size=30_000)


def test_one_point_per_cell_the_highest_on_top():
    xy = np.array([[0.0, 0], [1, 2], [3, 1], [2, 2]])
    frame = data(embedding(xy, np.array([5.0, np.nan, 1, 9]), "score"))
    assert frame["x"].tolist() == [1, 3, 0, 2]
    assert frame["value"].tolist()[1:] == [1, 5, 9]
    assert pd.isna(frame["value"][0])


@pytest.mark.parametrize(("width", "height"), [(900, 440), (440, 440), (300, 440)])
def test_both_axes_have_one_scale_at_any_width(width, height):
    xy = np.array([[0.0, -3], [10, 1]])
    spec = embedding(xy, np.array([1.0, 2]), "score").to_dict()
    assert (spec["width"], spec["autosize"]["type"]) == ("container", "fit-x")
    per_pixel = []
    for i, (axis, pixels) in enumerate([("x", width), ("y", height)]):
        scale = spec["encoding"][axis]["scale"]
        # The expressions are arithmetic that Python reads as Vega does.
        low, high = (
            eval(scale[end]["expr"], {"max": max, "width": width, "height": height})
            for end in ("domainMin", "domainMax")
        )
        assert low < xy[:, i].min() < xy[:, i].max() < high
        per_pixel.append((high - low) / pixels)
    assert per_pixel[0] == pytest.approx(per_pixel[1])


def test_many_cells_become_tiles_with_the_mean(many):
    xy, score = many
    score = score.copy()
    score[:50] = np.nan
    frame = data(embedding(xy, score, "score"))
    assert len(frame) < 15_000
    assert frame["cells"].sum() == 30_000
    for row in frame.nlargest(3, "cells").itertuples():
        tile_x, tile_y = (row.x2 - row.x) / 1.2, (row.y2 - row.y) / 1.2  # tiles overlap by a fifth
        edge = 1e-3  # corners are rounded
        inner = (xy[:, 0] > row.x + edge) & (xy[:, 0] < row.x + tile_x - edge)
        inner &= (xy[:, 1] > row.y + edge) & (xy[:, 1] < row.y + tile_y - edge)
        assert abs(inner.sum() - row.cells) <= 0.2 * row.cells
        assert np.nanmean(score[inner]) == pytest.approx(row.value, abs=0.25)


def test_tile_means_add_up_to_the_total(many):
    xy, score = many
    frame = data(embedding(xy, score, "score"))
    assert (frame["value"] * frame["cells"]).sum() == pytest.approx(score.sum(), abs=0.5)


def test_tiles_show_the_most_frequent_group(many):
    xy, _ = many
    group = np.where(xy[:, 0] < 0, "left", "right")
    frame = data(embedding(xy, group, "side"))
    assert set(frame["value"]) == {"left", "right"}
    assert (frame.loc[frame["x2"] < 0, "value"] == "left").all()
    assert (frame.loc[frame["x"] > 0, "value"] == "right").all()


def test_groups_keep_their_colours_and_order(demo_view):
    from cellucid_core.cell_pages import group_colors

    colors = group_colors(demo_view, "bulk_labels")
    some = demo_view.obs("bulk_labels").isin(["CD34+", "Dendritic"]).to_numpy()
    chart = embedding(demo_view.embedding(2)[some], demo_view.obs("bulk_labels")[some], "bulk_labels", colors=colors)
    scale = color(chart)["scale"]
    assert scale["domain"] == ["CD34+", "Dendritic"]
    assert scale["range"] == [colors["CD34+"], colors["Dendritic"]]


def test_cells_without_a_group_are_grey():
    chart = embedding(np.eye(3)[:, :2], pd.Series(["a", None, "b"]), "group")
    assert color(chart)["scale"]["domain"] == ["a", "b", "no value"]
    assert color(chart)["scale"]["range"][-1] == NO_VALUE


def test_bool_columns_are_groups():
    assert color(embedding(np.eye(2), np.array([True, False]), "flag"))["scale"]["domain"] == ["False", "True"]


def test_one_dimension():
    x = np.array([0.0, 1, 2])
    assert data(embedding(x, np.array([5.0, 6, 7]), "score"))["y"].tolist() == [5, 6, 7]
    assert data(embedding(x[:, None], ["a", "b", "a"], "group"))["y"].between(0, 1).all()


def test_coordinates_that_are_not_finite_are_left_out():
    frame = data(embedding(np.array([[0.0, 0], [np.nan, 1], [1, 1]]), np.array([1.0, 2, 3]), "score"))
    assert frame["value"].tolist() == [1, 3]


def test_no_cells():
    assert embedding(np.empty((0, 2)), np.empty(0), "score").to_dict()


def test_what_does_not_fit():
    with pytest.raises(InputError):
        embedding(np.zeros((3, 3)), np.zeros(3), "score")
    with pytest.raises(InputError):
        embedding(np.zeros((3, 2)), np.zeros(4), "score")


def params(chart) -> dict:
    return {one["name"]: one for one in chart.to_dict()["params"]}


def test_it_is_moved_and_zoomed_and_a_group_is_seen_alone():
    chart = embedding(np.eye(2), ["a", "b"], "group")
    found = params(chart)
    assert found["zoom"]["bind"] == "scales"
    assert "ctrlKey" in found["zoom"]["select"]["zoom"]  # the wheel alone scrolls the page
    assert found["isolate"]["bind"] == "legend"
    encoded = chart.to_dict()["encoding"]
    assert encoded["color"]["condition"]["param"] == encoded["opacity"]["condition"]["param"] == "isolate"
    assert encoded["color"]["value"] == NO_VALUE
    assert set(params(embedding(np.eye(2), np.array([1.0, 2]), "score"))) == {"zoom"}


def test_a_page_is_outlined_in_its_colour(many):
    xy, score = many
    page = Page("T", np.flatnonzero(xy[:, 0] > 0), "#112233")
    chart = embedding(xy, score, "score", outline=page).to_dict()
    cells, halo, line = chart["layer"]
    assert line["mark"]["color"] == "#112233"
    assert halo["data"] == line["data"]
    rows = pd.DataFrame(chart["datasets"][line["data"]["name"]])
    assert set(rows["page"]) == {"T"}
    assert rows["x"].min() > -1
    assert line["encoding"]["x"]["scale"] == cells["encoding"]["x"]["scale"]
    assert "zoom" in [one["name"] for one in chart["params"]]


def test_side_by_side_they_move_together(many):
    xy, score = many
    group = pd.Series(np.where(xy[:, 0] < 0, "left", "right"))
    chart = embedding_pair(xy, [("score", score), ("side", group)], colors={"left": "#111111", "right": "#222222"})
    spec = chart.to_dict()
    (zoom,) = (one for one in spec["params"] if one["name"] == "zoom")
    assert len(zoom["views"]) == 2
    first, second = spec["hconcat"]
    assert (first["width"], first["height"]) == (second["width"], second["height"])
    assert first["encoding"]["x"]["scale"] == second["encoding"]["x"]["scale"]
    assert second["encoding"]["color"]["condition"]["scale"]["range"] == ["#111111", "#222222"]
    with pytest.raises(InputError):
        embedding_pair(xy[:, :1], [("score", score)])
