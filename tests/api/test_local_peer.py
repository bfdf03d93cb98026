"""Whose connection it is, asked of the system over real sockets."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from api.local_peer import belongs_to_us, is_loopback

pytestmark = pytest.mark.skipif(not Path("/proc/net/tcp6").exists(), reason="the system tells no owner")

CONNECT = (
    "import os, socket, sys; os.setuid(65534); s = socket.socket(); "
    "s.connect((sys.argv[1], int(sys.argv[2]))); s.recv(1)"
)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_program_of_this_user_is_ours_until_it_hangs_up(host: str):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as server:
        program = socket.create_connection(server.getsockname()[:2])
        accepted, client = server.accept()
        with accepted:
            ours = (client[:2], accepted.getsockname()[:2])
            assert belongs_to_us(*ours)
            assert not belongs_to_us((host, client[1] ^ 1), ours[1])
            program.close()  # a closed socket has no owner, and the system shows root in its place
            assert not belongs_to_us(*ours)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can start a program of another user")
def test_a_program_of_another_user_is_not_ours():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        command = [sys.executable, "-c", CONNECT, "127.0.0.1", str(port)]
        with subprocess.Popen(command) as other:
            server.settimeout(30)
            accepted, client = server.accept()
            assert belongs_to_us(client, accepted.getsockname()) is False
            accepted.close()
            other.wait(30)


@pytest.mark.parametrize(
    ("host", "is_local"), [("127.0.0.1", True), ("127.8.8.8", True), ("::ffff:127.0.0.1", True), ("10.0.0.1", False)]
)
def test_loopback_is_told_from_the_network(host: str, is_local: bool):
    assert is_loopback(host) is is_local
    assert not is_loopback("somewhere")
