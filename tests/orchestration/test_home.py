"""A user without a home: systemd's, or a number that a container was given."""

import os
import pwd
from pathlib import Path

import pytest

from orchestration.settings import export_prefect_settings


@pytest.fixture(autouse=True)
def _taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set, so that the end of the test takes back what is exported."""
    for name in ("NO_PROXY", "no_proxy", "PREFECT_API_SSL_CERT_FILE", "DO_NOT_TRACK"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("HOME", os.environ.get("HOME", ""))


def test_a_user_without_an_entry_and_a_home_lives_in_the_data_folder(data_dir: Path, monkeypatch: pytest.MonkeyPatch):
    def has_no_entry(_: int) -> None:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", has_no_entry)
    monkeypatch.delenv("HOME")
    with pytest.raises(RuntimeError):
        Path.home()
    export_prefect_settings()
    assert Path.home() == data_dir


def test_a_home_that_is_not_there_is_replaced_and_one_that_is_stays(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    export_prefect_settings()
    assert Path.home() == tmp_path
    monkeypatch.setenv("HOME", "/nonexistent")
    export_prefect_settings()
    assert Path.home() == data_dir


def test_a_data_folder_that_may_not_be_entered_ends_in_one_line(data_dir: Path, monkeypatch: pytest.MonkeyPatch):
    stat = Path.stat

    def refuse(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if path == data_dir:
            raise PermissionError(13, "Permission denied")
        return stat(path, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(SystemExit, match=rf"^error: {data_dir} cannot be used \(Permission denied\): let the user"):
        export_prefect_settings()
