"""/api/security/clients: Leshan's JSON over the house's store, without its keys."""

from __future__ import annotations

from typing import Any

import pytest
from leshan_service import Face

from lwm2m_fast.rest.leshan.security import PAGE

CLIENTS = "/api/security/clients"
KEY = "73656372657473656372657473656372"


def psk(endpoint: str = "dev-1", identity: str = "id-1", key: str = KEY) -> dict[str, Any]:
    details = {"identity": identity, "key": key}
    return {"endpoint": endpoint, "tls": {"mode": "psk", "details": details}}


def put(face: Face, body: Any, query: str = "") -> Any:
    return face.ask("PUT", f"{CLIENTS}{query}", json=body)


def test_without_credentials_the_list_is_empty(face: Face) -> None:
    answer = face.get(f"{CLIENTS}?timeout=10&format=SENML_CBOR")
    assert (answer.status_code, answer.json()) == (200, [])


@pytest.mark.parametrize("query", ["", "/", "/?timeout=10&format=SENML_CBOR"])
def test_a_psk_is_kept_and_shown_without_its_key(face: Face, query: str) -> None:
    answer = put(face, psk(), query)
    assert (answer.status_code, answer.text) == (200, "")
    shown = {"endpoint": "dev-1", "tls": {"mode": "psk", "details": {"identity": "id-1"}}}
    assert face.get(CLIENTS).json() == [shown]
    assert face.get(f"{CLIENTS}/dev-1").json() == shown
    kept = face.service.security.admission().psk(b"id-1")
    assert kept == (bytes.fromhex(KEY), ("dev-1",))


def test_a_second_put_replaces(face: Face) -> None:
    put(face, psk())
    assert put(face, psk(identity="id-2", key="00ff")).status_code == 200
    admission = face.service.security.admission()
    assert admission.psk(b"id-1") is None
    assert admission.psk(b"id-2") == (b"\x00\xff", ("dev-1",))


def test_an_identity_of_another_endpoint_is_refused(face: Face) -> None:
    put(face, psk())
    answer = put(face, psk("dev-2"))
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/plain")
    assert "belongs to endpoint 'dev-1'" in answer.text
    assert len(face.get(CLIENTS).json()) == 1


def test_x509_has_no_details(face: Face) -> None:
    assert put(face, {"endpoint": "dev-1", "tls": {"mode": "x509"}}).status_code == 200
    assert face.get(CLIENTS).json() == [{"endpoint": "dev-1", "tls": {"mode": "x509"}}]


def test_removing_ends_it_and_says_when_there_was_none(face: Face) -> None:
    put(face, psk())
    gone = face.ask("DELETE", f"{CLIENTS}/dev-1")
    assert (gone.status_code, gone.text) == (200, "")
    assert face.service.security.admission().psk(b"id-1") is None
    again = face.ask("DELETE", f"{CLIENTS}/dev-1")
    assert (again.status_code, again.json()) == (200, {"message": "not_found"})


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"endpoint": "a", "tls": {"mode": "rpk", "details": {"key": KEY}}}, "psk and x509"),
        ({"endpoint": "a", "oscore": {"rid": "00", "msec": KEY}}, "oscore is not spoken"),
        ({"tls": psk()["tls"]}, "endpoint is missing"),
        ({"endpoint": "a"}, "tls is missing"),
        ({"endpoint": "a", "tls": {"mode": "psk"}}, "tls.details is missing"),
        ({"endpoint": "a", "tls": {"mode": "psk", "details": {"key": KEY}}}, "identity is missing"),
        ({"endpoint": "a", "tls": {"mode": "psk", "details": {"identity": "a"}}}, "key is missing"),
        (psk(key=KEY + "7"), "even number"),
        (psk(key=KEY[:-1] + "x"), "no hex digits"),
        (psk(identity="i" * 129), "129 bytes, allowed are 1 to 128"),
        (psk(identity=7), "allowed is text"),  # type: ignore[arg-type]
        ([], "not a JSON object"),
    ],
)
def test_what_is_wrong_is_a_400_that_repeats_no_key(face: Face, body: Any, why: str) -> None:
    answer = put(face, body)
    assert answer.status_code == 400
    assert why in answer.text
    assert KEY[:8] not in answer.text
    assert face.get(CLIENTS).json() == []


def test_the_bootstrap_side_stays_as_it_is(face: Face) -> None:
    bootstrap = {"mode": "PSK", "identity": "boot-1", "key": KEY}
    face.ask("PUT", "/api/v1/credentials/dev-1", json={"bootstrap": bootstrap})
    assert face.get(CLIENTS).json() == []
    assert face.get(f"{CLIENTS}/dev-1").status_code == 400
    put(face, psk())
    security = face.service.security
    assert security.admission("bootstrap").psk(b"boot-1") == (bytes.fromhex(KEY), ("dev-1",))
    assert security.admission().psk(b"id-1") is not None


def test_a_long_list_is_whole(face: Face) -> None:
    many = [
        {"endpoint": f"d{i:04}", "server": {"mode": "NO_SEC" if i % 2 else "PSK_GENERATED"}}
        for i in range(2 * PAGE)
    ]
    assert face.ask("POST", "/api/v1/credentials", json=many).status_code == 201
    assert [one["endpoint"] for one in face.get(CLIENTS).json()] == [
        f"d{i:04}" for i in range(0, 2 * PAGE, 2)
    ]
