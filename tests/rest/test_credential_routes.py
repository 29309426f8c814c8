"""Credentials and trust anchors over HTTP: what goes in, what is shown, what is refused."""

from __future__ import annotations

import json
import logging
import threading
from base64 import b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from fake_service import NOW_S, Api, FakeService

from lwm2m_fast.errors import StoreError
from lwm2m_fast.fleet.secured import MAX_CERTIFICATE_BYTES
from tests.certificate_kit import made_certificate

LIST = "/api/v1/credentials"
TRUST = "/api/v1/trust"
KEY = "73656372657473656372657473656372"


def psk(identity: str | None = None, key: str = KEY) -> dict[str, Any]:
    return {"mode": "PSK", "key": key, **({} if identity is None else {"identity": identity})}


def add(api: Api, body: Any) -> Any:
    return api.ask("POST", LIST, content=json.dumps(body))


def test_a_psk_is_kept_and_its_key_is_not_shown(api: Api) -> None:
    answer = add(api, {"endpoint": "a/b", "server": psk("id-1")})
    assert answer.status_code == 201
    shown = {
        "endpoint": "a/b",
        "tenant": "default",
        "changed_at": NOW_S,
        "server": {"mode": "PSK", "identity": "id-1"},
        "bootstrap": None,
    }
    assert answer.json() == shown
    assert api.get(f"{LIST}/a%2Fb").json() == shown
    assert api.get(LIST).json() == {"credentials": [shown], "next_after": None}
    assert api.service.security.admission().psk(b"id-1") == (bytes.fromhex(KEY), ("a/b",))


def test_without_identity_it_is_the_endpoint_name(api: Api) -> None:
    assert add(api, {"endpoint": "wärme", "server": psk()}).json()["server"]["identity"] == "wärme"


def test_a_key_that_is_made_here_is_shown_once(api: Api) -> None:
    made = add(api, {"endpoint": "a", "server": {"mode": "PSK_GENERATED"}}).json()
    key = made["server"].pop("key")
    assert api.service.security.admission().psk(b"a") == (bytes.fromhex(key), ("a",))
    assert len(bytes.fromhex(key)) >= 16
    assert made == api.get(f"{LIST}/a").json()
    again = add(api, {"endpoint": "b", "server": {"mode": "PSK_GENERATED"}}).json()
    assert again["server"]["key"] != key
    assert key not in api.get(LIST).text


def test_a_list_is_kept_as_a_whole_or_not_at_all(api: Api) -> None:
    many = [{"endpoint": f"d{i}", "server": psk()} for i in range(3)]
    answer = add(api, many)
    assert answer.status_code == 201
    assert answer.json()["added"] == 3
    assert [one["endpoint"] for one in answer.json()["credentials"]] == ["d0", "d1", "d2"]
    refused = add(api, [{"endpoint": "x", "server": psk()}, {"endpoint": "y", "server": psk("d0")}])
    assert refused.status_code == 409
    assert refused.json()["type"] == "urn:lwm2m-fast:problem:conflict"
    wrong = add(api, [{"endpoint": "x", "server": psk()}, {"endpoint": "y", "server": {}}])
    assert wrong.json()["detail"].startswith("credential 1: server.mode is None")
    assert len(api.get(LIST).json()["credentials"]) == 3


def test_put_sets_what_it_names_and_tells_whether_it_is_new(api: Api) -> None:
    first = api.ask("PUT", f"{LIST}/a", json={"server": psk("one"), "bootstrap": psk("boot")})
    assert first.status_code == 201
    again = api.ask("PUT", f"{LIST}/a", json={"endpoint": "a", "server": psk("two")})
    assert again.status_code == 200
    assert again.json()["bootstrap"] == {"mode": "PSK", "identity": "boot"}
    admission = api.service.security.admission()
    assert admission.psk(b"one") is None
    assert admission.psk(b"two") == (bytes.fromhex(KEY), ("a",))
    assert api.service.security.admission("bootstrap").psk(b"boot") == (bytes.fromhex(KEY), ("a",))
    unset = api.ask("PUT", f"{LIST}/a", json={"bootstrap": None})
    assert (unset.status_code, unset.json()["bootstrap"]) == (200, None)
    assert api.service.security.admission("bootstrap").psk(b"boot") is None
    assert api.ask("PUT", f"{LIST}/a", json={"server": None}).status_code == 400
    assert api.ask("PUT", f"{LIST}/b", json={}).status_code == 400
    assert admission.psk(b"two") is not None


