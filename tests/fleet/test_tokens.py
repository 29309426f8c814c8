"""Tokens: what is kept, what opens, and who can always get in."""

from __future__ import annotations

import orjson
import pytest

from lwm2m_fast.errors import RequestError, StoreError
from lwm2m_fast.fleet.tokens import (
    ADMIN_NAME,
    KEY_BYTES,
    KEY_NAMESPACE,
    MAX_SECRET,
    MAX_TOKENS,
    NAMESPACE,
    Role,
    Tokens,
)
from lwm2m_fast.store.memory import MemoryFleet

KEY = b"k" * KEY_BYTES


@pytest.fixture
def fleet() -> MemoryFleet:
    return MemoryFleet()


def test_a_token_is_found_by_its_secret_and_by_nothing_else(fleet: MemoryFleet) -> None:
    tokens = Tokens(fleet, KEY)
    made = tokens.add("grafana", Role.READ, "s3cret", now=5.0)
    assert tokens.find("s3cret") == made
    assert made.created_at == 5.0
    for wrong in ("S3cret", "s3cre", "s3crett", "", "grafana", "\udcff"):
        assert tokens.find(wrong) is None


def test_the_store_never_sees_the_secret(fleet: MemoryFleet) -> None:
    Tokens(fleet, KEY).add("grafana", Role.READ, "s3cret-of-mine", now=5.0)
    rows = list(fleet.scan(NAMESPACE)) + list(fleet.scan(KEY_NAMESPACE))
    assert len(rows) == 2
    assert not any(b"s3cret" in key + value for key, value in rows)


def test_tokens_survive_a_restart_whatever_key_is_offered_then(fleet: MemoryFleet) -> None:
    Tokens(fleet, KEY).add("grafana", Role.OPERATE, "s3cret", now=5.0)
    again = Tokens(fleet, b"n" * KEY_BYTES)
    found = again.find("s3cret")
    assert found is not None
    assert (found.name, found.role, found.created_at) == ("grafana", Role.OPERATE, 5.0)


def test_equal_secrets_look_different_in_two_installations() -> None:
    digests = {
        Tokens(MemoryFleet(), key * KEY_BYTES).add("x", Role.READ, "s", now=0.0).digest
        for key in (b"a", b"b")
    }
    assert len(digests) == 2


def test_a_key_of_the_wrong_size_is_refused(fleet: MemoryFleet) -> None:
    with pytest.raises(ValueError, match="32 bytes, not 31"):
        Tokens(fleet, KEY[1:])


def test_among_tokens_with_one_secret_the_highest_role_counts(fleet: MemoryFleet) -> None:
    tokens = Tokens(fleet, KEY)
    for name, role in (("a", Role.READ), ("b", Role.ADMIN), ("c", Role.OPERATE)):
        tokens.add(name, role, "same", now=0.0)
    found = tokens.find("same")
    assert found is not None
    assert found.role is Role.ADMIN


def test_a_removed_token_opens_nothing_also_after_a_restart(fleet: MemoryFleet) -> None:
    tokens = Tokens(fleet, KEY)
    tokens.add("x", Role.READ, "s", now=0.0)
    assert tokens.remove("x") is True
    assert tokens.remove("x") is False
    assert tokens.find("s") is None
    assert Tokens(fleet, KEY).find("s") is None


def test_the_last_admin_stays_and_the_last_but_one_goes(fleet: MemoryFleet) -> None:
    tokens = Tokens(fleet, KEY)
    tokens.add("a", Role.ADMIN, "sa", now=0.0)
    tokens.add("b", Role.ADMIN, "sb", now=0.0)
    assert tokens.remove("a") is True
    with pytest.raises(RequestError, match="last admin"):
        tokens.remove("b")
    assert tokens.find("sb") is not None


def test_a_name_is_taken_once(fleet: MemoryFleet) -> None:
    tokens = Tokens(fleet, KEY)
    tokens.add("x", Role.READ, "s", now=0.0)
    with pytest.raises(RequestError, match="'x' exists already"):
        tokens.add("x", Role.ADMIN, "t", now=0.0)
    assert tokens.find("t") is None


def test_as_many_tokens_as_the_limit_fit_and_one_more_does_not(fleet: MemoryFleet) -> None:
    tokens = Tokens(fleet, KEY)
    for i in range(MAX_TOKENS):
        tokens.add(f"t{i}", Role.READ, f"s{i}", now=0.0)
    with pytest.raises(RequestError, match=str(MAX_TOKENS)):
        tokens.add("one-more", Role.READ, "s", now=0.0)
    assert len(Tokens(fleet, KEY)) == MAX_TOKENS


@pytest.mark.parametrize("name", ["", "x" * 65, "a\nb", "\ud800"])
def test_a_name_that_cannot_be_shown_is_refused(fleet: MemoryFleet, name: str) -> None:
    with pytest.raises(RequestError, match="1 to 64 printable"):
        Tokens(fleet, KEY).add(name, Role.READ, "s", now=0.0)


def test_a_secret_of_the_longest_size_works_and_one_longer_is_refused(fleet: MemoryFleet) -> None:
    tokens = Tokens(fleet, KEY)
    tokens.add("x", Role.READ, "s" * MAX_SECRET, now=0.0)
    assert tokens.find("s" * MAX_SECRET) is not None
    assert tokens.find("s" * (MAX_SECRET + 1)) is None
    with pytest.raises(RequestError, match="1 to 256"):
        tokens.add("y", Role.READ, "s" * (MAX_SECRET + 1), now=0.0)


