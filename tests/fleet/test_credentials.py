"""Credentials: what is kept and how, what is unique, and which sessions a change ends."""

from __future__ import annotations

import pytest
from credential_kit import KEY, NO_SEC, Scene, pin, psk

from lwm2m_fast.errors import Conflict, RequestError, StoreError
from lwm2m_fast.fleet import credentials as module
from lwm2m_fast.fleet.credential_rows import Mark
from lwm2m_fast.fleet.credentials import Credentials
from lwm2m_fast.fleet.secured import Credential, Security
from lwm2m_fast.fleet.vault import KEY_BYTES, Vault
from tests.certificate_kit import made_certificate

CERTIFICATE = made_certificate("any", None).der
OTHER = made_certificate("any", None).der


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_psk_is_found_by_its_identity_on_its_side(scene: Scene) -> None:
    scene.put(Credential("a", psk("id-1"), psk("id-2", b"other")))
    assert scene.credentials.psk(b"id-1") == (KEY, "a")
    assert scene.credentials.psk(b"id-2", 1) == (b"other", "a")
    assert scene.credentials.psk(b"id-1", 1) is None
    assert scene.credentials.psk(b"id-2") is None
    for unknown in (b"", b"a", b"id-", b"id-11", b"\xff", b"i" * 129, b"i" * 1000):
        assert scene.credentials.psk(unknown) is None


def test_one_identity_can_serve_both_sides_with_two_keys(scene: Scene) -> None:
    scene.put(Credential("a", psk("id", b"one"), psk("id", b"two")))
    assert scene.credentials.psk(b"id") == (b"one", "a")
    assert scene.credentials.psk(b"id", 1) == (b"two", "a")
    scene.put(Credential("a", NO_SEC, psk("id", b"two")), replacing=True)
    assert scene.credentials.psk(b"id") is None
    assert scene.credentials.psk(b"id", 1) == (b"two", "a")


def test_all_of_it_comes_back_from_the_store(scene: Scene) -> None:
    given = Credential("ä/b", psk("id"), pin(CERTIFICATE), "tenant-1", 5.5)
    scene.put(given)
    again = Credentials(scene.fleet, scene.vault)
    assert again.get("ä/b") == given
    assert again.get("b") is None
    marks: list[tuple[str, Mark]] = []
    assert again.load(lambda *one: marks.append(one)) == 1
    assert (len(again), marks) == (1, [("ä/b", Mark.PSK)])
    assert (again.mark("ä/b"), again.mark("ä/b", 1)) == (Mark.PSK, Mark.PINNED)


def test_the_rows_hold_no_key_and_what_is_shown_neither(scene: Scene) -> None:
    scene.put(Credential("a", psk("id"), psk("id")))
    everything = b"".join(key + value for _, key, value in scene.rows())
    for form in (KEY, KEY.hex().encode()):
        assert form not in everything
    shown = repr(scene.credentials.page(None, 10)) + repr(scene.credentials.get("a"))
    assert KEY.decode() not in shown
    assert KEY.hex() not in shown


@pytest.mark.parametrize("taken", [psk("id", b"x"), pin(CERTIFICATE)])
@pytest.mark.parametrize("side", ["server", "bootstrap"])
@pytest.mark.parametrize("wanted", ["server", "bootstrap"])
def test_what_is_of_one_endpoint_is_of_no_other(
    scene: Scene, taken: Security, side: str, wanted: str
) -> None:
    scene.put(Credential("a", **{side: taken}))
    before = scene.rows()
    # Whose device of another tenant it is, is not told.
    for tenant, whose in (("default", "endpoint 'a'"), ("other", "a device of another tenant")):
        with pytest.raises(Conflict, match=f"of endpoint 'b' belongs to {whose}"):
            scene.put(Credential("b", **{wanted: taken}, tenant=tenant))
    assert scene.rows() == before
    scene.put(Credential("a", NO_SEC), replacing=True)
    scene.put(Credential("b", **{wanted: taken}))
    assert scene.credentials.get("b") == Credential("b", **{wanted: taken})


