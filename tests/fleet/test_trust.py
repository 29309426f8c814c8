"""Trust anchors: kept, bounded, and not to be smuggled in."""

from __future__ import annotations

import pytest
from credential_kit import Scene
from cryptography import x509

from lwm2m_fast.errors import Conflict, NotFound, RequestError, StoreError
from lwm2m_fast.fleet import trust as module
from lwm2m_fast.fleet.trust import MAX_PEM_BYTES, Trust
from tests.certificate_kit import made_certificate

ONE, TWO = (made_certificate(name, None, is_authority=True) for name in ("one", "two"))


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_anchors_survive_a_restart_in_one_pem(scene: Scene) -> None:
    scene.trust.add(ONE.pem + TWO.pem)
    scene.trust.add(ONE.pem, "tenant-2")
    again = Trust(scene.fleet, scene.vault)
    assert len(again) == 3
    found = x509.load_pem_x509_certificates(again.pem())
    assert {one.subject.rfc4514_string() for one in found} == {"CN=one", "CN=two"}
    assert len(found) == 2
    assert again.has("tenant-2")
    assert not again.has("tenant-3")


def test_text_around_the_certificates_is_no_error(scene: Scene) -> None:
    added = scene.trust.add(b"issuer: me\n" + ONE.pem + b"\n\nmore\n" + TWO.pem)
    assert [one["subject"] for one in added] == ["CN=one", "CN=two"]


def test_the_anchor_of_a_certificate_is_the_only_one_or_the_one_that_signed_it(
    scene: Scene,
) -> None:
    middle = made_certificate("middle", ONE, is_authority=True)
    direct = x509.load_der_x509_certificate(made_certificate("dev-1", ONE).der)
    far = x509.load_der_x509_certificate(made_certificate("dev-2", middle).der)
    assert scene.trust.anchor_of(direct) == b""
    scene.trust.add(ONE.pem)
    scene.trust.add(ONE.pem, "tenant-2")  # the same one
    first = bytes.fromhex(ONE.sha256)[:8]
    assert [scene.trust.anchor_of(leaf) for leaf in (direct, far)] == [first, first]
    scene.trust.add(TWO.pem)
    of_both = scene.trust.anchor_of(far)
    assert scene.trust.anchor_of(direct) == first != of_both
    assert scene.trust.has_anchor(of_both)
    scene.trust.add(middle.pem)
    assert scene.trust.anchor_of(far) == bytes.fromhex(middle.sha256)[:8]
    posing = made_certificate("one", None, is_authority=True)
    leaf = x509.load_der_x509_certificate(made_certificate("dev-1", posing).der)
    of_three = scene.trust.anchor_of(leaf)
    assert of_three != first  # a name alone proves nothing
    assert scene.trust.has_anchor(of_three) and not scene.trust.has_anchor(of_both)
    assert scene.trust.has_anchor(first) and not scene.trust.has_anchor(b"another!")
    scene.trust.remove(ONE.sha256)
    assert scene.trust.has_anchor(first)  # tenant-2 has it
    assert scene.trust.has_anchor(of_three)  # they are the same three
    scene.trust.remove(ONE.sha256, "tenant-2")
    assert not scene.trust.has_anchor(first)
    assert not scene.trust.has_anchor(of_three)


def test_which_of_several_anchors_it_was_is_not_known_so_all_of_them_have_to_stay(
    scene: Scene,
) -> None:
    """As after a restart with another file in dtls.anchors."""
    middle = made_certificate("middle", ONE, is_authority=True)
    far = x509.load_der_x509_certificate(made_certificate("dev-2", middle).der)
    scene.trust.lend(ONE.pem + TWO.pem)
    noted = scene.trust.anchor_of(far)
    assert not Trust(scene.fleet, scene.vault).has_anchor(noted)
    for pem, is_same in ((ONE.pem + TWO.pem, True), (TWO.pem + ONE.pem, True), (TWO.pem, False)):
        trust = Trust(scene.fleet, scene.vault)
        trust.lend(pem)
        assert trust.has_anchor(noted) is is_same


