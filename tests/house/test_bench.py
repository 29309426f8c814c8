"""The bench's C programs compile without a warning, and its arithmetic cannot flatter.

No load is run here: figures are the business of `python -m bench`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

# bench/ is not installed, so the repository has to be on the path whoever starts pytest.
sys.path.insert(0, str(Path(__file__).parents[2]))

from bench import programs, report, rig
from bench.report import Finding, Goal

RESULT = {
    "sent": 100,
    "answers": 100,
    "bad": 0,
    "lost": 0,
    "failed": 0,
    "seconds": 2.5,
    "server_us": 2.0,
    "server_busy": 0.9,
    "server_waited": 0.0,
    "kernel_drops": 0,
    "client_busy": 0.8,
    "core_steal": 0.0,
    "codes": {"2.04": 100},
}


@pytest.mark.skipif(programs.compiler() is None, reason="no C compiler")
@pytest.mark.parametrize("name", programs.PROGRAMS)
def test_a_program_compiles_without_a_warning(name: str, tmp_path: Path) -> None:
    assert {"-Wall", "-Wextra", "-Werror"} <= set(programs.FLAGS)
    assert programs.build(name, tmp_path).stat().st_mode & 0o100


@pytest.mark.skipif(programs.compiler() is None, reason="no C compiler")
def test_a_program_that_is_up_to_date_is_not_compiled_again(tmp_path: Path) -> None:
    before = programs.build("echo", tmp_path).stat().st_mtime_ns
    assert programs.build("echo", tmp_path).stat().st_mtime_ns == before


def test_every_c_file_belongs_to_a_program() -> None:
    named = {source for sources in programs.PROGRAMS.values() for source in sources}
    assert named == {path.name for path in programs.SOURCE_DIR.glob("*.c")}


def test_the_last_line_of_a_load_is_its_result() -> None:
    assert rig.parse_result("a word of warning\n" + json.dumps(RESULT) + "\n") == RESULT


@pytest.mark.parametrize(
    "output, why",
    [
        ("", "no result"),
        ("not json", "no result"),
        ("[1]", "no result"),
        ('{"rate": -nan}', "no result"),
        ('{"error": "7 of 9 devices registered"}', "7 of 9"),
    ],
)
def test_an_output_without_a_result_is_refused(output: str, why: str) -> None:
    with pytest.raises(rig.LoadFailed, match=why):
        rig.parse_result(output)


def test_errors_do_not_pass_for_speed() -> None:
    at_limit = {**RESULT, "answers": 99, "bad": 1}
    assert rig.check(at_limit) == at_limit
    with pytest.raises(rig.LoadFailed, match="2 of 100 answers were bad"):
        rig.check({**RESULT, "answers": 98, "bad": 2})


def test_a_load_that_nobody_answered_has_no_result() -> None:
    with pytest.raises(rig.LoadFailed, match="0 of 100"):
        rig.check({**RESULT, "answers": 0, "codes": {}})


def test_a_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    samples = {
        "ceiling": [{"server_us": 2.0}, {"server_us": 4.0}, {"server_us": 3.0}],
        "ours": [{"server_us": 4.0}, {"server_us": 5.0}, {"server_us": 3.0}],
    }
    assert rig.ratio(samples, "ceiling", "ours") == rig.Spread(0.8, 0.5, 1.0)


@pytest.mark.parametrize("below", ["never run", "idle"])
def test_a_ratio_over_nothing_is_none(below: str) -> None:
    samples = {"ceiling": [{"server_us": 2.0}], "idle": [{"server_us": 0.0}]}
    assert rig.ratio(samples, "ceiling", below) is None


def test_a_busy_client_is_noted_one_past_the_limit_only_in_the_closed_loop() -> None:
    assert rig.notes({**RESULT, "client_busy": 0.95}) == []
    busy = {**RESULT, "client_busy": 0.951}
    assert "compare cost, not rate" in rig.notes(busy)[0]
    assert rig.notes({**busy, "is_open_loop": True}) == []


def test_a_server_that_waits_for_its_core_is_noted_one_past_the_limit() -> None:
    assert rig.notes({**RESULT, "server_waited": 0.05}) == []
    waited = {**RESULT, "server_waited": 0.06}
    assert rig.notes(waited) == ["the server waited 6.0% of the time for its core"]


def test_loss_is_noted_with_the_kernels_own_count() -> None:
    lossy = {**RESULT, "lost": 9, "kernel_drops": 7}
    assert rig.notes(lossy) == ["9 lost", "7 dropped at the server's full buffer"]


@pytest.mark.parametrize(
    "goal, value, verdict",
    [
        (Goal(0.30, 0.40), 0.40, "stretch"),
        (Goal(0.30, 0.40), 0.39, "met"),
        (Goal(0.30, 0.40), 0.30, "met"),
        (Goal(0.30, 0.40), 0.27, "missed by 10%"),
        (Goal(10.0, 2.0, is_limit=True), 2.0, "stretch"),
        (Goal(10.0, 2.0, is_limit=True), 10.0, "met"),
        (Goal(10.0, 2.0, is_limit=True), 11.0, "missed by 10%"),
        (Goal(0, is_limit=True), 0, "met"),
        (Goal(0, is_limit=True), 1, "missed"),
    ],
)
def test_a_goal_is_judged_at_its_bound_and_past_it(goal: Goal, value: float, verdict: str) -> None:
    assert goal.judge(value) == verdict


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    assert Finding("figure", None, Goal(1)).verdict == "not measured"


def test_a_missing_case_says_why_its_ratio_is_missing() -> None:
    found = report.ratio_finding("x", "a", "b", {}, {"b": "not installed"}, Goal(1))
    assert (found.value, found.why) == (None, "not installed")


def test_the_micro_benchmarks_run() -> None:
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--benchmark-disable"]
    done = subprocess.run(
        [*words, "bench/micro"], cwd=Path(__file__).parents[2], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-2000:]
