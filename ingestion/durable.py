"""Files and folders that survive a power cut: content first, then the name, then the folder that holds the name."""

import os
from pathlib import Path

PARTIAL = ".partial"  # ends the name of a file that is still being written


def write_durably(path: Path, content: bytes) -> None:
    """Write a file: under its name it is always complete, even after a power cut."""
    partial = path.with_name(path.name + PARTIAL)
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync(path.parent)


def make_directory(path: Path) -> None:
    """Make a folder, and those above it that are missing, each by a name that lasts."""
    if path.is_dir():
        return
    make_directory(path.parent)
    path.mkdir(exist_ok=True)
    sync(path.parent)


def sync(path: Path) -> None:
    """Make what was written to a file, or created or renamed inside a folder, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
