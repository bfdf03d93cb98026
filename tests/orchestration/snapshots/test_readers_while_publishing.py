"""Readers open `data/warehouse.duckdb` all the time while runs publish: no error, no mixed state."""

import json
import subprocess
import sys
import textwrap

import duckdb

from orchestration.snapshots.publish import publish_build
from orchestration.snapshots.snapshots import kept_snapshots

# Opens the pointer, finds out which file it really got, and counts against that snapshot's manifest.
READER = textwrap.dedent("""
    import json, os, sys
    from pathlib import Path
    import duckdb

    pointer, stop = Path(sys.argv[1]), Path(sys.argv[2])
    seen, reads = set(), 0
    while not stop.exists() or reads == 0:
        with duckdb.connect(str(pointer), read_only=True) as connection:
            files = (os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
                     if os.path.exists(f"/proc/self/fd/{fd}"))
            [file] = {file for file in files if file.endswith("warehouse.duckdb")}
            manifest = json.loads(Path(file).with_name("manifest.json").read_text())
            for table, rows in manifest["row_counts"].items():
                found = connection.execute(f"select count(*) from {table}").fetchone()[0]
                assert found == rows, (manifest["id"], table, found, rows)
        seen.add(manifest["id"])
        reads += 1
        if reads == 1:
            print("reading", flush=True)
    print(json.dumps({"reads": reads, "seen": sorted(seen)}))
""")


def test_two_processes_read_without_error_or_mixed_state_while_ten_runs_publish(published, tmp_path):
    stop = tmp_path / "stop"
    command = [sys.executable, "-c", READER, str(published.published), str(stop)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    readers = [subprocess.Popen(command, **pipes) for _ in range(2)]
    try:
        for reader in readers:
            assert reader.stdout.readline() == "reading\n"
        for number in range(10):
            with duckdb.connect(str(published.build_file)) as connection:
                connection.execute("create table if not exists marts.publications (number integer)")
                connection.execute("insert into marts.publications select ? from range(1000)", [number])
                connection.execute("delete from marts.latest_observations where rowid = 0")
            publish_build(published, keep=24)
    finally:
        stop.touch()
        answers = [reader.communicate(timeout=60) for reader in readers]
    assert [error for _, error in answers] == ["", ""]
    newest = kept_snapshots(published)[-1]
    assert newest.sequence == 11
    for said, _ in answers:
        answer = json.loads(said)
        assert answer["reads"] >= 3
        assert len(answer["seen"]) >= 2
        assert set(answer["seen"]) <= {manifest.id for manifest in kept_snapshots(published)}
