"""Pages are drawn in a real Chromium: a lasso, a box, what becomes of them, and both themes."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from matplotlib.path import Path as Outline
from playwright.sync_api import expect

from tests.browser.conftest import choose
from tests.browser.test_walk import chart, go, open_demo

pytestmark = pytest.mark.browser
#: Middles of the signs above the picture, in pixels of the canvas.
SIGNS = {"lasso": 27, "box": 66, "several": 104, "clear": 143}
SIGN_HEIGHT = 29


class Board:
    """The picture in the open dialog."""

    def __init__(self, page):
        self.page = page
        self.dialog = page.get_by_test_id("stDialog")
        canvas = self.dialog.locator("canvas").first
        canvas.wait_for()
        page.wait_for_timeout(1500)  # the dialog slides in
        self.box = canvas.bounding_box()

    def sign(self, name):
        self.page.mouse.click(self.box["x"] + SIGNS[name], self.box["y"] + SIGN_HEIGHT)
        self.page.wait_for_timeout(300)

    def drag(self, points):
        """Drag over points in shares of the canvas."""
        pixels = [(self.box["x"] + x * self.box["width"], self.box["y"] + y * self.box["height"]) for x, y in points]
        self.page.mouse.move(*pixels[0])
        self.page.mouse.down()
        for pixel in pixels[1:]:
            self.page.mouse.move(*pixel)
        self.page.mouse.up()

    def data(self, points, xy):
        """Return where shares of the canvas are on the embedding, from what is known of the board's layout."""
        width, height = self.box["width"], self.box["height"]
        low, high = xy.min(axis=0), xy.max(axis=0)
        side = (high - low).max() * 1.04
        start = (low + high) / 2 - side / 2
        across = (np.array([x for x, _ in points]) * width - 2) / (width - 4)
        up = (height - 2 - np.array([y for _, y in points]) * height) / (height - 38)
        return np.column_stack([start[0] + across * side, start[1] + up * side])


def circle(x, y, r, n=24):
    return [(x + r * math.cos(t / n * 2 * math.pi), y + r * math.sin(t / n * 2 * math.pi)) for t in range(n)]


def shown_count(dialog):
    words = dialog.get_by_text("cells", exact=False).filter(has=dialog.page.locator("strong")).first
    expect(words).to_be_visible()
    return int(words.locator("strong").inner_text().replace(",", ""))


def test_lasso_a_page_compare_it_with_the_rest_rename_save_and_load_it(page, demo_view, tmp_path):
    open_demo(page)
    go(page, "Gene Signature", "Gene Signature")
    chart(page)
    page.get_by_role("button", name="New page").click()
    board = Board(page)
    board.sign("lasso")
    outline = circle(0.12, 0.72, 0.13)
    board.drag(outline)
    found = shown_count(board.dialog)
    xy = demo_view.embedding(2).astype(float)
    inside = Outline(board.data(outline, xy)).contains_points(xy)
    # A pixel of the outline's corners may decide about a cell or two.
    assert abs(found - inside.sum()) <= 3
    assert inside.sum() > 50
    board.dialog.get_by_role("textbox", name="Name").fill("my <b>corner</b>")
    board.dialog.get_by_role("textbox", name="Name").press("Tab")
    board.dialog.get_by_role("button", name="Make the page").click()
    expect(board.dialog).to_have_count(0)
    own = page.locator(".st-key-own_p1")
    expect(own).to_contain_text(f"my <b>corner</b> · {found}")

    choose(page, "Against", "Rest of my <b>corner</b>")
    expect(page.get_by_role("heading", name="my <b>corner</b>")).to_be_visible()
    chart(page)

    own.get_by_role("button").last.click()
    name = page.get_by_test_id("stPopoverBody").get_by_role("textbox", name="Name")
    name.fill("B cells")
    name.press("Enter")
    expect(own).to_contain_text(f"B cells · {found}")
    expect(page.get_by_role("heading", name="B cells")).to_be_visible()
    page.keyboard.press("Escape")

    with page.expect_download() as saved:
        page.get_by_role("button", name="Save", exact=True).click()
    target = tmp_path / "pages.json"
    saved.value.save_as(target)
    (written,) = json.loads(target.read_text())["pages"]
    assert written["name"] == "B cells"
    assert len(written["cells"]) == found
    by_id = dict(zip(demo_view.cell_ids, inside, strict=True))
    assert sum(by_id[cell] for cell in written["cells"]) >= found - 3

    page.get_by_role("button", name="New page").click()
    dialog = page.get_by_test_id("stDialog")
    dialog.get_by_role("radio", name="File").or_(dialog.get_by_role("button", name="File")).first.click()
    dialog.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(target)
    dialog.get_by_role("button", name="Make the page").click()
    expect(page.locator(".st-key-own_p2")).to_contain_text(f"B cells-1 · {found}")


def test_boxes_several_areas_and_starting_again(page, demo_view):
    open_demo(page)
    go(page, "Gene Signature", "Gene Signature")
    page.get_by_role("button", name="New page").click()
    board = Board(page)
    xy = demo_view.embedding(2).astype(float)

    def in_box(x0, y0, x1, y1):
        (left, high), (right, low) = board.data([(x0, y0), (x1, y1)], xy)
        return (xy[:, 0] >= left) & (xy[:, 0] <= right) & (xy[:, 1] >= low) & (xy[:, 1] <= high)

    board.sign("box")
    one, two = (0.7, 0.4, 0.98, 0.75), (0.72, 0.8, 0.9, 0.98)
    board.drag([one[:2], (0.8, 0.5), one[2:]])
    expected = int(in_box(*one).sum())
    assert expected > 50
    assert abs(shown_count(board.dialog) - expected) <= 3
    board.sign("several")
    board.drag([two[:2], (0.8, 0.9), two[2:]])
    both = int((in_box(*one) | in_box(*two)).sum())
    assert both > expected + 10
    expect(board.dialog.locator("strong").first).not_to_have_text(str(expected))
    assert abs(shown_count(board.dialog) - both) <= 5
    board.sign("clear")
    expect(board.dialog.get_by_text("draw around cells")).to_be_visible()
    expect(board.dialog.get_by_role("button", name="Make the page")).to_have_count(0)
