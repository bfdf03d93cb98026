import pickle
from pathlib import Path

import pytest

from ingestion import errors
from ingestion.errors import IngestionError

BASES = {errors.IngestionError, errors.UpstreamError, errors.PayloadError}
EXAMPLES = [
    errors.UnknownDepartment("x\ny", ["9 (Ariège)"]),
    errors.SourceMismatch("demo", "meteofrance", "data"),
    errors.WarehouseNewer(3, 2, "data"),
    errors.WarehouseOlder(0, 1, "data"),
    errors.WarehouseDamaged(Path("warehouse.duckdb"), "not a\nDuckDB file"),
    errors.ClosedMonthDamaged(Path("2025-01.parquet"), "is missing"),
    errors.ArchiveFileRefused("Q_09.csv.gz", "it is cut\nor damaged"),
    errors.ArchiveUnreadable(Path("ledger.json"), "it is missing"),
    errors.ArchiveNeedsRoom(12_300_000_000, 4_000_000_000, Path("data")),
    errors.StorageFailed(28, "No space left on device", "landing/a.gz", "data"),
    errors.StorageFailed(None, "something\nelse", None, "data"),
    errors.FileUnreadable(Path("captured.json"), "gone"),
    errors.TokenMissing(),
    errors.ApplicationRefused(401),
    errors.TokenRefused("900901: Invalid\nCredentials"),
    errors.NotSubscribed("900908"),
    errors.RequestRefused(400, "Contrôle de paramètres\nen erreur", "/paquet/horaire"),
    errors.WrongPath("http://example.test/v2/x"),
    errors.Redirected("http://example.test/v2/x", "http://elsewhere.test/"),
    errors.QuotaExceeded(5, 75.2),
    errors.OrderLost("its file was given out before"),
    errors.UpstreamDown("ConnectTimeout", 5, 15.2),
    errors.PayloadTooLarge(256 * 2**20),
    errors.PayloadTruncated("row 3 of 3"),
    errors.AllRowsRejected(3, "the key\nis gone"),
    errors.NotWhatWasAsked(300, 300, "station 76116001"),
    errors.ValuesImplausible(["12 of 12 temperatures are impossible (degrees Celsius in place of kelvin?)"]),
    errors.CorrectionHeld("erase 576 of 600 known values of t", 30),
    errors.NotAPacket("the 6-minute packet", "load /paquet/horaire"),
    errors.FileRefused(Path("a\x1b.csv"), "it is an empty file", "get it again"),
    errors.PayloadNotRecognized("no header", "<html>\x1b[31m\r\n<body>" + "x" * 1000),
    errors.HeaderChanged(["t"], ["température\x00"]),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_every_message_is_one_printable_line_that_says_what_to_do(error):
    message = str(error)
    assert isinstance(error, IngestionError)
    assert message.isprintable()
    assert len(message) < 700
    assert any(sign in message for sign in (": ", "; ", "?"))


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_survives_the_way_to_another_process(error):
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


def test_every_class_of_the_tree_has_an_example_and_stands_in_the_drawing():
    def below(kind):
        return {kind}.union(*map(below, kind.__subclasses__()))

    here = {kind for kind in below(IngestionError) if kind.__module__ == errors.__name__}
    assert all(kind.__name__ in errors.__doc__ for kind in here)
    assert {type(example) for example in EXAMPLES} >= here - BASES


def test_a_source_mismatch_names_both_ways_out():
    message = str(errors.SourceMismatch("demo", "meteofrance", "data"))
    assert "METEOFRANCE_SOURCE=demo" in message
    assert "DATA_DIR" in message


def test_a_changed_header_names_the_missing_and_the_extra_columns():
    error = errors.HeaderChanged(["t", "ff"], ["temp"])
    assert (error.missing, error.extra) == (("t", "ff"), ("temp",))
    assert "missing t, ff" in str(error)
    assert "temp" in str(error)


def test_a_payload_that_is_not_recognized_shows_its_first_60_characters():
    message = str(errors.PayloadNotRecognized("no header", "<!DOCTYPE html>" + "z" * 500))
    assert "<!DOCTYPE html>zzz" in message
    assert "z" * 60 not in message