def test_put_for_another_endpoint_than_its_path_is_refused(api: Api) -> None:
    other = api.ask("PUT", f"{LIST}/a", json={"endpoint": "b", "server": psk("two")})
    assert other.status_code == 400
    assert "another one in the body" in other.json()["detail"]


def test_a_generated_key_is_not_shown_when_the_other_side_changes(api: Api) -> None:
    add(api, {"endpoint": "a", "server": {"mode": "PSK_GENERATED"}})
    assert "key" not in api.ask("PUT", f"{LIST}/a", json={"bootstrap": psk("b")}).json()["server"]


def test_what_is_there_already_is_a_conflict(api: Api) -> None:
    add(api, {"endpoint": "a", "server": psk("id")})
    same = add(api, {"endpoint": "a", "server": psk("other")})
    assert (same.status_code, same.json()["detail"]) == (
        409,
        "endpoint 'a' has a credential already",
    )
    taken = add(api, {"endpoint": "b", "bootstrap": psk("id")})
    assert taken.status_code == 409
    assert "'id' of endpoint 'b' belongs to endpoint 'a'" in taken.json()["detail"]


def test_removing_works_once(api: Api) -> None:
    add(api, {"endpoint": "a", "server": psk()})
    assert api.ask("DELETE", f"{LIST}/a").status_code == 204
    assert api.get(f"{LIST}/a").status_code == 404
    gone = api.ask("DELETE", f"{LIST}/a")
    assert (gone.status_code, gone.json()["detail"]) == (404, "endpoint 'a' has no credential")
    assert add(api, {"endpoint": "b", "server": psk("a")}).status_code == 201


def test_the_list_goes_on_after_its_last_name(api: Api) -> None:
    add(api, [{"endpoint": name, "server": psk()} for name in "abc"])
    first = api.get(f"{LIST}?limit=2").json()
    assert [one["endpoint"] for one in first["credentials"]] == ["a", "b"]
    assert first["next_after"] == "b"
    rest = api.get(f"{LIST}?limit=2&after=b").json()
    assert ([one["endpoint"] for one in rest["credentials"]], rest["next_after"]) == (["c"], None)