def test_what_is_twice_in_one_list_is_refused(scene: Scene) -> None:
    with pytest.raises(Conflict, match="belongs to endpoint 'a'"):
        scene.put(Credential("a", psk("id")), Credential("b", psk("id")))
    with pytest.raises(Conflict, match="'a' is given twice"):
        scene.put(Credential("a", psk("id")), Credential("a", psk("id")))
    with pytest.raises(Conflict, match="has a credential already"):
        scene.put(Credential("b", psk("x")))
        scene.put(Credential("a", psk("y")), Credential("b", psk("z")))
    assert [key for space, key, _ in scene.rows() if space == "psk"] == [b"x"]


def test_a_key_that_dtls_cannot_use_is_refused(scene: Scene) -> None:
    """A library of the system's may take less than 64 bytes."""
    credentials = Credentials(scene.fleet, scene.vault, longest_key=48)
    credentials.put([Credential("a", psk("id-a", bytes(48)))], replacing=False)
    told = "server.key of endpoint 'b' has 49 bytes: the DTLS library .* takes at most 48"
    with pytest.raises(RequestError, match=told) as caught:
        credentials.put([Credential("b", psk("id-b", b"\xa5" * 49))], replacing=False)
    assert "a5a5" not in str(caught.value)
    assert len(credentials) == 1 and not credentials.has("b")


