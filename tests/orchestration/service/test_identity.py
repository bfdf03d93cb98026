"""Whose runs a service may end: its own of before, never those of a copy, a clone or a neighbour."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ingestion.paths import DataPaths
from orchestration.service import identity
from orchestration.service.identity import forget_former, read_or_make

LEGACY = "girouette-host-0123abcd"


@pytest.fixture(autouse=True)
def boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the test decide which boot of which machine this is."""
    file = tmp_path / "boot_id"
    file.write_text("first boot\n")
    monkeypatch.setattr(identity, "_BOOT", file)
    return file


@pytest.fixture
def folder(tmp_path: Path) -> DataPaths:
    (tmp_path / "data").mkdir()
    return DataPaths(tmp_path / "data")


def test_a_service_that_starts_again_is_the_same(folder):
    first = read_or_make(folder, LEGACY)
    assert first.is_new
    assert read_or_make(folder, LEGACY) == replace(first, is_new=False)
    assert first.former == (LEGACY,)  # what it was called before it had an id


def test_two_services_with_the_same_host_name_and_path_are_two(folder, tmp_path):
    first = read_or_make(folder, LEGACY)
    shutil.rmtree(folder.root)  # as on another host: the same path, no data yet
    folder.root.mkdir()
    assert read_or_make(folder, LEGACY).name != first.name


def test_a_copied_folder_is_another_service(folder, tmp_path):
    first = read_or_make(folder, LEGACY)
    shutil.copytree(folder.root, tmp_path / "copy")
    copy = read_or_make(DataPaths(tmp_path / "copy"), LEGACY)
    assert copy.name != first.name
    assert (copy.former, copy.is_new) == ((), True)
    assert read_or_make(folder, LEGACY).name == first.name


def test_another_boot_may_be_a_clone_so_the_former_name_is_only_a_guess(folder, boot):
    first = forget_former(folder, read_or_make(folder, LEGACY), [LEGACY])
    boot.write_text("a clone's boot, or the machine's next")
    second = read_or_make(folder, LEGACY)
    assert second.name != first.name
    assert second.former == (first.name,)
    assert read_or_make(folder, LEGACY) == replace(second, is_new=False)
    assert forget_former(folder, second, [first.name]).former == ()


def test_a_damaged_identity_is_made_again(folder):
    first = read_or_make(folder, LEGACY)
    (folder.root / "service" / "identity.json").write_text("{")
    assert read_or_make(folder, LEGACY).name != first.name