@pytest.mark.parametrize("path", [LIST, "/api/security/clients"])
def test_a_page_is_unsealed_beside_the_loop_and_owners_are_asked_on_it(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = Api(FakeService(), leshan_api=True)
    add(api, [{"endpoint": name, "server": psk()} for name in "abc"])
    unsealing, asking = set(), set()
    unsealed = api.service.security.credentials.page
    owner = api.service.provisioning.owner

    def page(after: str | None, limit: int) -> list[dict[str, Any]]:
        unsealing.add(threading.get_ident())
        return unsealed(after, limit)

    def owner_of(name: str) -> str:
        asking.add(threading.get_ident())
        return owner(name)

    monkeypatch.setattr(api.service.security.credentials, "page", page)
    monkeypatch.setattr(api.service.provisioning, "owner", owner_of)
    answer = api.get(path)
    assert all(f'"endpoint":"{name}"' in answer.text for name in "abc")
    assert unsealing and asking and not unsealing & asking


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"endpoint": "a"}, "`server`, `bootstrap`, or both"),
        ({"server": psk()}, "endpoint is None"),
        ({"endpoint": "", "server": psk()}, "endpoint has 0 bytes, allowed are 1 to 255"),
        ({"endpoint": "e" * 256, "server": psk()}, "endpoint has 256 bytes"),
        ({"endpoint": "\ud800", "server": psk()}, "JSON"),
        ({"endpoint": "a", "server": {"mode": "RPK"}}, "server.mode is 'RPK', allowed are NO_SEC"),
        ({"endpoint": "a", "server": {"mode": []}}, "server.mode is []"),
        ({"endpoint": "a", "server": "PSK"}, "server is no JSON object"),
        ({"endpoint": "a", "server": psk(), "psk": KEY}, "'psk' is not known"),
        ({"endpoint": "a", "server": {"mode": "NO_SEC", "key": KEY}}, "'server.key' is not known"),
        ({"endpoint": "a", "server": psk("")}, "server.identity has 0 bytes, allowed are 1 to 128"),
        ({"endpoint": "a", "server": psk("ä" * 64 + "b")}, "server.identity has 129 bytes"),
        ({"endpoint": "a", "bootstrap": psk(key="")}, "bootstrap.key is missing"),
        ({"endpoint": "a", "server": {"mode": "PSK"}}, "server.key is missing"),
        ({"endpoint": "a", "server": psk(key=KEY[1:])}, "has 31 hex digits, an even number"),
        ({"endpoint": "a", "server": psk(key=KEY[2:] + " 7")}, "no hex digits"),
        ({"endpoint": "a", "server": psk(key=KEY * 4 + "73")}, "130 hex digits, allowed are 2 to"),
        ({"endpoint": "a", "server": {"mode": "X509", "certificate": "AAAA"}}, "no DER"),
        ({"endpoint": "a", "server": {"mode": "X509", "certificate": "!"}}, "neither PEM nor"),
        ({"endpoint": "a", "server": {"mode": "X509", "certificate": 7}}, "is PEM or base64"),
        (
            {"endpoint": "a", "server": {"mode": "X509", "certificate": "A" * 20000}},
            f"at most {2 * MAX_CERTIFICATE_BYTES} bytes",
        ),
        (["a"], "neither a JSON object nor a list"),
        ([], "the body has 0 credentials"),
        (7, "neither a JSON object nor a list"),
    ],
)
def test_what_is_wrong_is_named_and_no_key_repeated(
    api: Api, body: Any, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = add(api, body)
    assert answer.status_code == 400
    assert why in answer.json()["detail"]
    assert KEY[:8] not in answer.text + caplog.text
    assert api.get(LIST).json()["credentials"] == []


def test_the_longest_identity_and_key_are_kept(api: Api) -> None:
    identity = "ä" * 64
    add(api, {"endpoint": "e" * 255, "server": psk(identity, "fF" * 64)})
    found = api.service.security.admission().psk(identity.encode())
    assert found == (b"\xff" * 64, ("e" * 255,))


def test_a_pinned_certificate_is_shown_by_its_facts(api: Api) -> None:
    made = made_certificate("whatever", None)
    for endpoint, text in (("a", made.pem.decode()), ("b", b64encode(made.der).decode())):
        answer = add(api, {"endpoint": endpoint, "server": {"mode": "X509", "certificate": text}})
        assert answer.status_code == 201
        assert answer.json()["server"] == {
            "mode": "X509",
            "certificate": {
                "subject": "CN=whatever",
                "sha256": made.sha256,
                "not_before": "2020-01-01T00:00:00Z",
                "not_after": "2119-12-08T00:00:00Z",
            },
        }
        assert api.ask("DELETE", f"{LIST}/{endpoint}").status_code == 204


def test_what_can_not_be_pinned(api: Api) -> None:
    made = made_certificate("a", None)
    curve = made_certificate("a", None, curve=ec.SECP521R1())
    texts = {
        (made.pem + made.key_pem).decode(): "private key",
        (made.pem * 2).decode(): "2 certificates, one is needed",
        curve.pem.decode(): "has a key of secp521r1, allowed are secp256r1 and secp384r1",
    }
    for text, why in texts.items():
        answer = add(api, {"endpoint": "a", "server": {"mode": "X509", "certificate": text}})
        assert answer.status_code == 400
        assert why in answer.json()["detail"]


def test_anchors_come_and_go(api: Api) -> None:
    one, two = (made_certificate(name, None, is_authority=True) for name in ("one", "two"))
    answer = api.ask("POST", TRUST, content=one.pem + two.pem)
    assert answer.status_code == 201
    shown = answer.json()["anchors"]
    assert [anchor["subject"] for anchor in shown] == ["CN=one", "CN=two"]
    assert {anchor["tenant"] for anchor in shown} == {"default"}
    listed = api.get(TRUST).json()["anchors"]
    assert sorted(anchor["sha256"] for anchor in listed) == sorted([one.sha256, two.sha256])
    assert api.ask("POST", TRUST, content=one.pem).status_code == 201
    assert len(api.get(TRUST).json()["anchors"]) == 2
    assert api.ask("DELETE", f"{TRUST}/{one.sha256.upper()}").status_code == 204
    assert [anchor["subject"] for anchor in api.get(TRUST).json()["anchors"]] == ["CN=two"]
    assert api.ask("DELETE", f"{TRUST}/{one.sha256}").status_code == 404


def test_what_is_no_anchor(api: Api) -> None:
    leaf = made_certificate("leaf", None)
    authority = made_certificate("ca", None, is_authority=True)
    bodies = {
        b"": "no PEM certificate",
        b"\xff\x00": "no PEM certificate",
        leaf.pem: "not that of a certificate authority",
        authority.pem + leaf.pem: "not that of a certificate authority",
        authority.pem + authority.key_pem: "private key",
    }
    for body, why in bodies.items():
        answer = api.ask("POST", TRUST, content=body)
        assert answer.status_code == 400
        assert why in answer.json()["detail"]
    assert api.get(TRUST).json() == {"anchors": []}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", LIST), ("PUT", f"{LIST}/a"), ("DELETE", f"{LIST}/a"), ("POST", TRUST),
        ("DELETE", f"{TRUST}/00"),
    ],
)  # fmt: skip
def test_only_an_admin_writes(api: Api, method: str, path: str) -> None:
    assert api.ask(method, path, "operate").status_code == 403


