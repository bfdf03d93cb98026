import asyncio
import json

import pytest

from ingestion.departments import all_departments, resolve_all
from ingestion.paths import DataPaths
from orchestration.errors import BadSchedule
from orchestration.progress import discard_old_records, note, read_records, record_file
from orchestration.runs.deployment import check_cron
from orchestration.runs.parameters import as_parameter, as_tags, as_texts

RUN = "0192f0c1-8d1e-7a55-9a39-5b1f6f0e2c11"


@pytest.mark.parametrize(
    ("asked", "parameter", "tags"),
    [
        (["09"], "9", ["dept:9"]),
        (["Ariège", "2A"], ["9", "20"], ["dept:9", "dept:20"]),
        (["all"], "all", ["dept:all"]),
    ],
)
def test_a_wish_becomes_one_parameter_and_is_found_by_its_tags(asked: list[str], parameter: object, tags: list[str]):
    departments = resolve_all(asked)
    assert as_parameter(departments) == parameter
    assert as_tags(departments) == tags
    assert resolve_all(as_texts(as_parameter(departments))) == departments


def test_all_departements_are_one_word():
    assert as_parameter(all_departments()) == "all"


@pytest.mark.parametrize("cron", ["", "* * * *", "61 * * * *", "0 0 30 2 *", "every hour", "* * * * * * * *"])
def test_a_cron_that_cannot_be_is_refused_with_an_example(cron: str):
    with pytest.raises(BadSchedule, match=r"write five fields, e\.g\. `12 \* \* \* \*`"):
        asyncio.run(check_cron(cron))


@pytest.mark.parametrize("cron", ["12 * * * *", "0 0 */2 * 1", "@hourly", "0 0 29 2 *"])
def test_a_cron_that_prefect_can_run_is_accepted(cron: str):
    asyncio.run(check_cron(cron))


def test_a_schedule_of_seconds_is_refused_with_the_reason():
    with pytest.raises(BadSchedule, match="sixth field means seconds"):
        asyncio.run(check_cron("0 0 * * * *"))


def test_progress_is_read_on_from_where_one_was(paths: DataPaths):
    for number in range(3):
        note(paths, RUN, "node", name=f"modèle {number}")
    assert [record["name"] for record in read_records(paths, RUN)] == ["modèle 0", "modèle 1", "modèle 2"]
    assert [record["name"] for record in read_records(paths, RUN, skip=2)] == ["modèle 2"]


def test_half_a_record_is_not_read_before_its_end_came(paths: DataPaths):
    note(paths, RUN, "dbt", nodes=3)
    with record_file(paths, RUN).open("ab") as file:
        file.write(json.dumps({"kind": "node"}).encode()[:7])
    assert len(read_records(paths, RUN)) == 1


def test_a_run_without_an_id_or_a_file_has_no_records(paths: DataPaths):
    note(paths, None, "node")
    assert read_records(paths, RUN) == []
    assert not paths.run_records.exists()


def test_records_of_long_ago_are_discarded(paths: DataPaths):
    import os

    note(paths, RUN, "node")
    note(paths, "new", "node")
    os.utime(record_file(paths, RUN), (0, 0))
    discard_old_records(paths)
    assert [file.stem for file in paths.run_records.iterdir()] == ["new"]