def test_removing_is_of_one_tenant(scene: Scene) -> None:
    scene.trust.add(ONE.pem)
    scene.trust.add(ONE.pem, "tenant-2")
    pretty = ":".join(ONE.sha256[at : at + 2].upper() for at in range(0, 64, 2))
    scene.trust.remove(pretty, "tenant-2")
    assert [one["tenant"] for one in scene.trust.shown()] == ["default"]
    with pytest.raises(NotFound, match="no trust anchor"):
        scene.trust.remove(ONE.sha256, "tenant-2")


def test_the_number_and_the_size_are_bounded(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ANCHORS", 1)
    scene.trust.add(ONE.pem)
    scene.trust.add(ONE.pem)
    with pytest.raises(RequestError, match="1 trust anchors and 1 are new: 1 is the limit"):
        scene.trust.add(TWO.pem)
    with pytest.raises(RequestError, match=f"{MAX_PEM_BYTES + 1} bytes"):
        scene.trust.add(bytes(MAX_PEM_BYTES + 1))
    long = made_certificate(
        "x" * 64, None, is_authority=True, others=tuple(x509.DNSName("a" * 200) for _ in range(50))
    )
    with pytest.raises(RequestError, match="allowed are 8192"):
        scene.trust.add(long.pem)
    assert len(scene.trust) == 1


def test_what_was_written_past_us_is_not_trusted(scene: Scene) -> None:
    scene.trust.add(ONE.pem)
    ((_, key, row),) = scene.rows()
    scene.fleet.put("trust", [(b"default\0" + bytes.fromhex(TWO.sha256), TWO.der)])
    scene.fleet.put("trust", [(b"tenant-2" + key[len(b"default") :], row)])
    again = Trust(scene.fleet, scene.vault)
    assert [one["subject"] for one in again.shown() if one["problem"] is None] == ["CN=one"]
    assert (len(again), again.unusable, len(again.shown())) == (1, 2, 3)
    assert again.pem() == scene.trust.pem()


def test_what_the_configuration_lends_is_shown_as_trusted_whatever_its_row_is(scene: Scene) -> None:
    scene.fleet.put("trust", [(b"default\0" + bytes.fromhex(ONE.sha256), b"changed")])
    again = Trust(scene.fleet, scene.vault)
    assert again.unusable == 1
    again.lend(ONE.pem)
    (shown,) = again.shown()
    assert (shown["is_configured"], shown["problem"], again.unusable) == (True, None, 0)


def test_what_the_store_refuses_is_not_trusted(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.trust.add(ONE.pem)

    def full(changes: object) -> None:
        raise StoreError("no space")

    monkeypatch.setattr(scene.fleet, "apply", full)
    with pytest.raises(StoreError):
        scene.trust.add(TWO.pem)
    with pytest.raises(StoreError):
        scene.trust.remove(ONE.sha256)
    assert [one["subject"] for one in scene.trust.shown()] == ["CN=one"]


def test_what_the_configuration_lends_is_trusted_and_not_kept(scene: Scene) -> None:
    scene.trust.add(TWO.pem)
    assert scene.trust.lend(ONE.pem + TWO.pem) == 2
    shown = {one["subject"]: one["is_configured"] for one in scene.trust.shown()}
    assert shown == {"CN=one": True, "CN=two": False}
    assert ONE.pem in scene.trust.pem()
    with pytest.raises(Conflict, match=r"dtls\.anchors"):
        scene.trust.remove(ONE.sha256)
    again = Trust(scene.fleet, scene.vault)
    assert [one["subject"] for one in again.shown()] == ["CN=two"]
    with pytest.raises(RequestError, match="no PEM certificate"):
        again.lend(b"nothing")
