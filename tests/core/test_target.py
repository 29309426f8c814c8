"""A target is what a registration and the object model say together."""

from __future__ import annotations

import pytest

from lwm2m_fast.codec import Kind, Path
from lwm2m_fast.core.operations import target_of
from lwm2m_fast.model import Model, built_in
from tests.core.order_kit import MODEL, SENML_CBOR, TLV, device, target


def test_a_target_has_what_the_registration_says() -> None:
    made = target_of(device("1.1", (112, 60), "/lwm2m", {3: "1.0"}), MODEL, TLV, SENML_CBOR)
    assert (made.endpoint, made.lwm2m_version, made.version) == ("dev-1", "1.1", (1, 1))
    assert (made.content_formats, made.root) == ((112, 60), "/lwm2m")
    assert (made.forced, made.binary) == (TLV, SENML_CBOR)
    assert made.objects[3] == ("1.0", (0,)) and made.objects[1] == (None, (0,))


@pytest.mark.parametrize(
    ("version", "registered", "default", "found"),
    [
        ("1.0", None, None, "1.0"),
        ("1.1", None, None, "1.1"),
        ("1.2", None, None, "1.2"),
        ("1.0", "1.2", None, "1.2"),
        ("1.2", "1.0", None, "1.0"),
        ("1.0", None, "1.1", "1.1"),
    ],
)
def test_the_definitions_are_those_of_the_versions(
    version: str, registered: str | None, default: str | None, found: str
) -> None:
    versions = {3: registered} if registered else None
    made = target_of(device(version, versions=versions), MODEL, default_version=default)
    assert made.view.objects[3].version == found


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (Path(3442, 0, 120), Kind.INTEGER),
        (Path(3442, 0, 1120, 5), Kind.INTEGER),
        (Path(3442, 0, 3), Kind.NONE),
        (Path(3442, 0), None),
        (Path(), None),
        (Path(9999, 0, 1), None),
        (Path(3442, 0, 999), None),
    ],
)
def test_a_resource_has_its_kind_or_nobody_knows_it(path: Path, kind: Kind | None) -> None:
    assert target().kind(path) == kind
    assert (target().resource(path) is None) is (kind is None)


def test_devices_that_are_alike_share_what_was_worked_out() -> None:
    one, other = target("1.1", (112,)), target("1.1", (112,))
    assert one.types is other.types and one.ready is other.ready and one.view is other.view
    assert target("1.1", (60,)).ready is not one.ready
    assert target_of(device("1.1", (112,)), Model(built_in())).ready is not one.ready
