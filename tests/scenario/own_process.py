"""A scene in a process of its own, for what once ended in a crash."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def play_apart(source: str) -> None:
    """Run Python source that finds `scripted` and the package; it has to end well in a minute."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\nsys.path.insert(0, {str(HERE)!r})\n{source}"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=HERE.parent.parent,
    )
    assert done.returncode == 0, done.stderr[-2000:]
