"""Hosts as network namespaces: each its own address and cable, which can be cut. They need root and Linux."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import pytest


class Place:
    """Where a server runs: on this machine as it is."""

    address = "127.0.0.1"
    network = "127.0.0.1/32"

    def command(self, command: Sequence[Any], user: str | None = None) -> list[Any]:
        """Give the command that runs there, as another user where root must not."""
        return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *command] if user else [*command]


class Namespace(Place):
    """A network of its own behind one cable: a pair of veth, whose other end is in the bridge."""

    def __init__(self, name: str, cable: str, address: str, network: str) -> None:
        self.name, self.address, self.network = name, address, network
        self._cable = cable

    def command(self, command: Sequence[Any], user: str | None = None) -> list[Any]:
        # It replaces itself by the command, so the process started is the server itself.
        return ["nsenter", f"--net=/run/netns/{self.name}", *super().command(command, user)]

    def cut(self) -> None:
        """Unplug the cable: packets are lost without a word, as nobody is left to refuse them."""
        _ip("link", "set", self._cable, "down")

    def plug(self) -> None:
        _ip("link", "set", self._cable, "up")


class Network:
    """A bridge, and the hosts in it. This process is the world outside, at `gateway`."""

    _letters = iter(ascii_lowercase)

    def __init__(self) -> None:
        number = os.getpid() % 250 + 1  # two of them at once must not share addresses
        # An interface's name has 15 characters at most. The kernel deletes those of a network before only by and by.
        self._name = f"g{os.getpid()}{next(self._letters)}"
        self._prefix = f"10.77.{number}"
        self.gateway = f"{self._prefix}.1"
        self._made: list[tuple[str, ...]] = []

    def build(self) -> None:
        bridge = f"{self._name}br"
        _ip("link", "add", bridge, "type", "bridge", "forward_delay", "0")
        self._made.append(("link", "delete", bridge))
        _ip("address", "add", f"{self.gateway}/24", "dev", bridge)
        _ip("link", "set", bridge, "up")

    def host(self, label: str) -> Namespace:
        number = len(self._made) + 10
        name, cable, inside = f"{self._name}-{label}", f"{self._name}h{number}", f"{self._name}i{number}"
        address = f"{self._prefix}.{number}"
        _ip("netns", "add", name)
        self._made.append(("netns", "delete", name))  # its end of the cable goes with it, and so does the other
        _ip("link", "add", cable, "type", "veth", "peer", "name", inside, "netns", name)
        _ip("link", "set", cable, "master", f"{self._name}br", "up")
        for change in (
            ("link", "set", "lo", "up"),
            ("address", "add", f"{address}/24", "dev", inside),
            ("link", "set", inside, "up"),
            ("route", "add", "default", "via", self.gateway),
        ):
            _ip("-n", name, *change)
        return Namespace(name, cable, address, f"{self._prefix}.0/24")

    def remove(self) -> None:
        """Delete what was made, and nothing else, however far it came."""
        for what in reversed(self._made):
            _remove(*what)


def _remove(*what: str) -> None:
    if what[0] == "netns":  # one with a process in it would live on without a name
        pids = subprocess.run(["ip", "netns", "pids", what[-1]], check=False, capture_output=True, text=True).stdout
        for pid in pids.split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
    subprocess.run(["ip", *what], check=False, capture_output=True)


def _remove_left_behind() -> None:
    """Delete what tests left that were killed: their process's number is in the names, and it is gone."""
    for folder, pattern, kind in (
        ("/run/netns", r"g(\d+)[a-z]-.+", "netns"),
        ("/sys/class/net", r"g(\d+)[a-z]br", "link"),
    ):
        for found in Path(folder).glob("g*"):
            made_by = re.fullmatch(pattern, found.name)
            if made_by and not Path(f"/proc/{made_by[1]}").exists():
                _remove(kind, "delete", found.name)


@contextmanager
def network() -> Iterator[Network]:
    """Build a network; the test is skipped where that is not allowed."""
    for needed in ("ip", "nsenter", "setpriv"):
        if shutil.which(needed) is None:
            pytest.skip(f"no network namespaces: {needed} is not installed (iproute2, util-linux)")
    _remove_left_behind()
    made = Network()
    try:
        try:
            made.build()
            made.host("try")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespaces here: {error.stderr.strip()}")
        yield made
    finally:
        made.remove()


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
