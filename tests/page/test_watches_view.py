"""The view Watches as the server draws it: what is on, what was told, no address, nothing that runs."""

import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from receiver import running_receiver
from upstream import NOW

from ingestion.paths import DataPaths
from orchestration.notices.outbox import send_due
from orchestration.snapshots.snapshots import kept_snapshots
from orchestration.watches.condition import COLUMNS, SILENT, read_condition
from orchestration.watches.evaluate import judge_watches
from orchestration.watches.watches import Wish, add_watch

pytestmark = pytest.mark.xdist_group("page-answers")

Serve = Callable[[Path], TestClient]
EVIL = "<script>alert(1)</script>"
SECRET = "a-secret-topic"


@pytest.fixture
def paths(published: Path, data_dir: Path) -> DataPaths:
    shutil.copytree(published, data_dir, symlinks=True)
    return DataPaths(data_dir)


def cards(page: str) -> list[str]:
    return re.findall(r"<article.*?</article>", page, re.DOTALL)


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def test_what_is_on_and_what_was_told_is_shown_without_the_address(serve: Serve, paths: DataPaths):
    with running_receiver() as receiver:
        address = f"{receiver.url}/{SECRET}"
        warm, cold = read_condition("temperature_c > -60"), read_condition("temperature_c < -60.25 for 2 h")
        made = NOW - timedelta(hours=3)
        add_watch(paths, Wish(EVIL, warm, address, stations=("09289001",), quiet="01:00-02:00"), made)
        add_watch(paths, Wish("", cold, address, department="9", hysteresis=1), made)
        judge_watches(paths, kept_snapshots(paths)[-1], NOW)
        assert send_due(paths, (), NOW) == 1
    client = serve(paths.root)
    page = client.get("/page/watches?tz=UTC").text
    on, off = cards(page)
    assert SECRET not in page
    assert "127.0.0.1" not in on + off
    assert EVIL not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;: temperature_c &gt; -60 at ST GIRONS (09289001)</strong>" in on
    assert "Temperature &gt; -60 °C" in on
    assert re.search(r"On since \w{3} \d+ \w+ \d\d:00: ST GIRONS , -?\d+\.\d °C", words(on))
    assert words(on).count("ST GIRONS") == 4  # where, on since, the message's title and its text
    assert "nothing is sent 01:00-02:00 (UTC)" in on
    assert "json://…" in on
    sent = f"{NOW:%H:%M}"
    assert re.search(rf"What was told \w{{3}} \d+ \w+ {sent} ", words(on))
    assert "<h2>Temperature &lt; -60.25 °C for 2 h </h2>" in re.sub(r"\s+", " ", off)
    assert "Ariège (9) · over when back by 1 · json://…" in words(off)
    assert "Not on." in off
    french = client.get("/page/watches?lang=fr&tz=UTC").text
    assert "<h1>Veilles</h1>" in french
    assert "En cours depuis" in cards(french)[0]
    assert "Température &lt; -60,25 °C pendant 2 h" in re.sub(r"\s+", " ", cards(french)[1])


def test_many_watches_are_shown_by_pages(serve: Serve, paths: DataPaths):
    silent = read_condition("silent 6 h")
    for n in range(31):
        wish = Wish(f"watch {n}", silent, "json://localhost", stations=("09289001",) * 100)
        add_watch(paths, wish, datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=n))
    client = serve(paths.root)
    first, second = client.get("/page/watches").text, client.get("/page/watches?page=2").text
    assert [len(cards(first)), len(cards(second))] == [30, 1]
    assert "watch 30" in cards(first)[0]
    assert "watch 0" in cards(second)[0]
    assert "and 94 more" in cards(second)[0]
    assert "30 of 31 watches" in first
    assert "No observation for 6 h" in words(cards(second)[0])
    assert cards(client.get("/page/watches?page=9999").text) == cards(second)
    assert cards(client.get("/page/watches?page=%C2%B2").text) == cards(first)


def test_before_the_first_snapshot_a_watch_is_shown_too(serve: Serve, data_dir: Path):
    paths = DataPaths(data_dir)
    add_watch(paths, Wish("", read_condition("gust_ms >= 25"), "json://localhost", department="9"))
    [card] = cards(serve(data_dir).get("/page/watches").text)
    assert "Gust ≥ 25 m/s" in words(card)
    assert "Judged first at the end of the next run." in card


def test_the_form_offers_only_what_can_be_watched(serve: Serve, data_dir: Path):
    page = serve(data_dir).get("/page/watches").text
    (box,) = re.findall(r'<select name="column".*?</select>', page, re.DOTALL)
    offered = re.findall(r'value="(\w+)"', box)
    assert len(offered) == 11
    assert set(offered) <= {*COLUMNS, SILENT}
