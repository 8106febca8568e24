"""Take the pictures of ``docs/screens``: every page on the demo, wide and narrow, light and dark.

    PYTHONPATH=. python tests/browser/take_screens.py docs/screens

One picture per page, its four looks side by side, half as large as on a screen.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import FLAGS, PATIENCE, at_rest, chromium, serve
from tests.browser.test_walk import chart

PAGES = ("Start", "Upload & Preflight", "Export", "Gene Signature", "Signature Library")
WIDTHS, HEIGHT = (1440, 800), 1000
GAP = 12


def look(page: Page, width: int) -> Image.Image:
    """Return a picture of the page at a width."""
    page.set_viewport_size({"width": width, "height": HEIGHT})
    page.wait_for_timeout(1500)  # what comes in softly has come
    return Image.open(io.BytesIO(page.screenshot()))


def main(folder: Path) -> None:
    """Write the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    sheets: dict[str, list[Image.Image]] = {name: [] for name in PAGES}
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS, headless=True)
        with serve(Path(home), CELLUCID_OPEN="demo") as address:
            for scheme in ("light", "dark"):
                page = browser.new_page(viewport={"width": WIDTHS[0], "height": HEIGHT}, color_scheme=scheme)
                page.set_default_timeout(PATIENCE)
                page.goto(address)
                at_rest(page)
                for name in PAGES:
                    page.set_viewport_size({"width": WIDTHS[0], "height": HEIGHT})
                    page.get_by_test_id("stSidebarNav").get_by_text(name, exact=True).click()
                    at_rest(page)
                    if name == "Gene Signature":
                        chart(page)
                    sheets[name] += [look(page, width) for width in WIDTHS]
                page.close()
        browser.close()
    for name, pictures in sheets.items():
        small = [picture.resize((picture.width // 2, picture.height // 2)).convert("RGB") for picture in pictures]
        sheet = Image.new("RGB", (sum(one.width + GAP for one in small) - GAP, small[0].height), "#8C939A")
        left = 0
        for one in small:
            sheet.paste(one, (left, 0))
            left += one.width + GAP
        sheet.save(folder / f"{name.lower().replace(' & ', '-').replace(' ', '-')}.webp", quality=72)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
