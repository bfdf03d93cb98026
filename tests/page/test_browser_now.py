"""The views Now, Station and Quality in a real browser."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.xdist_group("service")

# How many labels lie over one another or over a point.
OVERLAPS = """() => {
  const boxes = (selector) => [...document.querySelectorAll(selector)].map((one) => one.getBoundingClientRect());
  const over = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 3 && b.top < a.bottom - 3;
  const labels = boxes("#map .values text");
  const points = boxes("#map .points circle");
  const pairs = labels.flatMap((a, i) => [...labels.slice(i + 1), ...points].map((b) => over(a, b)));
  return pairs.filter(Boolean).length;
}"""


def test_the_map_and_the_table_show_the_same_stations(visit: Callable):
    page = visit().open("/")
    rows, points = page.locator("#stations tbody tr"), page.locator("#map .points circle")
    assert rows.count() == points.count() > 20
    expect(page.locator(".banner")).to_contain_text("invented")
    expect(page.locator("[data-fresh]")).to_contain_text(re.compile(r"ago"))
    points.first.hover()
    expect(page.locator("#tip")).to_contain_text(rows.first.locator("a").inner_text())
    assert page.locator("#stations .curve path").count() > 20
    expect(page.locator(".extremes")).to_contain_text("Hottest")
    assert page.evaluate(OVERLAPS) == 0
    few = page.locator("#map .values text").count()
    assert few > 3
    box = page.locator("#map").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.wheel(0, -900)
    expect(page.locator("#map")).to_have_class(re.compile("zoomed"))
    assert page.evaluate(OVERLAPS) == 0
    zoomed = page.locator("#map").get_attribute("viewBox")
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 - 60, box["y"] + box["height"] / 2 - 40, steps=3)
    page.mouse.up()
    assert page.locator("#map").get_attribute("viewBox") != zoomed
    assert page.url.endswith("/")  # a drag opens no station and chooses no département
    zoomed = page.locator("#map").get_attribute("viewBox")
    page.get_by_role("link", name=re.compile("Mean wind")).click()
    expect(page.locator("#map")).to_have_class(re.compile("m-wind"))
    assert page.locator("#map").get_attribute("viewBox") == zoomed
    page.locator("#map").press("0")
    expect(page.locator("#map")).to_have_attribute("viewBox", "0 0 1000 820")
    page.get_by_role("button", name="Zoom in").click()
    expect(page.locator("#map")).to_have_attribute("viewBox", "187.5 153.75 625 512.5")  # 1000 / 1.6 about the middle
    page.emulate_media(media="print")
    for clicked in ("header nav", ".filters", ".zoom"):
        expect(page.locator(clicked)).to_be_hidden()
    expect(page.locator("#stations")).to_be_visible()


def test_choosing_a_departement_or_typing_a_name_filters_without_losing_the_place(visit: Callable):
    page = visit().open("/")
    every = page.locator("#stations tbody tr").count()
    page.get_by_label("Département").select_option("9")
    expect(page).to_have_url(re.compile(r"dept=9"))
    expect(page.get_by_role("heading", level=1)).to_have_text("The weather in Ariège")
    assert 0 < page.locator("#stations tbody tr").count() < every
    page.get_by_label("Station or place").press_sequentially("girons")
    expect(page.locator("#stations tbody tr")).to_have_count(1)
    expect(page.get_by_label("Station or place")).to_be_focused()
    page.reload()
    expect(page.locator("#stations tbody tr")).to_have_count(1)
    page.go_back()
    expect(page.locator("#stations tbody tr")).not_to_have_count(1)
    expect(page.get_by_label("Station or place")).to_have_value("")


def test_a_heading_sorts_and_a_tab_colours_by_another_quantity(visit: Callable):
    page = visit().open("/")
    page.get_by_role("link", name=re.compile("^Temperature °C")).last.click()
    expect(page.locator("th[aria-sort=descending]")).to_contain_text("Temperature")
    values = [float(text) for text in page.locator("#stations td:nth-child(5)").all_inner_texts() if text != "–"]
    assert values == sorted(values, reverse=True)
    page.get_by_role("link", name=re.compile("Rain in 1 h")).click()
    expect(page.locator("#map")).to_have_class(re.compile("m-rain"))
    assert "sort=-temperature" in page.url


def test_a_station_is_reached_from_the_map_with_the_mouse_and_with_the_keyboard(visit: Callable):
    page = visit().open("/?dept=9&q=girons")
    page.locator("#map .points circle").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("ST GIRONS")
    page.go_back()
    page.wait_for_selector("#map[tabindex]")
    page.locator("#map").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#news")).to_contain_text("ST GIRONS")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/page/station/09289001"))


def drawn(page: Page) -> None:
    page.wait_for_selector("#charts[data-drawn]")
    assert page.locator("#charts canvas").count() == page.locator("#charts [data-chart]").count() >= 4


def test_a_station_draws_its_curves_for_each_range_and_gives_them_away(visit: Callable):
    page = visit().open("/page/station/09289001?range=24h")
    drawn(page)
    counts = {}
    for name, key in (("24 hours", "24h"), ("7 days", "7d"), ("everything", "all")):
        page.get_by_role("link", name=name).click()
        expect(page).to_have_url(re.compile(f"range={key}"))
        expect(page.get_by_role("link", name=name)).to_have_attribute("aria-current", "true")
        drawn(page)
        answer = page.request.get(page.get_by_role("link", name="CSV").first.get_attribute("href"))
        assert answer.ok
        counts[key] = answer.text().count("\n") - 1
    assert counts["24h"] in (24, 25)
    assert counts["24h"] < counts["7d"] <= counts["all"]
    assert page.request.get(page.get_by_role("link", name="Parquet").get_attribute("href")).body()[:4] == b"PAR1"
    box = page.locator("#charts canvas").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator("#vg-tooltip-element")).to_contain_text("Temperature")


def test_quality_tells_findings_silence_and_snapshots(visit: Callable):
    page = visit().open("/page/quality")
    expect(page.locator("#kept tbody tr.found")).to_contain_text("served")
    assert page.locator("#freshness tbody tr").count() == 2
    rules = page.locator("#rules tbody a")
    if rules.count():
        rules.first.click()
        expect(page.locator("#findings tbody tr").first).to_be_visible()
    page.get_by_role("button", name="What changed?").click()
    expect(page.locator("#diff")).to_contain_text("marts.hourly_observations")


def test_the_language_and_the_zone_are_chosen_on_the_page(visit: Callable):
    page = visit().open("/?dept=9")
    page.get_by_label("Language", exact=True).select_option("fr")
    expect(page.locator("html")).to_have_attribute("lang", "fr-FR")
    expect(page.get_by_role("heading", level=1)).to_have_text("Le temps : Ariège")
    page.get_by_label("Fuseau horaire", exact=True).select_option("UTC")
    expect(page.locator("footer")).to_contain_text("UTC")
    assert {"lang=fr", "tz=UTC", "dept=9"} <= set(page.url.partition("?")[2].split("&"))
    page.get_by_role("link", name="Qualité").click()
    expect(page.locator("html")).to_have_attribute("lang", "fr-FR")
    french = visit(locale="fr-FR").open("/page/station/09289001?range=24h")
    expect(french.locator("html")).to_have_attribute("lang", "fr-FR")
    drawn(french)


def pinch(page: Page) -> None:
    """Spread two fingers on the map from 60 to 120 pixels."""
    page.locator("#map").scroll_into_view_if_needed()
    box = page.locator("#map").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    fingers = page.context.new_cdp_session(page)
    for kind, apart in (("touchStart", 30), ("touchMove", 45), ("touchMove", 60), ("touchEnd", None)):
        points = [{"x": x + side * apart, "y": y, "id": side} for side in (-1, 1)] if apart else []
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


@pytest.mark.parametrize(
    "path", ["/", "/page/station/09289001?range=24h", "/page/runs", "/page/quality", "/page/places?mine=09289001"]
)
def test_a_telephone_shows_everything_within_its_width(visit: Callable, path: str):
    page = visit(viewport={"width": 360, "height": 740}, has_touch=True).open(path)
    if "station" in path:
        drawn(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    expect(page.get_by_role("link", name="Quality")).to_be_visible()
    if path == "/":
        pinch(page)
        width = float(page.locator("#map").get_attribute("viewBox").split()[2])
        assert width == pytest.approx(500, rel=0.02)  # half of 1000


def test_without_scripts_the_page_is_complete_but_for_curves(visit: Callable):
    context = visit(java_script_enabled=False).context
    page = context.new_page()
    page.goto("/")
    assert page.locator("#map .points circle").count() == page.locator("#stations tbody tr").count() > 20
    page.get_by_label("Département").select_option("31")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("The weather in Haute-Garonne")
    page.locator("#stations a[href*=station]").first.click()
    expect(page.locator("#days")).to_be_visible()


def test_the_api_documentation_needs_no_other_origin(visit: Callable):
    one = visit()
    page = one.context.new_page()
    page.on("console", lambda message: one._note(message.type, message.text))
    page.on("request", lambda request: one._look(request.url))
    page.goto("/docs")
    expect(page.locator("#operations-runs-trigger_run_runs_post")).to_be_visible()
