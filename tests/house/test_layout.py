"""Sizes, words and forms that the house has agreed on; tools do not look at these."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house.source_tree import CODE as SUFFIXES
from tests.house.source_tree import PACKAGE, files, long_files, name, sources

MOST_LINES = 800
MOST_ELIF = 5
CODE = sources(*SUFFIXES)
NAMES = re.compile(
    r"^\s*(?:cdef |cpdef |async )*(?:class|def|enum|struct) ?[\w *]*?(\w+)\s*[(:]", re.M
)
BANNED_IN_NAMES = re.compile(r"manager|helper|util", re.I)
# The brackets keep this file from finding itself.
PROMISES = re.compile(r"\b(?:[T]ODO|[F]IXME|X{3})\b")
MACHINE = re.compile(r"(?<![\w.])/(?:home|root|Users|work|mnt)/\w+")
SECRETS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_\w{30,}|\bxox[bap]-\w{10,}"
    r"|(?i:password|passwd|secret|api_?key|psk|token)\w*\s*[:=]\s*[\"'][A-Za-z0-9+/_=-]{24,}[\"']"
)


def test_no_file_is_too_long() -> None:
    assert not {file: size for file, size in long_files().items() if size > MOST_LINES}


def test_no_two_test_files_have_one_name() -> None:
    """pytest imports them by it."""
    names = [path.name for path in sources(".py", under="tests/") if path.name.startswith("test_")]
    assert not {each for each in names if names.count(each) > 1}


@pytest.mark.parametrize("path", CODE, ids=name)
def test_names_say_what_a_thing_is(path: Path) -> None:
    found = [*NAMES.findall(path.read_text()), path.stem]
    assert not [word for word in found if BANNED_IN_NAMES.search(word)]


@pytest.mark.parametrize("path", files(), ids=name)
def test_no_promise_without_an_owner_no_machine_and_no_secret(path: Path) -> None:
    text = path.read_text()
    assert not PROMISES.findall(text)
    assert not MACHINE.findall(text)
    assert not [match[0][:30] for match in SECRETS.finditer(text)]


def longest_elif_chain(text: str) -> int:
    """The most `elif` behind one `if`."""
    counts: dict[int, int] = {}
    longest = 0
    for line in text.splitlines():
        word = line.strip()
        indent = len(line) - len(line.lstrip())
        if word.startswith("if "):
            counts[indent] = 0
        elif word.startswith("elif "):
            counts[indent] = counts.get(indent, 0) + 1
            longest = max(longest, counts[indent])
    return longest


@pytest.mark.parametrize("path", sources(".py", ".pyx", ".pxd"), ids=name)
def test_a_long_choice_is_a_table(path: Path) -> None:
    assert longest_elif_chain(path.read_text()) <= MOST_ELIF


@pytest.mark.parametrize("count", [MOST_ELIF, MOST_ELIF + 1])
def test_the_length_of_a_choice_is_counted(count: int) -> None:
    text = "if a:\n    if b:\n        pass\n" + "elif c:\n    pass\n" * count + "if d:\n    pass\n"
    assert longest_elif_chain(text) == count


@pytest.mark.parametrize(
    "path", sources(".py", ".pyx", ".pxd", ".c", ".h", under=(PACKAGE, "csrc")), ids=name
)
def test_a_file_opens_with_what_it_is(path: Path) -> None:
    text = path.read_text()
    assert not text.strip() or text.startswith(('"""', "#", "/*"))


@pytest.mark.parametrize(
    "bad",
    [
        "-----BEGIN " + "PRIVATE KEY-----",
        "admin_token = " + repr("Zm9vYmFyYmF6cXV4" * 2),
        "AKIA" + "ABCDEFGHIJKLMNOP",
    ],
)
def test_a_secret_would_be_seen(bad: str) -> None:
    assert SECRETS.search(bad)
