"""docs/conformance.md: every behaviour has a test that exists, or the reason why it has none."""

from __future__ import annotations

import re
from functools import cache

import pytest

from tests.house.source_tree import ROOT

PAGE = (ROOT / "docs" / "conformance.md").read_text()
TEST = re.compile(r"(tests/[\w/]+\.py)::(\w+)")
ROW = re.compile(r"^\| (?!what |---)(.+?) \| (.*) \|$", re.M)
LATER = {"with DTLS", "bootstrap"}
PROVED, _, NOT_YET = PAGE.partition("\n## Not yet\n")
ROWS = ROW.findall(PROVED)


@cache
def named_in(file: str) -> frozenset[str]:
    """The tests that a file of ours has; none when there is no such file."""
    path = ROOT / file
    text = path.read_text() if path.is_file() else ""
    return frozenset(re.findall(r"^(?:async )?def (test_\w+)\(", text, re.M))


@pytest.mark.parametrize("named", sorted(set(TEST.findall(PAGE))), ids="::".join)
def test_a_named_test_exists(named: tuple[str, str]) -> None:
    file, test = named
    assert test in named_in(file)


def test_nothing_that_looks_like_a_test_is_overlooked() -> None:
    assert len(re.findall(r"\btest_\w+", PAGE.replace(".py", ""))) == 2 * len(TEST.findall(PAGE))


def test_every_behaviour_is_there_once() -> None:
    assert len(ROWS) > 100
    told = [what for what, _ in ROWS]
    assert sorted(set(told)) == sorted(told)


@pytest.mark.parametrize(("what", "where"), ROWS, ids=[what[:60] for what, _ in ROWS])
def test_a_behaviour_has_a_test_or_a_reason(what: str, where: str) -> None:
    reason = re.match(r"different: (\w.{10,}[.:])", where)
    assert TEST.search(where) or reason or where in LATER
    assert reason or "different" not in where


def test_what_does_not_hold_says_why() -> None:
    for what, why in ROW.findall(NOT_YET):
        assert len(why) > 20, what
