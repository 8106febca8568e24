"""The embedding in a real browser: a group alone, zoom that goes along, a line around a page, a cloud that turns."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from cellucid_core.charts.embedding import NO_VALUE
from tests.browser.test_walk import go, open_demo

pytestmark = pytest.mark.browser


def test_a_click_in_the_legend_greys_the_others(page):
    open_demo(page)
    plot = page.get_by_test_id("stVegaLiteChart").first
    grey = plot.locator(f'path[fill="{NO_VALUE}" i]')
    expect(plot.get_by_text("Dendritic")).to_be_visible()
    expect(grey).to_have_count(0)
    plot.get_by_text("Dendritic").click()
    expect(grey).to_have_count(700 - 240)
    page.get_by_text("3D", exact=True).click()
    expect(page.get_by_test_id("stDeckGlJsonChart").locator("canvas").first).to_be_visible()


def test_plots_side_by_side_zoom_together(page):
    open_demo(page)
    go(page, "Gene Signature", "Gene Signature")
    page.get_by_role("tab", name="Embedding").click()
    plot = page.locator(".st-key-side_by_side").get_by_test_id("stVegaLiteChart")
    points = plot.locator("g.mark-symbol.role-mark path")
    expect(points).to_have_count(1400)
    plot.scroll_into_view_if_needed()

    def places():
        return points.evaluate_all("all => [0, 700].map(at => all[at].getAttribute('transform'))")

    first, second = places()
    box = plot.bounding_box()
    page.mouse.move(box["x"] + 150, box["y"] + 150)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    expect(points.nth(0)).not_to_have_attribute("transform", first)
    expect(points.nth(700)).not_to_have_attribute("transform", second)
    lines = plot.locator("g.mark-line.role-mark path")
    expect(lines).to_have_count(0)
    page.get_by_role("combobox", name="Outline").click()
    page.keyboard.type("CD19")
    page.keyboard.press("Enter")
    expect(lines.first).to_be_visible()
