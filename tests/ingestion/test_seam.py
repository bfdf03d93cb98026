"""Upstream's names stay inside its own folder, and only staging reads raw."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingestion.departments import resolve_all
from ingestion.ingest import ingest_packet, open_session
from ingestion.meteofrance.source import STATION_LIST, plan_requests
from ingestion.sources import SOURCES

ROOT = Path(__file__).resolve().parents[2]
UPSTREAMS_NAMES = re.compile(r"geo_id_insee|validity_time|liste-stations|paquet-|Id_station|\brr1\b")


@pytest.mark.parametrize("file", sorted((ROOT / "ingestion").glob("*.py")), ids=lambda file: file.name)
def test_upstreams_names_stay_in_its_folder(file):
    assert UPSTREAMS_NAMES.findall(file.read_text(encoding="utf-8")) == []


def test_only_staging_reads_the_sources():
    files = [*(ROOT / "weather_dbt").rglob("*.sql")]
    outside = [file.name for file in files if file.parent.name != "staging" and "source(" in file.read_text("utf-8")]
    assert len(files) > 20
    assert outside == []


def test_one_client_serves_all_packets_of_a_session(settings, monkeypatch):
    source, opened = SOURCES[settings.source], []

    def open_client(given):
        opened.append(given)
        return source.open_client(given)

    monkeypatch.setitem(SOURCES, settings.source, replace(source, open_client=open_client))
    with open_session(settings) as session:
        for request in [STATION_LIST, *plan_requests(resolve_all(["9", "65"]), datetime.now(UTC))]:
            ingest_packet(settings, request, session=session)
    assert opened == [settings]
