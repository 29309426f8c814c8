"""Every stored input of every fuzz target, and a few hundred mutations that never change."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.fuzz import fuzzer

MUTATIONS = 200

STORED = [
    pytest.param(name, path, id=f"{name}-{kind}-{path.name}")
    for name in fuzzer.names()
    for kind in ("findings", "corpus")
    for path in fuzzer.stored(kind, name)
]


@pytest.mark.parametrize("name, path", STORED)
def test_a_stored_input_keeps_the_invariant(name: str, path: Path) -> None:
    fuzzer.load(name).check(path.read_bytes())


@pytest.mark.parametrize("name", fuzzer.names())
def test_mutations_of_the_corpus_keep_the_invariant(name: str) -> None:
    target, random = fuzzer.load(name), Random(1)
    inputs = [*target.seeds, *(path.read_bytes() for path in fuzzer.stored("corpus", name)), b""]
    for data in inputs:
        target.check(data)
    for _ in range(MUTATIONS):
        target.check(target.change(random.choice(inputs), random))


def test_a_broken_invariant_is_found_shrunk_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def check(data: bytes) -> None:
        assert b"\xff" not in data

    target = fuzzer.Target("sample", check, (b"plenty of bytes",), (), None)
    monkeypatch.setattr(fuzzer, "load", lambda name: target)
    assert fuzzer.run("sample", 30.0, 1, tmp_path) == 1
    (found,) = fuzzer.stored("findings", "sample", tmp_path)
    assert found.read_bytes() == b"\xff"
    assert "AssertionError" in capsys.readouterr().err