def test_a_token_that_the_store_refuses_opens_nothing(
    fleet: MemoryFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = Tokens(fleet, KEY)

    def full(*args: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(fleet, "put", full)
    with pytest.raises(StoreError):
        tokens.add("x", Role.READ, "s", now=0.0)
    assert tokens.find("s") is None


@pytest.mark.parametrize(
    "value", [b"", b"[]", b"{}", b'{"role":"root","created_at":1,"digest":"00"}', b"\xff"]
)
def test_a_damaged_row_opens_nothing_and_keeps_nobody_out(fleet: MemoryFleet, value: bytes) -> None:
    before = Tokens(fleet, KEY)
    before.add("grafana", Role.READ, "s3cret", now=0.0)
    before.add("root", Role.ADMIN, "other", now=0.0)
    fleet.put(NAMESPACE, [(b"grafana", value)])
    tokens = Tokens(fleet, KEY)
    assert "grafana" in tokens.unusable["grafana"]
    assert [one.name for one in tokens] == ["root"]
    assert tokens.find("s3cret") is None and tokens.find("other") is not None
    with pytest.raises(RequestError, match="cannot be read"):
        tokens.add("grafana", Role.READ, "new", now=0.0)
    assert tokens.remove("grafana") and not tokens.remove("grafana")
    assert not tokens.unusable and not Tokens(fleet, KEY).unusable
    assert tokens.add("grafana", Role.READ, "new", now=0.0) == tokens.find("new")


def test_a_damaged_admin_is_made_anew_and_damaged_rows_count_at_the_limit(
    fleet: MemoryFleet,
) -> None:
    fleet.put(NAMESPACE, [(b"admin", b"?"), (b"\xff", b"{}")])
    tokens = Tokens(fleet, KEY)
    assert list(tokens.unusable) == ["admin", "\\xff"]
    assert tokens.ensure_admin(None, "fresh", now=1.0) == "fresh"
    assert list(tokens.unusable) == ["\\xff"]
    for number in range(MAX_TOKENS - 2):
        tokens.add(f"t{number}", Role.READ, f"s{number}", now=0.0)
    with pytest.raises(RequestError, match=f"there are {MAX_TOKENS} tokens"):
        tokens.add("one-more", Role.READ, "s", now=0.0)


def test_a_first_start_without_a_token_makes_one_and_shows_it_once(fleet: MemoryFleet) -> None:
    assert Tokens(fleet, KEY).ensure_admin(None, "fresh-1", now=1.0) == "fresh-1"
    again = Tokens(fleet, KEY)
    assert again.ensure_admin(None, "fresh-2", now=2.0) is None
    assert again.find("fresh-1") is not None
    assert again.find("fresh-2") is None


def test_a_given_token_becomes_the_admin_and_is_never_shown(fleet: MemoryFleet) -> None:
    tokens = Tokens(fleet, KEY)
    assert tokens.ensure_admin("mine", "fresh", now=1.0) is None
    found = tokens.find("mine")
    assert found is not None
    assert (found.name, found.role) == (ADMIN_NAME, Role.ADMIN)
    assert tokens.find("fresh") is None


def test_another_given_token_replaces_the_admin(fleet: MemoryFleet) -> None:
    Tokens(fleet, KEY).ensure_admin("old", "fresh", now=1.0)
    tokens = Tokens(fleet, KEY)
    tokens.ensure_admin("new", "fresh", now=2.0)
    assert tokens.find("old") is None
    assert tokens.find("new") is not None


def test_the_same_given_token_writes_nothing(
    fleet: MemoryFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    Tokens(fleet, KEY).ensure_admin("mine", "fresh", now=1.0)
    tokens = Tokens(fleet, KEY)
    monkeypatch.delattr(MemoryFleet, "put")
    assert tokens.ensure_admin("mine", "fresh", now=2.0) is None
    found = tokens.find("mine")
    assert found is not None
    assert found.created_at == 1.0


def test_a_token_of_before_is_of_the_tenant_that_runs_the_server(fleet: MemoryFleet) -> None:
    Tokens(fleet, KEY).add("old", Role.READ, "s", now=0.0)
    fields = orjson.loads(fleet.get(NAMESPACE, b"old") or b"")
    assert fields.pop("tenant") == "default"
    fleet.put(NAMESPACE, [(b"old", orjson.dumps(fields))])
    found = Tokens(fleet, KEY).find("s")
    assert found is not None
    assert found.tenant == "default"


def test_a_tenant_is_kept(fleet: MemoryFleet) -> None:
    Tokens(fleet, KEY).add("theirs", Role.ADMIN, "s", 0.0, "acme")
    (found,) = Tokens(fleet, KEY)
    assert (found.tenant, found.role) == ("acme", Role.ADMIN)


def test_the_admin_of_a_tenant_is_not_who_runs_the_server(fleet: MemoryFleet) -> None:
    tokens = Tokens(fleet, KEY)
    tokens.add("theirs", Role.ADMIN, "s", 0.0, "acme")
    assert tokens.ensure_admin(None, "fresh", 0.0) == "fresh"
    with pytest.raises(RequestError, match="last admin"):
        tokens.remove(ADMIN_NAME)
    assert tokens.remove("theirs")
