import gzip
from datetime import UTC, datetime, timedelta, timezone

import pytest

from ingestion.errors import FileUnreadable
from ingestion.landing import LandedPayload, describe_payload, land_payload, landed_payloads

NOW = datetime(2026, 11, 23, 5, 12, 0, 123456, tzinfo=UTC)


@pytest.fixture
def land(tmp_path):
    """Land a body and give what was landed."""

    def run(body=b"lat;lon\n", at=NOW, scope="9"):
        landed = describe_payload(tmp_path, body, "paquet-horaire", scope, at, "csv")
        land_payload(landed, body)
        return landed

    return run


def test_a_payload_is_landed_compressed_under_a_name_that_says_everything(land, tmp_path):
    landed = land()
    assert str(landed.path.relative_to(tmp_path)) == (
        f"2026-11-23/20261123T051200123456Z_paquet-horaire_9_{landed.digest}.csv.gz"
    )
    assert gzip.decompress(landed.path.read_bytes()) == landed.read() == b"lat;lon\n"
    assert LandedPayload.from_path(landed.path) == landed


def test_a_name_is_in_utc_whatever_the_time_zone_of_the_fetch(land):
    assert land(at=NOW.astimezone(timezone(timedelta(hours=11)))).fetched_at == NOW


def test_payloads_are_listed_oldest_first_and_strays_are_left_out(land, tmp_path):
    landed = [land(at=NOW + timedelta(hours=12 * step), body=b"%d" % step) for step in range(4)]
    (landed[0].path.parent / "notes.txt").touch()
    landed[0].path.with_suffix(".partial").touch()
    (tmp_path / "elsewhere").mkdir()
    assert list(landed_payloads(tmp_path)) == landed
    assert list(landed_payloads(tmp_path, since=landed[2].fetched_at.date())) == landed[2:]


def test_stamps_stay_in_order_when_the_clock_is_set_back(land, tmp_path):
    landed = [land(at=NOW), land(at=NOW - timedelta(days=40)), land(at=NOW - timedelta(days=39)), land(at=NOW)]
    stamps = [payload.fetched_at for payload in landed]
    assert stamps == sorted(set(stamps))
    assert max(stamps) - NOW < timedelta(seconds=1)
    assert list(landed_payloads(tmp_path)) == landed


def test_a_killed_write_leaves_no_payload(land, tmp_path, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("ingestion.durable.os.fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        land()
    assert list(landed_payloads(tmp_path)) == []


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-9], lambda data: b"not gzip", lambda data: data[:12] + b"\xff" * 9]
)
def test_a_damaged_payload_says_which_file_it_is(land, damage):
    landed = land(body=b"lat;lon\n" * 100)
    landed.path.write_bytes(damage(landed.path.read_bytes()))
    with pytest.raises(FileUnreadable, match="its gzip data is damaged"):
        landed.read()
