"""What concerns every test: hypothesis repeats itself, long files are named at the end of a run.

And the stores: `store` is each back end in turn, `memory` the one that forgets.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from lwm2m_fast.store import BACK_ENDS, Store, open_store
from tests.house.source_tree import LONG_LINES, long_files
from tests.store.store_kit import Config

# The same examples in every run: a change fails by its own fault only. New ones are fuzzing's job.
hypothesis.settings.register_profile("house", derandomize=True, deadline=None)
hypothesis.settings.load_profile("house")


@pytest.fixture(params=sorted(BACK_ENDS))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened = open_store(request.param, str(tmp_path), Config())
    yield opened
    opened.close()


@pytest.fixture
def memory() -> Store:
    return open_store("memory", "", Config())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A smell, not a failure: the house aims at 150 to 250 lines."""
    passed = terminalreporter.stats.get("passed", ())
    if any(report.nodeid.startswith("tests/house/test_layout.py") for report in passed):
        for file, size in sorted(long_files().items()):
            terminalreporter.write_line(f"long: {file} has {size} lines, more than {LONG_LINES}")
