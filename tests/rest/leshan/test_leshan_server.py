"""Leshan's routes about the server: object definitions, endpoints, its certificate."""

from __future__ import annotations

from base64 import b64decode

import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key
from leshan_service import OBJECTS, Face

from lwm2m_fast.config import Config
from lwm2m_fast.rest.app import create_app
from tests.certificate_kit import made_certificate


def test_the_objects_of_a_device_by_id(face: Face) -> None:
    specs = face.get("/api/objectspecs/dev-1").json()
    assert [spec["id"] for spec in specs] == [one for one in OBJECTS if one != 9999]
    device = next(spec for spec in specs if spec["id"] == 3)
    assert set(device) == {
        "id", "name", "instancetype", "mandatory", "urn", "version", "lwm2mversion",
        "description", "description2", "resourcedefs",
    }  # fmt: skip
    assert (device["name"], device["instancetype"], device["mandatory"]) == (
        "Device",
        "single",
        True,
    )
    assert device["version"] == "1.1"


def test_the_resources_of_an_object(face: Face) -> None:
    specs = face.get("/api/objectspecs/dev-1").json()
    resources = {(spec["id"], one["id"]): one for spec in specs for one in spec["resourcedefs"]}
    assert set(resources[3, 9]) == {
        "id", "name", "operations", "instancetype", "mandatory", "type", "range", "units",
        "description",
    }  # fmt: skip
    assert resources[3, 9]["type"] == "integer"
    assert resources[3, 6]["instancetype"] == "multiple"
    assert resources[3, 13]["type"] == "time"
    assert (resources[3, 4]["operations"], resources[3, 4]["type"]) == ("E", "none")
    assert (resources[3, 13]["operations"], resources[1, 1]["operations"]) == ("RW", "RW")
    assert resources[0, 0]["operations"] == "NONE"
    assert resources[3, 9]["range"] in ("0-100", "0..100")


def test_object_definitions_are_of_one_device(face: Face) -> None:
    for path in ("/api/objectspecs", "/api/objectspecs/"):
        answer = face.get(path)
        assert answer.status_code == 400
        assert answer.headers["content-type"].startswith("text/plain")


def test_the_endpoint_of_the_server(face: Face) -> None:
    uri = {"full": "coap://0.0.0.0:5783", "scheme": "coap", "host": "0.0.0.0", "port": 5783}
    assert face.get("/api/server/endpoint").json() == [{"uri": uri, "description": "CoAP over UDP"}]


def test_an_ipv6_endpoint_has_brackets() -> None:
    face = Face()
    config = Config(http={"leshan_api": True}, coap={"host": "::1", "port": 5683})
    face.app = create_app(face.service, face.tokens, config)
    (shown,) = face.get("/api/server/endpoint").json()
    assert shown["uri"]["full"] == "coap://[::1]:5683"


PATHS = ["/api/server/security", "/api/security/server"]


@pytest.mark.parametrize("path", PATHS)
def test_a_server_without_certificate_shows_none(face: Face, path: str) -> None:
    assert face.get(path).json() == {}


@pytest.mark.parametrize("path", PATHS)
def test_the_certificate_of_the_server_and_its_public_key(
    face: Face, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = made_certificate("server", None)
    monkeypatch.setattr(face.service.security, "server_certificate", lambda: made.der)
    (shown,) = face.get(path).json().values()
    assert b64decode(shown["b64Der"]) == made.der
    pubkey = shown["pubkey"]
    point = made.key.public_key().public_numbers()
    assert (int(pubkey["x"], 16), int(pubkey["y"], 16)) == (point.x, point.y)
    assert pubkey["params"] == "secp256r1"
    assert len(pubkey["x"]) == len(pubkey["y"]) == 64
    assert load_der_public_key(b64decode(pubkey["b64Der"])) == made.key.public_key()
