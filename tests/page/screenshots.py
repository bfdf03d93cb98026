"""Take the pictures in docs/images/page of a running service: `python tests/page/screenshots.py http://127.0.0.1:8000`.

Each view in light and dark, wide and narrow.
"""

import sys
from pathlib import Path

from chromium import OPTIONS, find_chromium
from playwright.sync_api import Browser, sync_playwright

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "images" / "page"
SIZES = {"wide": (1280, 900), "narrow": (390, 844)}
STATION = "09289001"
VIEWS = {
    "now": "/",
    "normal": "/?show=normal&dept=9,31",
    "places": f"/page/places?mine={STATION},31027901,97406901,75089902",
    "station": f"/page/station/{STATION}?range=7d",
    "year": f"/page/station/{STATION}?range=7d",
    "archive": "/page/archive",
    "watches": "/page/watches",
    "runs": "/page/runs",
    "quality": "/page/quality",
}
_QUALITY = 66  # of JPEG: text stays sharp, a picture stays below 150 kB


def take(browser: Browser, url: str) -> None:
    """Write every picture."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for scheme in ("light", "dark"):
        for size, (width, height) in SIZES.items():
            context = browser.new_context(
                base_url=url, viewport={"width": width, "height": height}, color_scheme=scheme, locale="en-GB"
            )
            for view, path in VIEWS.items():
                page = context.new_page()
                page.goto(path)
                page.wait_for_selector("body[data-ready]")
                if "station" in path:
                    page.wait_for_selector("#charts[data-drawn]")
                    page.locator("#curves" if view == "station" else "#year").evaluate("one => one.scrollIntoView()")
                file = FOLDER / f"{view}-{scheme}-{size}.jpg"
                page.screenshot(path=file, type="jpeg", quality=_QUALITY)
                page.close()
                print(f"{file.name}: {file.stat().st_size / 1000:.0f} kB")  # noqa: T201 - for the person
            context.close()


if __name__ == "__main__":
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=find_chromium(), args=OPTIONS)
        take(started, sys.argv[1])
        started.close()