def test_the_number_is_bounded(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CREDENTIALS", 2)
    scene.put(Credential("a", NO_SEC), Credential("b", NO_SEC))
    with pytest.raises(RequestError, match="2 credentials and 1 are new: 2 is the limit"):
        scene.put(Credential("c", NO_SEC))
    scene.put(Credential("b", psk("id")), replacing=True)
    assert scene.credentials.remove(["a"])[0] == 1
    scene.put(Credential("c", NO_SEC))
    assert len(scene.credentials) == 2


def test_removing_leaves_no_row(scene: Scene) -> None:
    scene.put(Credential("a", psk("id"), pin(CERTIFICATE)), Credential("b", psk("id-b")))
    gone, told = scene.credentials.remove(["a", "a", "nobody"])
    assert gone == 1
    assert [(one.side, one.mark, one.ended) for one in told] == [
        ("server", Mark.NONE, ((1, b"id"),)),
        ("bootstrap", Mark.NONE, ((2, b"default\0a"),)),
    ]
    assert {key for _, key, _ in scene.rows()} == {b"b", b"id-b"}
    assert scene.credentials.remove(["a"]) == (0, [])


BY_NAME = ((2, b"default\0a"),)
BY_PSK = ((1, b"id"),)
ENDED = {
    "first psk": (None, psk("id"), BY_NAME),
    "first by name": (None, pin(), ()),
    "first pin": (None, pin(CERTIFICATE), BY_NAME),
    "first without security": (None, NO_SEC, BY_NAME),
    "the same": (psk("id"), psk("id"), None),
    "another key": (psk("id"), psk("id", b"new"), BY_PSK),
    "a longer key": (psk("id"), psk("id", KEY + b"x"), BY_PSK),
    "another identity": (psk("id"), psk("id-2"), BY_PSK),
    "psk to x509": (psk("id"), pin(), BY_PSK),
    "psk to none": (psk("id"), NO_SEC, BY_PSK),
    "by name again": (pin(), pin(), None),
    "by name to pin": (pin(), pin(CERTIFICATE), BY_NAME),
    "pin to by name": (pin(CERTIFICATE), pin(), BY_NAME),
    "the same pin": (pin(CERTIFICATE), pin(CERTIFICATE), None),
    "another pin": (pin(CERTIFICATE), pin(OTHER), BY_NAME),
    "pin to psk": (pin(CERTIFICATE), psk("id"), BY_NAME),
    "none to psk": (NO_SEC, psk("id"), ()),
}


@pytest.mark.parametrize("case", ENDED)
@pytest.mark.parametrize("side", ["server", "bootstrap"])
def test_a_change_ends_the_sessions_that_are_good_no_more(
    scene: Scene, case: str, side: str
) -> None:
    before, after, ended = ENDED[case]
    other = {"server": "bootstrap", "bootstrap": "server"}[side]
    kept = {other: psk("untouched")}
    scene.put(Credential("a", **{side: before}, **kept))  # type: ignore[arg-type]
    told = scene.put(Credential("a", **{side: after}, **kept), replacing=True)  # type: ignore[arg-type]
    mark = scene.credentials.mark("a", ("server", "bootstrap").index(side)).name
    assert told == ([] if ended is None else [("a", side, mark, ended)])


def test_nothing_is_told_of_what_is_not_kept(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(changes: object) -> None:
        raise StoreError("no space")

    monkeypatch.setattr(scene.fleet, "apply", full)
    with pytest.raises(StoreError, match="no space"):
        scene.put(Credential("a", psk("id")))
    assert len(scene.credentials) == 0
    assert scene.credentials.psk(b"id") is None


# Rows that somebody has changed on the disk


def test_a_changed_psk_row_opens_nothing_and_can_be_replaced(scene: Scene) -> None:
    scene.put(Credential("a", psk("id")))
    scene.spoil("psk", b"id")
    with pytest.raises(StoreError, match="does not open"):
        scene.credentials.psk(b"id")
    assert scene.put(Credential("a", psk("id")), replacing=True) == [("a", "server", "PSK", BY_PSK)]
    assert scene.credentials.psk(b"id") == (KEY, "a")


def test_a_psk_row_does_not_open_under_another_identity(scene: Scene) -> None:
    scene.put(Credential("a", psk("mine")), Credential("b", psk("theirs", b"theirs")))
    row = scene.fleet.get("psk", b"mine")
    assert row is not None
    scene.fleet.put("psk", [(b"theirs", row)])
    with pytest.raises(StoreError):
        scene.credentials.psk(b"theirs")


def test_a_mark_that_was_changed_is_seen(scene: Scene) -> None:
    scene.put(Credential("a", psk("id")))
    row = scene.fleet.get("credential", b"a")
    assert row is not None
    scene.fleet.put("credential", [(b"a", bytes([Mark.NO_SEC]) + row[1:])])
    with pytest.raises(StoreError, match="does not open"):
        scene.credentials.get("a")


@pytest.mark.parametrize("row", [b"", b"\x02", b"\x09\x00" + bytes(40), bytes(10)])
def test_what_is_no_row_at_all_is_shown_as_a_problem(scene: Scene, row: bytes) -> None:
    scene.put(Credential("a", psk("id")), Credential("b", NO_SEC))
    scene.fleet.put("credential", [(b"a", row)])
    one, two = scene.credentials.page(None, 10)
    assert (one["endpoint"], "problem" in one, two["endpoint"]) == ("a", True, "b")
    marks: dict[str, Mark] = {}
    assert Credentials(scene.fleet, scene.vault).load(marks.__setitem__) == 2
    assert marks["b"] is Mark.NO_SEC
    assert marks["a"] in (Mark.PSK, Mark.NONE)


def test_a_changed_credential_can_be_removed_with_all_that_is_its(scene: Scene) -> None:
    scene.put(Credential("a", psk("id"), pin(CERTIFICATE)), Credential("b", psk("id-b")))
    scene.spoil("credential", b"a")
    gone, told = scene.credentials.remove(["a"])
    assert gone == 1
    assert (1, b"id") in told[0].ended
    assert {key for _, key, _ in scene.rows()} == {b"b", b"id-b"}


def test_another_vault_opens_nothing(scene: Scene) -> None:
    scene.put(Credential("a", psk("id")))
    foreign = Credentials(scene.fleet, Vault({1: b"f" * KEY_BYTES}, lambda size: bytes(size)))
    with pytest.raises(StoreError):
        foreign.psk(b"id")
    assert "problem" in foreign.page(None, 1)[0]
