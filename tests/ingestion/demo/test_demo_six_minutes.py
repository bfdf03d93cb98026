"""Six-minute packets of the demo: the hours rebuilt from them are its own."""

from datetime import timedelta

from ingestion.meteofrance.six_minutes import parse_six_minutes

STATION = "09289001"
SAME = ("t", "td", "u", "dd", "ff", "ddraf", "raf", "insolh", "pmer")


def test_rebuilt_hours_are_those_of_the_hourly_packet(demo, read_csv):
    rebuilt = parse_six_minutes(demo.get("/v2/paquet/infrahoraire-6m", id_station=STATION, format="csv").content, "csv")
    # Once every correction has come.
    demo.now += timedelta(hours=30)
    hourly = {row["validity_time"]: row for row in read_csv(demo.department()) if row["geo_id_insee"] == STATION}
    hours = [(row, hourly[row["validity_time"]]) for row in rebuilt.rows.to_pylist() if row["validity_time"] in hourly]
    assert len(hours) >= 20
    for mine, theirs in hours:
        for name in SAME:
            assert (mine[name] is None) == (theirs[name] == ""), name
            assert mine[name] is None or float(mine[name]) == float(theirs[name]), (name, mine, theirs)
        assert float(mine["rr1"]) == max(float(theirs["rr1"]), 0), mine
    assert any(float(mine["rr1"]) > 0 for mine, _ in hours)


def test_one_time_of_every_station(demo, read_csv):
    path = "/v2/paquet/stations/infrahoraire-6m"
    rows = read_csv(demo.get(path, date="2026-11-23T04:54:00Z", format="csv"))
    assert len(rows) > 1900
    assert {row["validity_time"] for row in rows} == {"2026-11-23T04:54:00Z"}
    assert read_csv(demo.get(path, date="2026-11-22T04:54:00Z", format="csv")) == []  # longer ago than a day
    assert read_csv(demo.get(path, date="2026-11-23T05:18:00Z", format="csv")) == []  # to come
    assert demo.get(path, date="2026-11-23T04:53:00Z").status_code == 400
    assert demo.get("/v2/paquet/infrahoraire-6m", id_station="9289001").status_code == 400
