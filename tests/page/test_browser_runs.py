"""Runs and watches in a real browser: started, followed, cancelled; and open pages that show what was published."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from receiver import running_receiver
from running_service import KEY, RunningService

pytestmark = pytest.mark.xdist_group("service")

LONG = 150_000  # a run on a busy machine


def give_key(page: Page, key: str) -> None:
    dialog = page.get_by_role("dialog", name="This needs an API key")
    expect(dialog).to_be_visible()
    dialog.get_by_label("API key").fill(key)
    dialog.get_by_role("button", name="Continue").click()


def test_a_run_is_started_followed_to_its_end_and_every_open_page_shows_what_it_published(visit: Callable):
    visitor = visit()
    now = visitor.open("/")
    now.get_by_label("Station or place").focus()
    now.evaluate("window.scrollTo(0, 300)")
    assert now.evaluate("window.scrollY") == 300
    before = now.locator("body").get_attribute("data-snapshot")

    runs = visitor.open("/page/runs")
    runs.get_by_label("Département").select_option("9")
    runs.get_by_label("Build even when nothing is new").check()
    runs.get_by_role("button", name="Start a run").click()
    give_key(runs, "not-a-key")
    give_key(runs, KEY)
    expect(runs).to_have_url(re.compile(r"run=[0-9a-f-]{36}"))
    expect(runs.locator("#nodes li").first).to_be_visible(timeout=LONG)
    expect(runs.locator("#run .state.completed")).to_be_visible(timeout=LONG)
    expect(runs.locator("#run")).to_contain_text("published")
    assert runs.locator("#nodes li").count() > 5
    expect(runs.locator("#packets tbody tr").first).to_be_visible()
    expect(runs.locator("#history tr.found .state.completed")).to_be_visible()

    # The other page notices by itself: its clock runs only while it is looked at.
    now.bring_to_front()
    expect(now.locator("body")).not_to_have_attribute("data-snapshot", before or "", timeout=LONG)
    assert now.evaluate("window.scrollY") == 300
    expect(now.get_by_label("Station or place")).to_be_focused()
    assert now.evaluate("sessionStorage.getItem('api-key')") is None
    assert now.evaluate("localStorage.length") == 0


def test_a_run_is_cancelled_and_run_again(visit: Callable):
    page = visit().open("/page/runs")
    page.get_by_label("Département").select_option("all")
    page.get_by_role("button", name="Start a run").click()
    give_key(page, KEY)
    page.get_by_role("button", name="Cancel this run").click()
    expect(page.locator("#run h2 .state.cancelled")).to_be_visible(timeout=LONG)
    expect(page.locator("#run")).to_contain_text("The previous snapshot is still served.")
    page.get_by_role("button", name="Run it again").click()
    page.get_by_role("button", name="Cancel this run").click()
    expect(page.locator("#run h2 .state.cancelled")).to_be_visible(timeout=LONG)


def test_a_run_leads_to_the_prefect_ui_and_an_unknown_one_to_the_newest(visit: Callable):
    page = visit().open("/page/runs?run=0192f0c1-8d1e-7a55-9a39-5b1f6f0e2c11")
    expect(page.locator(".banner", has_text="There is no run")).to_be_visible()
    link = page.get_by_role("link", name="this run in the Prefect UI").get_attribute("href")
    assert re.search(r"/runs/flow-run/[0-9a-f-]{36}$", link or "")


def test_giving_no_key_changes_nothing(visit: Callable):
    page = visit().open("/page/runs")
    runs = page.locator("#history tbody tr").count()
    page.get_by_role("button", name="Start a run").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    page.reload()
    expect(page.locator("#history tbody tr")).to_have_count(runs)


def test_a_watch_is_added_tested_and_deleted(visit: Callable):
    visitor = visit()
    page = visitor.open("/page/watches")
    card = page.locator("#watches article", has_text="Frost at the orchard")
    with running_receiver() as receiver:
        page.get_by_label("Stations, with commas between").fill("St Girons, Aston")
        page.locator("#watch-operator").select_option("at most")
        page.get_by_label("Number", exact=True).fill("0.5")
        page.get_by_label("Over when back by").fill("1")
        page.get_by_label("Address", exact=True).fill(f"{receiver.url}/a-secret-topic")
        page.get_by_label("Name", exact=True).fill("Frost at the orchard")
        page.get_by_label("Nothing is sent from").fill("22:00")
        page.get_by_role("button", name="Keep this watch").click()
        give_key(page, KEY)
        # What the API refuses is said, and what was typed stays.
        expect(page.locator("#news")).to_contain_text("22:00-07:00")
        assert ["422" in complaint for complaint in visitor.complaints] == [True]
        visitor.complaints.clear()
        page.get_by_label("until").fill("06:30")
        page.get_by_role("button", name="Keep this watch").click()
        expect(card).to_contain_text("Temperature ≤ 0.5 °C")
        expect(card).to_contain_text("ST GIRONS, ASTON")
        expect(card).to_contain_text("over when back by 1 · nothing is sent 22:00-06:30 (Europe/Paris) · json://…")
        expect(page.get_by_label("Address", exact=True)).to_have_value("")
        assert "a-secret-topic" not in page.content()
        card.get_by_role("button", name="Send a test").click()
        expect(page.locator("#news")).to_have_text("The address took the message.")
        assert receiver.titles == ["Test: Frost at the orchard"]
    page.once("dialog", lambda dialog: dialog.accept())
    card.get_by_role("button", name="Delete").click()
    expect(card).to_have_count(0)


def test_a_failed_run_says_why_and_what_to_do_and_the_observations_stay(visit: Callable, service: RunningService):
    landing, aside = service.data_dir / "landing", service.data_dir / "landing-aside"
    landing.rename(aside)
    landing.write_text("a file where the folder should be")
    try:
        run = service.trigger("dept=9&full=true")
        assert service.until_ended(run["id"])["state"]["type"] == "FAILED"
    finally:
        landing.unlink()
        aside.rename(landing)
    visitor = visit()
    page = visitor.open("/page/runs")
    expect(page.locator("#run")).to_contain_text("This run failed.")
    expect(page.locator("#run .banner.red")).to_contain_text("landing")
    expect(page.locator("#log")).to_be_visible()
    expect(page.get_by_role("button", name="Run it again")).to_be_visible()
    now = visitor.open("/")
    # Prefect is asked once in three seconds, for however many pages; the page follows by itself.
    expect(now.locator(".strip")).to_contain_text("Last run failed", timeout=LONG)
    assert now.locator("#stations tbody tr").count() > 20
