"""Leshan's routes about the server: object definitions, endpoints, credentials."""

from __future__ import annotations

import pytest
from leshan_service import OBJECTS, Face

from lwm2m_fast.config import Config
from lwm2m_fast.rest.app import create_app


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


@pytest.mark.parametrize("path", ["/api/server/security", "/api/security/server"])
def test_the_server_has_no_public_key_yet(face: Face, path: str) -> None:
    assert face.get(path).json() == {}


def test_there_are_no_credentials_yet(face: Face) -> None:
    answer = face.get("/api/security/clients?timeout=10&format=SENML_CBOR")
    assert (answer.status_code, answer.json()) == (200, [])


def test_a_credential_is_refused_and_says_why(face: Face) -> None:
    psk = {"mode": "psk", "details": {"identity": "dev-1", "key": "00ff"}}
    answer = face.ask(
        "PUT",
        "/api/security/clients/?timeout=10&format=SENML_CBOR",
        json={"endpoint": "dev-1", "tls": psk},
    )
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/plain")
    assert "no DTLS" in answer.text
    assert "00ff" not in answer.text
    assert face.get("/api/security/clients").json() == []


def test_removing_a_credential_finds_none(face: Face) -> None:
    answer = face.ask("DELETE", "/api/security/clients/dev-1")
    assert answer.status_code == 200
    assert answer.json()["message"] == "not_found"
