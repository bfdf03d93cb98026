"""`python -m ingestion`: what it prints and its exit codes."""

import re

import pytest

from ingestion.__main__ import main
from ingestion.demo.faults import Fault, FaultKind

COUNTS = r"[\d,]+ rows seen: [\d,]+ new, \d+ changed, [\d,]+ unchanged, \d+ rejected \(\d+\.\d\d s\)"

pytestmark = pytest.mark.usefixtures("no_waiting")


def test_one_line_per_department_says_what_happened(upstream, capsys):
    assert main(["--dept", "9", "--dept", "Haute-Garonne"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for line, name in zip(lines, ["station list", r"Ariège \(9\)", r"Haute-Garonne \(31\)"], strict=True):
        assert re.fullmatch(f"{name}: {COUNTS}", line)


def test_one_department_that_fails_does_not_stop_the_others(upstream, capsys, warehouse):
    upstream.reset(Fault(FaultKind.SERVER_ERROR, department="31", times=None))
    assert main(["--dept", "31", "--dept", "9"]) == 1
    said = capsys.readouterr()
    assert said.err.startswith("Haute-Garonne (31): error: Météo-France did not answer properly")
    assert re.search(rf"^Ariège \(9\): {COUNTS}$", said.out, re.MULTILINE)
    assert warehouse.query("select distinct left(geo_id_insee, 2) from raw.observations") == ["09"]


def test_demo_data_is_said_loudly(capsys, data_dir):
    assert main(["--dept", "9"]) == 0
    assert "DEMO DATA: no METEOFRANCE_TOKEN is set" in capsys.readouterr().out


def test_a_mistyped_department_is_refused_with_suggestions_before_anything_is_asked(upstream, capsys):
    assert main(["--dept", "Ariege-sur-Mer"]) == 1
    assert "error: “Ariege-sur-Mer” is not a département: did you mean" in capsys.readouterr().err
    assert upstream.requests == []


def test_files_are_loaded_without_a_token_as_meteofrances(capsys, tmp_path, as_csv, row, warehouse):
    file = tmp_path / "packet.csv"
    file.write_bytes(as_csv([row()]))
    assert main(["--file", str(file)]) == 0
    assert re.fullmatch(f"packet.csv: {COUNTS}\n", capsys.readouterr().out)
    assert warehouse.query("select source from meta.warehouse") == ["meteofrance"]


@pytest.mark.parametrize("present", [True, False])
def test_a_file_that_cannot_be_loaded_is_one_line_and_exit_code_1(capsys, tmp_path, present):
    file = tmp_path / "page.csv"
    if present:
        file.write_text("<!DOCTYPE html>")
    assert main(["--file", str(file)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1


def test_one_bad_file_is_named_and_costs_the_others_nothing(capsys, tmp_path, as_csv, row, warehouse):
    files = [tmp_path / name for name in ("a good.csv", "b-quota.json", "été.csv")]
    for file, station in zip(files, ("09289001", "", "09225001"), strict=True):
        file.write_bytes(as_csv([row(station)]) if station else b'{"code": 429, "message": "Too many"}')
    assert main(["--file", *map(str, files)]) == 1
    said = capsys.readouterr()
    lines = said.out.splitlines()
    for line, expected in zip(
        lines, [f"a good.csv: {COUNTS}", f"été.csv: {COUNTS}", "2 of 3 files loaded"], strict=True
    ):
        assert re.fullmatch(expected, line)
    assert said.err.startswith(f"error: {files[1]}: it is an answer that the quota is used up (“429: Too many”)")
    assert said.err.count("\n") == 1
    assert warehouse.query("select count(*) from raw.observations") == [2]


def test_demo_and_real_data_do_not_meet(capsys, tmp_path, as_csv, row):
    assert main(["--dept", "9"]) == 0
    file = tmp_path / "packet.csv"
    file.write_bytes(as_csv([row()]))
    assert main(["--file", str(file)]) == 1
    assert "holds data from the source `demo` and this run asks for `meteofrance`" in capsys.readouterr().err


def test_the_departments_of_the_settings_are_asked_when_none_is_named(upstream, capsys, monkeypatch):
    monkeypatch.setenv("DEPTS", "9,31")
    assert main([]) == 0
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == [
        "station list",
        "Ariège (9)",
        "Haute-Garonne (31)",
    ]
