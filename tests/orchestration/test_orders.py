"""Hours of single stations are ordered once, fetched once, and lost at no point at which a run is killed."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from archive_files import HOURS_HEADER, Archive, hours_of, text_of
from upstream import NOW, TOKEN, Upstream

import ingestion.orders
from ingestion.demo.app import create_demo_app
from ingestion.departments import resolve_all
from ingestion.errors import OrderLost
from ingestion.ingest import ingest_packet
from ingestion.meteofrance.source import plan_requests
from ingestion.orders import Order, OrderLedger
from ingestion.paths import DataPaths
from ingestion.replay import load_left_behind
from ingestion.settings import get_settings
from orchestration.orders import carry_out_orders

ARIEGE = resolve_all(["9"])
STATION = "09289001"
LATER = NOW + timedelta(hours=72)
GAP = [datetime(2026, 11, 20, hour, tzinfo=UTC) for hour in range(8, 15)]
Query = Callable[..., list[Any]]


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def gap(upstream: Upstream, data_dir: Path, query: Query, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Three days of Ariège, of which one station lost seven hours two days ago; return what it lost."""
    monkeypatch.setattr(ingestion.orders, "ORDERS_OF_A_RUN", 1)
    upstream.reset(now=LATER, retention_hours=84)
    (request,) = plan_requests(ARIEGE, LATER)
    ingest_packet(get_settings(), request)
    paths = DataPaths(data_dir)
    lost = f"geo_id_insee = '{STATION}' and observed_at between '{GAP[0]}' and '{GAP[-1]}'"
    rows = query(paths.build_file, f"select observed_at, t, u, ff, raf from raw.observations where {lost} order by 1")
    with duckdb.connect(str(paths.build_file)) as connection:
        connection.execute(f"delete from raw.observations where {lost}")
        connection.execute("update meta.loads set fetched_at = ?", [NOW])
    assert len(rows) == len(GAP)
    upstream.requests.clear()
    return rows


def carry_out(now: datetime = LATER) -> list[str]:
    """One run: what a killed one left, then orders."""
    said: list[str] = []
    load_left_behind(get_settings(), said.append)
    carry_out_orders(get_settings(), ARIEGE, now, said.append)
    return said


def asked(upstream: Upstream) -> list[str]:
    return [path.rpartition("/")[2] for path in upstream.requests]


def ordered_rows(data_dir: Path, query: Query) -> list[Any]:
    rows = query(
        DataPaths(data_dir).build_file,
        "select observed_at, t::double, u::double, ff::double, raf::double from raw.rebuilt_observations"
        f" where origin = 'order' and geo_id_insee = '{STATION}' order by 1",
    )
    return [tuple(None if value is None else value for value in row) for row in rows]


def as_numbers(rows: list[Any]) -> list[Any]:
    return [(hour, *(None if value is None else float(value) for value in values)) for hour, *values in rows]


def test_a_gap_of_one_station_is_ordered_then_loaded(
    gap: list[Any], upstream: Upstream, data_dir: Path, query: Query
) -> None:
    assert carry_out() == ["ordered the missing hours of 1 stations: a later run loads them"]
    (order,) = OrderLedger(DataPaths(data_dir), "meteofrance").orders
    assert (order.station_id, order.status, [hour for _, hour in order.wanted]) == (STATION, "ordered", GAP)
    upstream.app = create_demo_app(clock=lambda: LATER, token=TOKEN, order_waits=1)
    assert carry_out() == []  # it is being made
    said = carry_out()
    # 280.15 K came as 7,0 °C: one decimal.
    found, right = ordered_rows(data_dir, query), as_numbers(gap)
    assert [(hour, *values) for hour, _, *values in found] == [(hour, *values) for hour, _, *values in right]
    assert all(abs(mine[1] - theirs[1]) <= 0.051 for mine, theirs in zip(found, right, strict=True))
    assert f"of {STATION}: 7 rows seen: 7 new" in said[0]
    answers = "select answer, source, station_id, count(*) from meta.repaired_hours group by all"
    assert query(DataPaths(data_dir).build_file, answers) == [("repaired", "order", STATION, 7)]
    # The other stations' gaps come next; this station is never ordered again.
    for _ in range(3):
        carry_out()
    ledger = OrderLedger(DataPaths(data_dir), "meteofrance")
    assert [each.status for each in ledger.orders if each.station_id == STATION] == ["loaded"]


