"""What the machine lets a test do: IPv6 on loopback, a disk that is soon full."""

from __future__ import annotations

import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@contextmanager
def disk_of(megabytes: int) -> Iterator[Path]:
    """A file system of its own; skips the test where nobody may mount one."""
    # Not below tmp_path: pytest cannot remove a mount point that a failed test left busy.
    path = Path(tempfile.mkdtemp(prefix="lwm2m-fast-disk-"))
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(path)]
    if subprocess.run(command, capture_output=True).returncode != 0:
        path.rmdir()
        pytest.skip("mounting a tmpfs needs root: the RLIMIT_FSIZE test stands in")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)
    path.rmdir()
