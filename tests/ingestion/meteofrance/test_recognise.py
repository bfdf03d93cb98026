"""What a file is told to be, by its start: invented starts, and the real files where they are."""

import gzip
import io
import zipfile

import pytest

from ingestion.errors import NotAPacket
from ingestion.meteofrance.recognise import recognise
from ingestion.meteofrance.source import dataset_of_file


def a_zip(inside):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("packet.csv.gz", inside)
    return held.getvalue()


OTHERS = {
    "NUM_POSTE;NOM_USUEL;LAT;LON;ALTI;AAAAMMJJ;RR;QRR;TN;QTN;TX;QTX\n": "daily file of the open archive (Q_…_RR-T",
    "NUM_POSTE;NOM_USUEL;LAT;LON;ALTI;AAAAMMJJ;DHUMEC;QDHUMEC\n": "daily file of the open archive (Q_…_autres",
    "NUM_POSTE;NOM_USUEL;LAT;LON;ALTI;AAAAMMJJHH;RR1;QRR1\n": "an hourly file of the open archive",
    "NUM_POSTE;NOM_USUEL;LAT;LON;ALTI;AAAAMM;RR;QRR\n": "a monthly file of the open archive",
    "NUM_POSTE;NOM_USUEL;LAT;LON;ALTI;AAAAMMJJHHMN;RR;QRR\n": "a 6-minute file of the open archive",
    '"NUM_POSTE";"NOM_USUEL";"AAAAMMJJHH";"RR1"\n': "an hourly file of the open archive",
    "NUM_POSTE   : numéro Météo-France du poste": "a list of what the archive's columns mean",
    "POSTE;DATE;RR1;QRR1;T;QT\n31069001;2026112006;0,2;1;7,7;1\n": "a file ordered from DPClim",
    '[{"lat": 1.0, "geo_id_insee": "31069001", "validity_time": "…", "t": 281.15, "rr_per": 0.2}]': "6-minute packet",
    "lat;lon;geo_id_insee;reference_time;insert_time;validity_time;t;rr_per\n": "the 6-minute packet",
    '{"code":"900802","message":"Message throttled out"}': "the quota is used up (“900802: Message throttled out”)",
    '{"code": 429, "message": "slow down"}': "the quota is used up (“429: slow down”)",
    '{"code": "900901", "message": "Invalid Credentials"}': "an error that a server sent (“900901: Invalid",
    "<ns1:fault><ns1:code>900803</ns1:code></ns1:fault>": "the quota is used up (“900803”)",
    "\n <!DOCTYPE html><html></html>": "a web page",
    "": "an empty file",
    " \r\n\n": "an empty file",
    "station_id,station_name,observed_at\n": "an answer of a Girouette",
    "a,b,c\n1,2,3\n": "no file of Météo-France that Girouette knows",
}


@pytest.mark.parametrize(("start", "name"), OTHERS.items())
def test_what_is_not_loaded_is_named(start, name):
    kind = recognise(start.encode())
    assert name in kind.name
    assert kind.dataset is None
    assert kind.advice


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (a_zip(b"lat;lon"), "a zip archive"),
        (gzip.compress(b"lat;lon"), "a gzip file inside another one"),
        (b"PAR1\x15\x04", "a Parquet file"),
        (b"\x00" * 8 + b"DUCK", "a binary file"),
    ],
    ids=["zip", "gzip", "parquet", "duckdb"],
)
def test_what_is_no_text_is_named(start, name):
    assert recognise(start).name.startswith(name)


@pytest.mark.parametrize(
    ("start", "dataset"),
    [
        (b"lat;lon;geo_id_insee;reference_time;insert_time;validity_time;t;td\n", "paquet-horaire"),
        (b'[{"lat": 43.1, "geo_id_insee": "31069001", "fxi": 2.1}]', "paquet-horaire"),
        (b'{"type": "FeatureCollection", "features": [{"properties": {"geo_id_insee": "1"}}]}', "paquet-horaire"),
        (b"[]", "paquet-horaire"),
        (b"lat,lon,geo_id_insee,validity_time\n", "paquet-horaire"),  # its reader says what is wrong
        (b"lat;lon;station;validity_time;t;rr1\n", "paquet-horaire"),
        (b"Id_station;Id_omm;Nom_usuel;Latitude\n", "liste-stations"),
        (b'"Id_station";"Nom_usuel"\n42218001;SAINT-\xc9TIENNE\n', "liste-stations"),
    ],
)
def test_packets_and_lists_go_to_the_dataset_that_reads_them(start, dataset):
    assert dataset_of_file(start) == dataset


def test_another_kind_of_file_is_an_error_with_its_advice():
    with pytest.raises(NotAPacket, match=r"it is the 6-minute packet: .*load /paquet/horaire") as refused:
        dataset_of_file(b'[{"geo_id_insee": "31069001", "rr_per": 0.2}]')
    assert refused.value.fault == "it is the 6-minute packet"


REAL_KINDS = {
    "H_75_LUXEMBOURG_2018_77rows.csv": "an hourly file of the open archive (H_…)",
    "Q_01_latest-2023-2024_RR-T-Vent_3rows.csv": "a daily file of the open archive (Q_…_RR-T-Vent)",
    "Q_01_latest-2023-2024_autres-parametres_3rows.csv": "a daily file of the open archive (Q_…_autres-parametres)",
    "MENSQ_75_latest-2025-2026.csv": "a monthly file of the open archive (MENSQ_…)",
    "MN_01_latest-2023-2024_3rows.csv": "a 6-minute file of the open archive (MN_…)",
    "dpclim_horaire_76116001_2024-06-15.csv": "a file ordered from DPClim",
    "dpclim_quotidienne_76116001_2024-06-15.csv": "a file ordered from DPClim",
    "dpclim_infrahoraire-6m_76116001_2024-06-15.csv": "a file ordered from DPClim",
    "dpclim_commande-station_202.json": "the answer to an order at DPClim, not the data",
    "dpclim_liste-stations_quotidienne_75.json": "DPClim's list of stations",
    "datagouv-listing_HOR_api2_2024-03_3resources.json": "a listing of data.gouv.fr, not the data",
    "paquet-infrahoraire-6m_76116001_v1_2024-10-17T14Z.json": "the 6-minute packet",
    "paquet-horaire_dept76_v1_2024-10-17T14Z.json": "an hourly packet",
    "paquet-stations-horaire_v1_2024-10-17T14Z.json": "an hourly packet",
    "paquet-horaire_dept33_v2_2026-07-18_2rows.csv": "an hourly packet",
    "liste-stations.csv": "the station list",
}


@pytest.mark.parametrize(("file", "name"), REAL_KINDS.items())
def test_the_real_files_are_recognised(file, name, real_file):
    assert recognise(real_file(file)[:65_536]).name == name
