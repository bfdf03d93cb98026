"""`python -m orchestration`: what is asked wrongly is one line, and changes nothing."""

import errno

import pyarrow as pa
import pytest

from orchestration.__main__ import main


@pytest.fixture
def refused(capsys):
    """Run a step that must fail; give its exit code and its one line."""

    def run(*arguments):
        try:
            code = main(list(arguments))
        except SystemExit as ended:  # argparse
            code = ended.code
        lines = capsys.readouterr().err.splitlines()
        assert "error: " in lines[-1]
        assert code == 2 or len(lines) == 1
        return code, lines[-1].partition("error: ")[2]

    return run


@pytest.mark.parametrize("step", ["build", "docs", "freshness", "rebuild"])
def test_without_data_a_step_says_so_and_makes_nothing(refused, paths, step):
    code, said = refused(step)
    assert (code, said[: said.index(",")]) == (1, f"{paths.root} holds no data yet")
    assert not paths.build_file.exists()
    assert not paths.published.is_symlink()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["publish", "--from", "x"], "publish takes no --from; it goes with restore"),
        (["build", "--snapshot", "x"], "build takes no --snapshot; it goes with rollback"),
        (["rollback", "--to", "x"], "rollback takes no --to; it goes with backup"),
        (["backup", "--force"], "backup takes no --force; it goes with restore and publish and rebuild"),
        (["restore"], "restore needs --from FILE (make restore FROM=…)"),
    ],
)
def test_an_option_of_another_step_is_refused(refused, paths, arguments, said):
    assert refused(*arguments) == (2, said)
    assert not paths.root.exists() or list(paths.root.iterdir()) == []


def test_a_long_name_of_a_snapshot_is_shown_cut(refused, paths):
    code, said = refused("rollback", "--snapshot", "x" * 5_000)
    assert code == 1
    assert len(said) < 200


def test_a_backup_that_is_none_is_named_without_the_systems_codes(refused, paths, tmp_path):
    for file, why in ((tmp_path / "gone", "No such file or directory"), (tmp_path, "Is a directory")):
        code, said = refused("restore", "--from", str(file))
        assert code == 1
        assert said.startswith(f"{file} is not a complete backup ({why}): nothing was touched")
    nobodys = tmp_path / "list.tar.zst"
    with pa.CompressedOutputStream(str(nobodys), "zstd") as stream:
        stream.write(b"no archive")
    assert "is not a complete backup" in refused("restore", "--from", str(nobodys))[1]


def test_where_no_backup_can_be_written_the_place_is_named(published, refused, tmp_path, monkeypatch):
    taken = tmp_path / "taken"
    taken.write_text("a file")
    code, said = refused("backup", "--to", str(taken))
    assert code == 1
    assert said.startswith(f"no backup can be written to {taken} (File exists), and the data is as before: ")

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("orchestration.backup.sync", full)
    folder = tmp_path / "full"
    assert (
        f"no backup can be written to {folder} (No space left on device)" in refused("backup", "--to", str(folder))[1]
    )
    assert list(folder.iterdir()) == []
