"""Places as people type them, from communes.csv: the town meant, or the choices."""

import csv
from pathlib import Path

import pytest

from api.warehouse.gazetteer.communes import gazetteer, plain
from api.warehouse.gazetteer.find import NoSuchPlace, SeveralPlaces, find_place

TYPED = list(
    csv.DictReader(Path(__file__).with_name("place_names.csv").read_text(encoding="utf-8").splitlines(), delimiter=";")
)


def test_two_hundred_places_as_people_type_them() -> None:
    """None is refused, and none is another town without a word of doubt."""
    wrong = []
    for row in TYPED:
        try:
            found = find_place(row["typed"])
        except (NoSuchPlace, SeveralPlaces) as error:
            wrong.append((row["typed"], type(error).__name__))
            continue
        if (found.commune.name, found.commune.insee_department) != (row["name"], row["department"]):
            wrong.append((row["typed"], str(found.commune)))
    assert len({row["typed"].casefold() for row in TYPED}) == len(TYPED) >= 200
    assert wrong == []


@pytest.mark.parametrize(
    ("typed", "choices"),
    [
        ("Saint-Denis", ["Saint-Denis (974)", "Saint-Denis (93)"]),
        ("Aix", ["Aix-en-Provence (13)", "Aix-les-Bains (73)", "Aix (19)"]),
        ("boulogne", ["Boulogne-Billancourt (92)", "Boulogne-sur-Mer (62)", "Boulogne (85)"]),
        ("Nogent", ["Nogent-sur-Marne (94)", "Nogent-sur-Oise (60)", "Nogent (52)"]),
        ("Baule", ["La Baule-Escoublac (44)", "Baule (45)"]),
        ("ste marie", ["Sainte-Marie (974)", "Sainte-Marie (972)"]),
        ("Luchon", ["Bagnères-de-Luchon (31)"]),
    ],
)
def test_a_name_of_several_towns_gives_the_choices(typed: str, choices: list[str]) -> None:
    with pytest.raises(SeveralPlaces) as refused:
        find_place(typed)
    assert [str(choice) for choice in refused.value.choices][: len(choices)] == choices


@pytest.mark.parametrize(
    ("typed", "taken", "named"),
    [
        ("Valence", "Valence (26)", "Valence (82)"),
        ("Saint-Pierre", "Saint-Pierre (974)", "Saint-Pierre (975)"),
        ("Clermont", "Clermont-Ferrand (63)", "Clermont (60)"),  # which is the whole name of a smaller town
        ("Le Puy", "Le Puy-en-Velay (43)", "Le Puy (33)"),
        ("evry", "Évry-Courcouronnes (91)", "Évry (89)"),
        ("09000", "Foix (09)", "communes"),
        ("Villeneuve Lot", "Villeneuve-sur-Lot (47)", "taken as"),
        ("Vals", "Vals (09)", "Vals-les-Bains (07)"),
        ("Nogent Marne", "Nogent-sur-Marne (94)", "taken as"),
        ("chamonix", "Chamonix-Mont-Blanc (74)", "taken as"),
    ],
)
def test_the_far_larger_town_is_taken_with_a_word_of_doubt(typed: str, taken: str, named: str) -> None:
    found = find_place(typed)
    assert str(found.commune) == taken
    assert found.doubt is not None
    assert named in found.doubt


def test_a_whole_name_leaves_no_doubt() -> None:
    for typed in ("Toulouse", "Clermont, Oise", "Saint-Denis (974)", "le havre", "Paris 15"):
        assert find_place(typed).doubt is None, typed


def test_what_is_no_place_names_those_that_are_written_nearly_so() -> None:
    with pytest.raises(NoSuchPlace) as refused:
        find_place("Toulose")
    assert refused.value.close[0] == "Toulouse (31)"
    for nothing in ("", " , ", "99999", "qqqqqqqqqq", "Bourg, Atlantide", "()", "1", "'"):
        with pytest.raises(NoSuchPlace):
            find_place(nothing)


def test_the_file_has_every_commune_of_today_with_a_place() -> None:
    known = gazetteer()
    today = [row for row in range(len(known)) if not known.kind(row)]
    assert len(today) > 34_900
    assert len({known.code(row) for row in today}) == len(today)
    toulouse = find_place("Toulouse").commune
    assert (toulouse.latitude, toulouse.longitude) == pytest.approx((43.604, 1.443), abs=0.01)  # the Capitole
    assert toulouse.altitude_m == 150
    assert toulouse.department_code == "31"
    assert find_place("Mamoudzou").commune.department_code == "985"  # INSEE's 976
    assert find_place("Ajaccio").commune.department_code == "20"


def test_names_are_compared_alike_in_the_file_and_in_a_question() -> None:
    known = gazetteer()
    names = known.names()
    for row in range(0, len(names), 97):
        assert plain(known.commune(row).name) == names[row]
