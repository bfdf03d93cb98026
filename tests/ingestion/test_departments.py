import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.departments import all_departments, department_of_station, resolve, resolve_all
from ingestion.errors import UnknownDepartment


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("9", "9"),
        ("09", "9"),
        (" 09 ", "9"),
        ("Ariège", "9"),
        ("ariege", "9"),
        ("ARIEGE", "9"),
        ("2A", "20"),
        ("2b", "20"),
        ("20", "20"),
        ("corse", "20"),
        ("Corse-du-Sud", "20"),
        ("Haute-Corse", "20"),
        ("Val d Oise", "95"),
        ("cote d'or", "21"),
        ("Côte-d’Or", "21"),
        ("Seine-St-Denis", "93"),
        ("971", "971"),
        ("976", "985"),
        ("Mayotte", "985"),
        ("La Réunion", "974"),
        ("reunion", "974"),
        ("Loire", "42"),
        ("Polynésie française", "987"),
    ],
)
def test_a_department_is_understood_the_way_people_write_it(text, code):
    assert resolve(text).code == code


def test_every_department_is_found_by_its_code_its_station_prefix_and_its_name():
    for department in all_departments():
        assert resolve(department.code) is department
        assert resolve(department.station_prefix) is department
        assert resolve(department.name.upper()) is department


def test_there_are_95_codes_of_the_mainland_and_corsica_and_ten_overseas():
    codes = [department.code for department in all_departments()]
    mainland = [str(code) for code in range(1, 96)]
    assert codes == [*mainland, *map(str, (*range(971, 976), *range(984, 989)))]
    assert all(department.name and department.region for department in all_departments())


@pytest.mark.parametrize("text", ["009", "020", "96", "99", "0", "-9", "9.0", "", "Narnia", "9 31", "\x00", "🌦"])
def test_what_is_no_department_or_is_ambiguous_is_refused(text):
    with pytest.raises(UnknownDepartment) as refused:
        resolve(text)
    assert "\n" not in str(refused.value)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("Arriège", "9 (Ariège)"),
        ("garonne", "31 (Haute-Garonne)"),
        ("009", "9 (Ariège)"),
        ("97", "971 (Guadeloupe)"),
    ],
)
def test_a_refusal_names_the_nearest_departments(text, suggestion):
    with pytest.raises(UnknownDepartment) as refused:
        resolve(text)
    assert suggestion in refused.value.suggestions
    assert suggestion in str(refused.value)


def test_a_region_is_refused_with_its_departments():
    with pytest.raises(UnknownDepartment, match="is a region") as refused:
        resolve("bretagne")
    names = ("22 (Côtes-d'Armor)", "29 (Finistère)", "35 (Ille-et-Vilaine)", "56 (Morbihan)")
    assert refused.value.suggestions == names


def test_a_list_keeps_its_order_and_merges_duplicates():
    found = resolve_all(["31, 9", "ariège", "2A,2B,,"])
    assert [department.code for department in found] == ["31", "9", "20"]


def test_all_means_every_department():
    assert resolve_all(["all"]) == resolve_all([" ALL "]) == all_departments()


def test_one_wrong_name_refuses_the_whole_list():
    with pytest.raises(UnknownDepartment, match="Atlantide"):
        resolve_all(["9,Atlantide"])


@pytest.mark.parametrize(
    ("station_id", "code"),
    [("09289001", "9"), ("20004002", "20"), ("97101015", "971"), ("98511001", "985"), (" 75114001 ", "75")],
)
def test_a_station_belongs_to_the_department_its_id_begins_with(station_id, code):
    assert department_of_station(station_id) == code


@pytest.mark.parametrize("station_id", ["9289001", "00000001", "96000001", "", "0928900A", "092890012"])
def test_a_station_of_no_department_is_refused(station_id):
    with pytest.raises(UnknownDepartment):
        department_of_station(station_id)


@given(st.text(max_size=40))
def test_any_text_is_a_department_or_a_refusal_on_one_line(text):
    try:
        department = resolve(text)
    except UnknownDepartment as refused:
        message = str(refused)
    else:
        assert department in all_departments()
        return
    assert message.isprintable()


@pytest.mark.parametrize("texts", [[""], [","], [" "], ["", ","]])
def test_texts_that_name_no_departement_are_no_empty_list(texts: list[str]):
    with pytest.raises(UnknownDepartment, match="give a code such as 9"):
        resolve_all(texts)
    assert resolve_all([]) == ()
