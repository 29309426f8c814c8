"""Owners are remembered, up to a bound, and never beyond a change."""

from __future__ import annotations

import pytest

from lwm2m_fast.provisioning.owners import Owners


def test_a_name_is_looked_up_once_between_two_changes() -> None:
    looked: list[str] = []
    whose = {"a": "acme", "b": "default"}

    def look(name: str) -> str:
        looked.append(name)
        return whose[name]

    owners = Owners(look)
    assert [owners.find(name) for name in "abab"] == ["acme", "default", "acme", "default"]
    assert looked == ["a", "b"]
    whose["a"] = "beta"
    owners.changed()
    assert [owners.find(name) for name in "aba"] == ["beta", "default", "beta"]
    assert looked == ["a", "b", "a", "b"]


def test_what_changes_while_it_is_looked_up_is_looked_up_again() -> None:
    whose = ["acme", "beta"]

    def look(name: str) -> str:
        found = whose.pop(0)
        if whose:
            owners.changed()  # by another thread, behind our reading
        return found

    owners = Owners(look)
    assert owners.find("a") == "acme"
    assert owners.find("a") == owners.find("a") == "beta"


def test_no_more_are_remembered_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lwm2m_fast.provisioning.owners.MAX_REMEMBERED", 3)
    owners = Owners(lambda name: name)
    sizes = []
    for name in "abcdab":
        assert owners.find(name) == name
        sizes.append(len(owners))
    assert sizes == [1, 2, 3, 1, 2, 3]


def test_an_error_is_not_remembered() -> None:
    answers: list[str] = []

    def look(name: str) -> str:
        return answers.pop()

    owners = Owners(look)
    with pytest.raises(IndexError):
        owners.find("a")
    answers.append("acme")
    assert owners.find("a") == "acme"
