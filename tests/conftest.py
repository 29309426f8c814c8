"""What concerns every test: hypothesis repeats itself, long files are named at the end of a run."""

from __future__ import annotations

import hypothesis
import pytest

from tests.house.source_tree import LONG_FILES, LONG_LINES

# The same examples in every run: a change fails by its own fault only. New ones are fuzzing's job.
hypothesis.settings.register_profile("house", derandomize=True, deadline=None)
hypothesis.settings.load_profile("house")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """A smell, not a failure: the house aims at 150 to 250 lines."""
    for file, size in sorted(config.stash.get(LONG_FILES, {}).items()):
        terminalreporter.write_line(f"long: {file} has {size} lines, more than {LONG_LINES}")