@pytest.mark.parametrize("step", range(1, 5))
def test_a_run_killed_at_any_write_orders_once_and_loses_no_file(
    gap: list[Any], upstream: Upstream, data_dir: Path, query: Query, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    write, count = ingestion.orders.write_durably, 0

    def killing(path: Path, content: bytes) -> None:
        nonlocal count
        count += 1
        if count == step:
            raise Killed
        write(path, content)

    monkeypatch.setattr(ingestion.orders, "write_durably", killing)
    monkeypatch.setattr(ingestion.orders.OrderLedger, "plan", only_of(STATION))
    for _ in range(2):
        try:
            carry_out()
        except Killed:
            monkeypatch.setattr(ingestion.orders, "write_durably", write)
            break
    else:
        pytest.fail("not killed")
    for _ in range(3):
        carry_out()
    if step == 2:  # killed between the answer and its number: whether it was ordered is not known for a day
        assert asked(upstream).count("horaire") == 1
        assert ordered_rows(data_dir, query) == []
        for _ in range(2):
            carry_out(LATER + timedelta(hours=25))
    assert asked(upstream).count("horaire") == (2 if step == 2 else 1)
    assert asked(upstream).count("fichier") == 1
    assert len(ordered_rows(data_dir, query)) == 7


def only_of(station: str) -> Callable[..., list[Order]]:
    plan = OrderLedger.plan

    def planned(ledger: OrderLedger, missing: set[tuple[str, datetime]], now: datetime) -> list[Order]:
        return plan(ledger, {pair for pair in missing if pair[0] == station}, now)

    return planned


def test_where_the_archive_has_the_hours_none_is_ordered(
    gap: list[Any], upstream: Upstream, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingestion.orders.OrderLedger, "plan", only_of(STATION))
    archive = Archive(DataPaths(data_dir), tmp_path / "files")
    rows = hours_of("2026-11-20T00", 48)
    without = [row for row in rows if row["AAAAMMJJHH"] != "2026112010"]
    archive.load("H_09_latest-2025-2026.csv", text_of(without, HOURS_HEADER), NOW)
    carry_out()
    (order,) = OrderLedger(DataPaths(data_dir), "meteofrance").orders
    assert [hour for _, hour in order.wanted] == [GAP[2]]  # 10 h, which its neighbours have there


def test_a_lost_order_is_made_again_a_day_later_and_three_times_at_most(tmp_path: Path) -> None:
    ledger, missing = OrderLedger(DataPaths(tmp_path), "demo"), {(STATION, GAP[0])}
    for day in range(3):
        now = LATER + timedelta(days=day, hours=1)
        (order,) = ledger.plan(missing, now)
        assert order.tries == day + 1
        ledger.put(ledger.put(order), status="failed", error=str(OrderLost("gone")))
        assert ledger.plan(missing, now + timedelta(hours=23)) == []
    assert ledger.plan(missing, now + timedelta(days=5)) == []
    # Without a subscription nothing is asked for a day, of any station.
    (order,) = ledger.plan({("09000001", GAP[0])}, now)
    ledger.put(ledger.put(order), status="refused", tries=0)
    assert ledger.plan({("09000002", GAP[0])}, now + timedelta(hours=23)) == []
    assert len(ledger.plan({("09000001", GAP[0]), ("09000002", GAP[0])}, now + timedelta(hours=25))) == 2
    told = json.loads((tmp_path / "orders" / "demo.json").read_text())
    assert [entry["status"] for entry in told] == ["failed"] * 3 + ["refused"]