def test_what_the_store_refuses_is_a_503(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*changes: Any) -> None:
        raise StoreError("no space left")

    monkeypatch.setattr(api.service.security.credentials._fleet, "apply", full)
    assert add(api, {"endpoint": "a", "server": psk()}).status_code == 503
    monkeypatch.undo()
    assert api.get(LIST).json()["credentials"] == []
    assert add(api, {"endpoint": "a", "server": psk()}).status_code == 201


def thingsboard(endpoint: str, identity: str, key: str = "0f" * 16) -> dict[str, Any]:
    fields = {"endpoint": endpoint, "identity": identity, "key": key}
    half = {"securityMode": "NO_SEC"}
    return {
        "client": {"securityConfigClientMode": "PSK", **fields},
        "bootstrap": {"bootstrapServer": half, "lwm2mServer": half},
    }


def test_credentials_come_in_thingsboards_form_too(api: Api) -> None:
    made = add(api, thingsboard("dev-9", "id-9"))
    assert (made.status_code, made.json()["server"]) == (201, {"mode": "PSK", "identity": "id-9"})
    assert api.service.security.credentials.psk(b"id-9") == (b"\x0f" * 16, "dev-9")
    mixed = [thingsboard("dev-8", "id-8"), {"endpoint": "dev-7", "server": {"mode": "NO_SEC"}}]
    assert add(api, mixed).json()["added"] == 2
    put = api.ask("PUT", "/api/v1/credentials/dev-9", json=thingsboard("dev-9", "id-10"))
    assert put.json()["server"]["identity"] == "id-10"
    wrong = api.ask("PUT", "/api/v1/credentials/dev-8", json=thingsboard("dev-9", "id-11"))
    assert wrong.status_code == 400


def test_what_thingsboard_refuses_is_a_400(api: Api) -> None:
    wrong = add(api, [thingsboard("a", "b"), thingsboard("dev-9", "id-9", "00ff")])
    assert wrong.status_code == 400
    assert wrong.json()["detail"].startswith("credential 1: client.key has 4 hex digits")
    assert api.service.security.credential("a") is None
    # Of its own form a key may have any length.
    assert add(api, {"endpoint": "a", "server": psk("b", "00ff")}).status_code == 201


def test_a_psk_is_found_by_its_identity_and_its_endpoint(api: Api) -> None:
    add(api, thingsboard("dev-9", "id-9"))
    add(api, {"endpoint": "dev-8", "bootstrap": psk("id-8")})
    for identity, endpoint in (("id-9", "dev-9"), ("id-8", "dev-8")):
        found = api.get("/api/v1/credentials", params={"identity": identity}).json()
        assert [one["endpoint"] for one in found["credentials"]] == [endpoint]
        assert api.get(f"/api/v1/credentials/{endpoint}").json() == found["credentials"][0]
    for identity in ("dev-9", "nobody", ""):
        found = api.get("/api/v1/credentials", params={"identity": identity}).json()
        assert found == {"credentials": [], "next_after": None}
