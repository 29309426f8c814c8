"""Who may open a session, by key and by certificate."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from credential_kit import KEY, NO_SEC, Scene, pin, psk
from cryptography import x509

from lwm2m_fast.fleet.admission import EXPIRED, FUTURE, NAME_MISMATCH, NOT_TRUSTED, OTHER
from lwm2m_fast.fleet.secured import Credential
from tests.certificate_kit import Made, made_certificate

AUTHORITY = made_certificate("the ca", None, is_authority=True)
SUBJECT = b"default\0dev-1"


def device(name: str | None = "dev-1", **more: object) -> Made:
    return made_certificate(name, AUTHORITY, **more)  # type: ignore[arg-type]


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture
def trusting(scene: Scene) -> Scene:
    scene.trust.add(AUTHORITY.pem)
    return scene


def test_an_identity_speaks_for_its_endpoint(scene: Scene) -> None:
    scene.put(Credential("dev-1", psk("id-1")))
    assert scene.admission().psk(b"id-1") == (KEY, ("dev-1",))
    assert scene.admission().psk(b"dev-1") is None
    assert scene.admission("bootstrap").psk(b"id-1") is None


def test_a_changed_row_lets_nobody_in_and_is_counted(scene: Scene) -> None:
    scene.put(Credential("dev-1", psk("id-1")))
    scene.spoil("psk", b"id-1")
    admission = scene.admission()
    assert admission.psk(b"id-1") is None
    assert admission.is_current(1, b"id-1") is False
    assert admission.counters() == {"server_credentials_unusable": 2}


def test_without_anchors_nobody_is_trusted_whatever_the_library_says(scene: Scene) -> None:
    assert scene.admission().certificate(device().der, 0) == (NOT_TRUSTED, b"", ())
    assert scene.trust.pem() == b""


def test_a_trusted_certificate_stands_for_its_names(trusting: Scene) -> None:
    others = (
        x509.DNSName("dev-1.example"),
        x509.UniformResourceIdentifier("urn:imei:356938035643809"),
        x509.RFC822Name("nobody@example"),
        x509.DNSName("dev-1"),
    )
    names = ("dev-1", "dev-1.example", "urn:imei:356938035643809")
    found = trusting.admission().certificate(device(others=others).der, 0)
    assert found == (0, SUBJECT, names)


def test_a_name_may_stand_in_the_alternative_names_alone(trusting: Scene) -> None:
    leaf = device(None, others=(x509.UniformResourceIdentifier("urn:dev:1"),))
    assert trusting.admission().certificate(leaf.der, 0) == (
        0,
        b"default\0urn:dev:1",
        ("urn:dev:1",),
    )


def test_a_renewed_certificate_is_the_same_subject(trusting: Scene) -> None:
    first, second = device(), device()
    assert first.der != second.der
    admission = trusting.admission()
    assert admission.certificate(first.der, 0) == admission.certificate(second.der, 0)


def test_a_certificate_without_any_name_is_refused(trusting: Scene) -> None:
    assert trusting.admission().certificate(device(None).der, 0)[0] == NAME_MISMATCH


@pytest.mark.parametrize("flags", [NOT_TRUSTED, EXPIRED, FUTURE, OTHER, EXPIRED | 0x10000, 0x80])
def test_what_the_library_found_wrong_stays_wrong(trusting: Scene, flags: int) -> None:
    found = trusting.admission().certificate(device().der, flags)
    assert (found[0] & flags, found[1:]) == (flags, (b"", ()))


def test_validity_can_be_left_unlooked_at(trusting: Scene) -> None:
    lenient = trusting.admission(check_validity=False)
    leaf = device(begins=datetime(2001, 1, 1, tzinfo=UTC), days=1).der
    assert lenient.certificate(leaf, EXPIRED) == (0, SUBJECT, ("dev-1",))
    assert lenient.certificate(leaf, FUTURE) == (0, SUBJECT, ("dev-1",))
    assert lenient.certificate(leaf, FUTURE | OTHER)[0] == OTHER
    assert trusting.admission().certificate(leaf, EXPIRED) == (EXPIRED, b"", ())


@pytest.mark.parametrize("security", [psk("id"), NO_SEC, pin(device().der)])
def test_an_endpoint_that_is_secured_otherwise_is_not_spoken_for(
    trusting: Scene, security: object
) -> None:
    trusting.put(Credential("dev-1", security))  # type: ignore[arg-type]
    assert trusting.admission().certificate(device().der, 0) == (NAME_MISMATCH, b"", ())
    leaf = device(others=(x509.DNSName("dev-2"),))
    assert trusting.admission().certificate(leaf.der, 0) == (0, b"default\0dev-2", ("dev-2",))
    assert trusting.admission("bootstrap").certificate(device().der, 0)[0] == 0


def test_an_endpoint_of_mode_x509_is_spoken_for(trusting: Scene) -> None:
    trusting.put(Credential("dev-1", pin()))
    assert trusting.admission().certificate(device().der, 0) == (0, SUBJECT, ("dev-1",))


def test_a_pinned_certificate_needs_no_authority_but_the_rest(scene: Scene) -> None:
    own = made_certificate("some name", None)
    scene.put(Credential("dev-1", pin(own.der)))
    admission = scene.admission()
    assert admission.certificate(own.der, NOT_TRUSTED) == (0, SUBJECT, ("dev-1",))
    assert admission.certificate(own.der, NOT_TRUSTED | EXPIRED) == (EXPIRED, b"", ())
    lenient = scene.admission(check_validity=False)
    assert lenient.certificate(own.der, NOT_TRUSTED | EXPIRED) == (0, SUBJECT, ("dev-1",))
    assert scene.admission("bootstrap").certificate(own.der, NOT_TRUSTED)[0] == NOT_TRUSTED
    other = made_certificate("some name", None)
    assert admission.certificate(other.der, NOT_TRUSTED)[0] == NOT_TRUSTED
    scene.credentials.remove(["dev-1"])
    assert admission.certificate(own.der, NOT_TRUSTED) == (NOT_TRUSTED, b"", ())


def test_added_and_removed_anchors_count_at_once(scene: Scene) -> None:
    admission = scene.admission()
    assert admission.certificate(device().der, 0)[0] == NOT_TRUSTED
    scene.trust.add(AUTHORITY.pem)
    assert admission.certificate(device().der, 0)[0] == 0
    scene.trust.remove(AUTHORITY.sha256)
    assert admission.certificate(device().der, 0)[0] == NOT_TRUSTED


@pytest.mark.parametrize("der", [b"", b"\x30\x03\x02\x01\x01", AUTHORITY.der[:-1], b"x" * 5000])
def test_what_is_no_certificate_is_refused_and_does_no_harm(trusting: Scene, der: bytes) -> None:
    assert trusting.admission().certificate(der, 0) == (OTHER, b"", ())


def test_a_tenants_authority_vouches_for_no_other_tenants_device(trusting: Scene) -> None:
    theirs = made_certificate("their ca", None, is_authority=True)
    trusting.trust.add(theirs.pem, "tenant-2")
    trusting.put(Credential("dev-2", pin(), tenant="tenant-2"))
    admission = trusting.admission()
    assert admission.certificate(device().der, 0) == (0, SUBJECT, ("dev-1",))
    assert admission.certificate(device("dev-2").der, 0)[0] == NAME_MISMATCH
    own = made_certificate("dev-2", theirs)
    assert admission.certificate(own.der, 0) == (0, b"tenant-2\0dev-2", ("dev-2",))
    # A CA of theirs that calls itself like ours: the name alone must prove nothing.
    posing = made_certificate("the ca", theirs, is_authority=True)
    assert admission.certificate(made_certificate("dev-1", posing).der, 0)[0] == NOT_TRUSTED


def test_what_is_still_good_of_before(trusting: Scene) -> None:
    admission = trusting.admission()
    trusting.put(Credential("dev-1", psk("id-1")), Credential("pinned", pin(device().der)))
    assert admission.is_current(1, b"id-1")
    assert not admission.is_current(1, b"id-2")
    assert admission.is_current(2, b"default\0dev-9")
    assert admission.is_current(2, b"default\0pinned")
    assert not admission.is_current(2, b"default\0dev-1")
    assert not admission.is_current(2, b"other\0dev-9")
    assert not admission.is_current(3, b"id-1")
    assert not admission.is_current(2, b"\xff")
    assert not admission.is_current(2, b"default\0" + b"x" * 2000)
    trusting.trust.remove(AUTHORITY.sha256)
    assert not admission.is_current(2, b"default\0dev-9")
    assert admission.is_current(2, b"default\0pinned")


def test_what_a_resumed_certificate_still_stands_for(trusting: Scene) -> None:
    admission = trusting.admission()
    leaf = device(others=(x509.DNSName("dev-2"),))
    digest, names = bytes.fromhex(leaf.sha256), ("dev-1", "dev-2")
    assert admission.certificate(leaf.der, 0) == (0, SUBJECT, names)
    assert admission.is_current_certificate(digest, SUBJECT, names)
    assert not admission.is_current_certificate(digest, SUBJECT, ())
    assert not admission.is_current_certificate(digest, b"default\0dev-3", names)
    trusting.put(Credential("dev-2", psk("id-2")))
    assert not admission.is_current_certificate(digest, SUBJECT, names)
    assert admission.is_current_certificate(digest, SUBJECT, ("dev-1",))
    other = made_certificate("any", None)
    trusting.put(Credential("dev-1", pin(other.der)))
    assert not admission.is_current_certificate(digest, SUBJECT, ("dev-1",))
    pinned = bytes.fromhex(other.sha256)
    assert admission.is_current_certificate(pinned, SUBJECT, ("dev-1",))
    trusting.put(Credential("dev-1", pin()), replacing=True)
    assert not admission.is_current_certificate(pinned, b"default\0any", ("dev-1",))
    trusting.trust.remove(AUTHORITY.sha256)
    assert not admission.is_current_certificate(digest, SUBJECT, ("dev-1",))


def test_what_vouches_for_a_certificate_is_known_behind_its_judgement(trusting: Scene) -> None:
    admission = trusting.admission()
    assert admission.certificate(device().der, 0)[0] == 0
    anchor = admission.anchor()
    assert len(anchor) == 8 and admission.has_anchor(anchor)
    assert admission.certificate(device().der, NOT_TRUSTED)[0] == NOT_TRUSTED
    assert admission.anchor() == b""
