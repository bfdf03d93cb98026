"""What a file is, told by its first bytes or by the names in its header, and what to do with it."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from ingestion.meteofrance.encoding import decode_start
from ingestion.meteofrance.refusals import upstream_words
from ingestion.meteofrance.schema import LISTED_STATION_ID, OBSERVATION_COLUMNS, STATION_ID, VALIDITY_TIME


@dataclass(frozen=True)
class Kind:
    """One kind of file. `dataset` is the one that reads it; without one, `advice` says what to do."""

    name: str
    dataset: str | None = None
    advice: str = ""


_UNPACK = "unpack it, then load the files in it"
_EXPORT = "save its table as CSV with Météo-France's own column names, or load the file it was made from"
_HOURLY_INSTEAD = "Girouette keeps hourly packets: load /paquet/horaire for the same hours"
_NO_READER = "Girouette does not read it: `make backfill` loads days and hours of the open archive"
_ORDERED = "Girouette orders missing hours itself; `make backfill` loads past days and hours of the open archive"
_ARCHIVE = "load it with `python -m ingestion.archive --file …`"
_AGAIN = "wait, then fetch the packet again"

_BY_START = (
    (b"PK\x03\x04", Kind("a zip archive or an Excel workbook", advice=f"{_UNPACK} (a workbook: save it as CSV)")),
    (b"\x1f\x8b", Kind("a gzip file inside another one", advice=_UNPACK)),
    (b"BZh", Kind("a bzip2 file", advice=_UNPACK)),
    (b"\xfd7zXZ", Kind("an xz file", advice=_UNPACK)),
    (b"7z\xbc\xaf", Kind("a 7z archive", advice=_UNPACK)),
    (b"\x28\xb5\x2f\xfd", Kind("a zstd file", advice=_UNPACK)),
    (b"PAR1", Kind("a Parquet file", advice=_EXPORT)),
    (b"SQLite format 3", Kind("a SQLite database", advice=_EXPORT)),
    (b"\xd0\xcf\x11\xe0", Kind("an old Excel workbook", advice="save it as CSV")),
    (b"%PDF", Kind("a PDF", advice="load the data file it tells of")),
)
_EMPTY = Kind("an empty file", advice="get it again")
_BINARY = Kind("a binary file", advice="load packets as Météo-France sends them, CSV or JSON")
_UNKNOWN = Kind("no file of Météo-France that Girouette knows", advice="check that it is the right file")

_LIST = Kind("the station list", "liste-stations")
_HOURLY_PACKET = Kind("an hourly packet", "paquet-horaire")
_SIX_MINUTES = Kind("the 6-minute packet", advice=_HOURLY_INSTEAD)

# The first whose names all stand in the header, or among the fields of the first JSON rows, says what it is.
_BY_NAMES: tuple[tuple[frozenset[str], Kind], ...] = tuple(
    (frozenset(names.split()), kind)
    for names, kind in (
        ("NUM_POSTE AAAAMMJJHHMN", Kind("a 6-minute file of the open archive (MN_…)", advice=_NO_READER)),
        ("NUM_POSTE AAAAMMJJHH", Kind("an hourly file of the open archive (H_…)", advice=_ARCHIVE)),
        (
            "NUM_POSTE AAAAMMJJ RR TN TX",
            Kind("a daily file of the open archive (Q_…_RR-T-Vent)", advice=_ARCHIVE),
        ),
        ("NUM_POSTE AAAAMMJJ", Kind("a daily file of the open archive (Q_…_autres-parametres)", advice=_ARCHIVE)),
        ("NUM_POSTE AAAAMM NUM_DECADE", Kind("a ten-day file of the open archive (DECADQ_…)", advice=_NO_READER)),
        ("NUM_POSTE AAAAMM", Kind("a monthly file of the open archive (MENSQ_…)", advice=_NO_READER)),
        ("POSTE DATE", Kind("a file ordered from DPClim", advice=_ORDERED)),
        ("numer_sta date", Kind("a SYNOP file", advice="load packets of the API (/paquet/horaire) instead")),
        (f"{STATION_ID} rr_per", _SIX_MINUTES),
        (f"{STATION_ID} raf10", _SIX_MINUTES),
        (f"{STATION_ID} fxi10", _SIX_MINUTES),
        (STATION_ID, _HOURLY_PACKET),
        (LISTED_STATION_ID, _LIST),
        ("Nom_usuel Latitude", _LIST),
        (
            "elaboreProduitAvecDemandeResponse",
            Kind("the answer to an order at DPClim, not the data", advice="fetch the file of that order"),
        ),
        ("nom posteOuvert", Kind("DPClim's list of stations", advice="load /liste-stations of the packets' API")),
        ("nom typesPoste", Kind("DPClim's facts about one station", advice="load /liste-stations of the packets' API")),
        ("station_id station_name", Kind("an answer of a Girouette", advice="load the packets it was made from")),
        ("data filesize title", Kind("a listing of data.gouv.fr, not the data", advice="fetch the files it lists")),
    )
)
_FIELD_LIST = Kind("a list of what the archive's columns mean, not the data", advice="load the data file instead")

_QUOTA = re.compile(r"\b429\b|\b90080\d\b|throttl|quota|too many requests", re.IGNORECASE)
_LETTERS = 60


def recognise(start: bytes) -> Kind:
    """Say what a file is; `start` is its first bytes, decompressed."""
    for magic, kind in _BY_START:
        if start.startswith(magic):
            return kind
    text = decode_start(start).lstrip("\ufeff \t\r\n")
    if not text:
        return _EMPTY
    if text[0] == "<":
        return _marked_up(text)
    if text[0] in "[{":
        return _by_names(re.findall(r'"([^"\\]{1,60})"\s*:', text)) or _without_rows(text)
    header = re.split(r"[\r\n]", text, maxsplit=1)[0]
    if re.match(r"NUM_POSTE\s*:", header):
        return _FIELD_LIST
    # Other signs than `;` too: the reader then says that they are wrong.
    return _by_names([name.strip(' "') for name in re.split(r"[;,\t|]", header)]) or (
        _BINARY if "\0" in text else _UNKNOWN
    )


def _by_names(names: Collection[str]) -> Kind | None:
    present = set(names)
    for needed, kind in _BY_NAMES:
        if needed <= present:
            return kind
    # A renamed column is not another file: the reader says which one is missing.
    is_packet = VALIDITY_TIME in present or len(present.intersection(OBSERVATION_COLUMNS)) >= 3
    return _HOURLY_PACKET if is_packet else None


def _without_rows(text: str) -> Kind:
    said = upstream_words(text.encode())
    if text[0] == "{" and (said or re.search(r'"(error|fault|status)"\s*:', text)):
        return _error(text, said)
    # An array without a row is a packet without news.
    return _HOURLY_PACKET if re.fullmatch(r"\[\s*\]?\s*", text) else _UNKNOWN


def _marked_up(text: str) -> Kind:
    if re.match(r"<!doctype html|<html", text, re.IGNORECASE):
        return Kind("a web page", advice="fetch the data itself: a portal gives this page without a token")
    said = upstream_words(text.encode())
    return _error(text, said) if said else Kind("an XML file", advice="load CSV or JSON")


def _error(text: str, said: str) -> Kind:
    words = f" (“{said[:_LETTERS]}”)" if said else ""
    if _QUOTA.search(said or text[:1_000]):
        return Kind(f"an answer that the quota is used up{words}, not data", advice=_AGAIN)
    return Kind(f"an error that a server sent{words}, not data", advice="do what it says, then fetch the packet again")
