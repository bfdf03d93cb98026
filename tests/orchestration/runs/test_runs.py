import asyncio
import errno
import json
import os
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.schemas.objects import FlowRun

from ingestion import storage
from ingestion.departments import all_departments, resolve_all
from ingestion.errors import StorageFailed
from ingestion.paths import DataPaths
from orchestration.errors import BadSchedule, NoDepartments, NoRoom, QueueFull, ServerNotReady
from orchestration.progress import discard_old_records, note, read_records, record_file
from orchestration.runs.deployment import check_cron
from orchestration.runs.parameters import as_parameter, as_tags, as_texts
from orchestration.runs.runs import MOST_WAITING, WAITING, Runs, Ticket

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
    note(paths, RUN, "node")
    note(paths, "new", "node")
    os.utime(record_file(paths, RUN), (0, 0))
    discard_old_records(paths)
    assert [file.stem for file in paths.run_records.iterdir()] == ["new"]


class QueueOfPrefect(Runs):
    """Runs that wait, given page by page as Prefect does; nothing else answers."""

    def __init__(self, paths: DataPaths, waiting: int) -> None:
        super().__init__("http://127.0.0.1:9/api", paths, lambda: None)
        self.waiting = [
            FlowRun(id=uuid4(), flow_id=uuid4(), parameters={"dept": str(number % 2 + 1), "full": False})
            for number in range(waiting)
        ]

    async def find(self, *, limit: int = 50, offset: int = 0, **_: Any) -> list[FlowRun]:
        return self.waiting[offset : offset + min(limit, 200)]

    async def _known_deployment(self, client: Any) -> UUID:
        return uuid4()


def test_an_equal_run_is_found_behind_the_first_page(paths: DataPaths):
    runs = QueueOfPrefect(paths, 450)
    runs.waiting[449] = FlowRun(id=uuid4(), flow_id=uuid4(), parameters={"dept": "9", "full": False})

    async def ask() -> tuple[Ticket, int]:
        return await runs.trigger(resolve_all(["9"])), len(await runs.find_all(states=WAITING))

    ticket, counted = asyncio.run(ask())
    assert (ticket.run.id, ticket.is_coalesced, counted) == (runs.waiting[449].id, True, 450)


def test_runs_with_parameters_nobody_can_read_keep_no_wish_from_being_fulfilled(paths: DataPaths):
    runs = QueueOfPrefect(paths, 3)
    for run, dept in zip(runs.waiting, ("Atlantis", [], "9"), strict=True):
        run.parameters = {"dept": dept, "full": False}
    assert asyncio.run(runs.trigger(resolve_all(["9"]))).run.id == runs.waiting[2].id
    with pytest.raises(NoDepartments, match="PATCH /schedule"):
        asyncio.run(runs.trigger([]))


def test_no_run_is_queued_behind_too_many(paths: DataPaths):
    with pytest.raises(QueueFull, match=f"{MOST_WAITING} runs are waiting"):
        asyncio.run(QueueOfPrefect(paths, MOST_WAITING).trigger(resolve_all(["9"])))


def test_a_full_disk_is_named_where_prefect_fails(paths: DataPaths, monkeypatch: pytest.MonkeyPatch):
    paths.root.mkdir(parents=True, exist_ok=True)
    runs = Runs("http://127.0.0.1:9/api", paths, lambda: None)
    with pytest.raises(ServerNotReady):
        asyncio.run(runs.schedule())

    def full(**_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(storage, "TemporaryFile", full)
    with pytest.raises(NoRoom, match="No space left"):
        asyncio.run(runs.schedule())
    for change in (runs.trigger(resolve_all(["9"])), runs.change_schedule(is_active=False)):
        with pytest.raises(StorageFailed, match="No space left"):  # before Prefect is asked
            asyncio.run(change)
