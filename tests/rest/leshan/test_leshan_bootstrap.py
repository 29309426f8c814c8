"""Leshan's bootstrap server: /api/bootstrap, its credentials under /bs, its event stream."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from leshan_service import Face, LeshanService, event

from lwm2m_fast.config import Config
from lwm2m_fast.fleet.tokens import Role
from lwm2m_fast.rest.app import create_app
from lwm2m_fast.rest.leshan.bootstrap_events import told
from lwm2m_fast.rest.leshan.bootstrap_json import MAX_BYTES, Here, given_of, shown
from tests.certificate_kit import made_certificate
from tests.rest.leshan.bootstrap_bodies import (
    BS,
    KEY,
    OWN_KEY,
    body_of,
    ints,
    own_account,
    psk_account,
    server_of,
)

ONE = "/api/bootstrap/dev-1"
CLIENTS = "/bs/api/security/clients"
HERE = Here(BS, BS.replace("coap:", "coaps:"), b"our certificate", 432_000, 1)


TWO_OWN = {"0": own_account(), "1": psk_account(), "2": own_account()}


class House(Face):
    """The face over one service, that device and bootstrap credentials share a store with."""

    def __init__(self) -> None:
        service = LeshanService("dev-1")
        service.security = service.provisioned.security
        super().__init__(service)
        config = Config(http={"leshan_api": True}, bootstrap={"uri": BS})
        self.app = create_app(service, self.tokens, config)

    def post(self, body: Any, base: str = "", endpoint: str = "dev-1") -> Any:
        return self.ask("POST", f"{base}/api/bootstrap/{endpoint}", json=body)

    def put(self, endpoint: str = "dev-1", key: str = OWN_KEY) -> Any:
        details = {"identity": endpoint, "key": key}
        body = {"endpoint": endpoint, "tls": {"mode": "psk", "details": details}}
        return self.ask("PUT", CLIENTS + "/", json=body)

    def configured(self, endpoint: str = "dev-1") -> Any:
        found = self.service.provisioned.registry.get(endpoint)
        return None if found is None else found.configuration

    def key(self, identity: str, side: str) -> bytes | None:
        found = self.service.security.admission(side).psk(identity.encode())
        return None if found is None else found[0]


@pytest.fixture
def house() -> House:
    return House()


def refusal(house: House, body: Any) -> str:
    answer = house.post(body)
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    assert house.configured() is None
    return str(answer.text)


# What zephyr's suite does


def test_zephyrs_device_bootstraps_with_one_key_and_registers_with_another(house: House) -> None:
    assert house.put().status_code == 200
    answer = house.post(body_of(), "/bs")
    assert (answer.status_code, answer.text) == (200, "")
    assert house.key("dev-1", "bootstrap") == bytes.fromhex(OWN_KEY)
    assert house.key("dev-1", "server") == KEY
    configured = house.configured()
    assert configured.bootstrap_security.security_mode == "PSK"
    assert configured.lwm2m_server_uri == "coaps://192.0.2.1:5684"
    assert (configured.lwm2m_short_server_id, configured.registration_lifetime) == (1, 86400)
    assert configured.default_minimum_period == 1
    assert configured.notification_if_disabled is False
    assert configured.client_hold_off_time == 1
    assert house.ask("DELETE", f"{CLIENTS}/dev-1").status_code == 200
    assert house.ask("DELETE", "/bs" + ONE).status_code == 404  # it may bootstrap no longer


def test_the_other_order_comes_to_the_same(house: House) -> None:
    house.post(body_of())
    assert house.configured().bootstrap_security.security_mode == "NO_SEC"
    assert house.put().status_code == 200
    assert house.configured().bootstrap_security.security_mode == "PSK"
    assert house.key("dev-1", "bootstrap") == bytes.fromhex(OWN_KEY)
    assert house.key("dev-1", "server") == KEY


# Configurations


def test_a_configuration_is_shown_as_it_was_given_but_for_its_keys(house: House) -> None:
    house.post(body_of())
    shown = house.get(ONE).json()
    assert house.get("/api/bootstrap").json() == {"dev-1": shown}
    assert house.get("/bs/api/bootstrap").json() == {"dev-1": shown}
    (server,) = shown["servers"].values()
    assert server == {
        **server_of(), "defaultMaxPeriod": None, "disableTimeout": None,
    }  # fmt: skip
    (account,) = shown["security"].values()
    assert account["secretKey"] == []
    assert account["publicKeyOrId"] == ints(b"dev-1")
    assert (account["serverId"], account["clientOldOffTime"]) == (1, 1)
    assert KEY.hex() not in house.get(ONE).text and str(ints(KEY)) not in house.get(ONE).text


def test_what_is_shown_can_be_given_again() -> None:
    body = body_of(servers={"0": server_of(), "1": server_of(7)}, security={
        "0": own_account(), "1": psk_account(), "2": {**psk_account(7), "clientOldOffTime": None},
    })  # fmt: skip
    given = given_of("dev-1", body, HERE)
    security = {**given["serverSecurity"], "pskKey": None}
    again = shown({**given, "serverSecurity": security}, HERE)
    for account in again["security"].values():  # keys do not come out
        account["secretKey"] = ints(OWN_KEY.encode() if account["bootstrapServer"] else KEY)
    again["security"]["0"]["secretKey"] = body["security"]["0"]["secretKey"]
    assert given_of("dev-1", again, HERE) == given


def test_several_servers_become_further_ones(house: House) -> None:
    other = {"uri": "coap://192.0.2.9", "bootstrapServer": False, "securityMode": "NO_SEC"}
    body = body_of(
        servers={"10": server_of(7, lifetime=60), "2": server_of()},
        security={"1": psk_account(), "0": {**other, "serverId": 7}},
    )
    assert house.post(body).status_code == 200
    configured = house.configured()
    assert configured.lwm2m_short_server_id == 1  # of the lowest instance
    (further,) = configured.further_servers
    assert (further.server_id, further.uri) == (7, "coap://192.0.2.9")
    assert (further.registration_lifetime, further.security.security_mode) == (60, "NO_SEC")


def test_a_second_post_replaces_all_of_the_first(house: House) -> None:
    house.post(body_of(
        servers={"0": server_of(disableTimeout=9), "1": server_of(7)},
        security={"0": psk_account(), "1": psk_account(7)},
    ))  # fmt: skip
    plain = {"uri": "coap://192.0.2.1", "securityMode": "NO_SEC", "serverId": 1}
    body = {"servers": {"0": {"shortId": 1}}, "security": {"0": plain}}
    assert house.post(body).status_code == 200
    configured = house.configured()
    assert configured.server_security.security_mode == "NO_SEC"
    assert configured.server_security.psk_id is None
    assert configured.disable_timeout is None and configured.further_servers == ()
    assert configured.registration_lifetime is None and configured.binding_mode == "U"
    assert house.key("dev-1", "server") is None


def test_an_account_of_the_bootstrap_server_is_how_a_device_comes_to_it(house: House) -> None:
    body = body_of(security={"0": own_account(), "1": psk_account()})
    refused = house.post(body)
    assert refused.status_code == 400 and "bootstrap.secure_uri" in refused.text
    body["security"]["0"] = {"uri": BS, "bootstrapServer": True, "securityMode": "NO_SEC"}
    assert house.post(body).status_code == 200
    assert house.configured().generate_bootstrap_server_config is True
    assert house.configured().bootstrap_security.security_mode == "NO_SEC"
    shown = house.get(ONE).json()["security"]
    assert [shown["0"]["bootstrapServer"], shown["1"]["bootstrapServer"]] == [True, False]


def test_certificates_come_as_der(house: House) -> None:
    authority = made_certificate("the ca", None, is_authority=True)
    made = made_certificate("dev-1", authority)
    key = made.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    account = {
        "uri": "coaps://192.0.2.1", "securityMode": "X509", "serverId": 1,
        "publicKeyOrId": ints(made.der), "secretKey": ints(key), "certificateUsage": 3,
    }  # fmt: skip
    assert house.post(body_of(security={"1": account})).status_code == 200
    security = house.configured().server_security
    assert security.certificate_usage == "DOMAIN_ISSUER_CERTIFICATE"
    assert house.get(ONE).json()["security"]["0"]["publicKeyOrId"] == ints(made.der)
    again = {**account, "serverPublicKey": ints(b"another's")}
    answer = house.post(body_of(security={"1": again}))
    assert answer.status_code == 400 and "not this server's certificate" in answer.text


def test_the_servers_own_certificate_is_its_name() -> None:
    account = {
        "uri": "coaps://192.0.2.1", "securityMode": "X509", "serverId": 1,
        "serverPublicKey": ints(b"our certificate"),
    }  # fmt: skip
    given = given_of("dev-1", body_of(security={"1": account}), HERE)
    assert given["serverSecurity"]["x509ServerCertificateName"] == "default"


@pytest.mark.parametrize("paths", [["/0", "/1"], ["/0/3", "/1/65535"], [], None])
def test_what_is_to_be_deleted_in_objects_0_and_1_says_nothing(house: House, paths: Any) -> None:
    assert house.post(body_of(toDelete=paths)).status_code == 200
    assert house.get(ONE).json()["toDelete"] == []


def test_what_else_is_deleted_and_access_control_is_written_and_shown_again(house: House) -> None:
    acls = {
        "0": {"objectId": 3, "objectInstanceId": 0, "acls": {"1": 15}, "AccessControlOwner": 1},
        "4": {"objectId": 3303, "acls": {"7": 1, "0": 2}},
    }
    assert house.post(body_of(toDelete=["/2", "/0", "/3303/0"], acls=acls)).status_code == 200
    steps = house.configured().bootstrap_steps
    assert steps.deletes == ("/2", "/3303/0")
    assert steps.writes["/2/0"] == {"0": 3, "1": 0, "2": {"1": 15}, "3": 1}
    shown = house.get(ONE).json()
    assert (shown["toDelete"], shown["acls"]) == (["/2", "/3303/0"], acls)
    # The next one replaces all of it.
    assert house.post(body_of(acls={"0": {"objectId": 1}})).status_code == 200
    shown = house.get(ONE).json()
    assert (shown["toDelete"], shown["acls"]) == ([], {"0": {"objectId": 1}})


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"acls": {"0": {"rights": 3}}}, "acls.0.rights is not known"),
        ({"acls": {"0": 1}}, "acls.0 is no JSON object"),
        ({"acls": {"0": {"acls": 1}}}, "acls.0.acls is no JSON object of rights"),
        ({"acls": {"a": {"objectId": 3}}}, "'/2/a' is not an object instance"),
        ({"acls": {"0": {"objectId": "x"}}}, "/2/0/0: 'x' is not INTEGER"),
        ({"acls": [1]}, "acls is no JSON object"),
        ({"oscore": {"0": {}}}, "'oscore' cannot be held here"),
        ({"contentFormat": "TLV"}, "'contentFormat' cannot be held here"),
        ({"toDelete": ["/3/0/1"]}, "'/3/0/1' is not /, an object or an object instance"),
        ({"toDelete": "/0"}, "toDelete is no list"),
        ({"servers": {}}, "serverId is no shortId in servers"),
        ({"servers": {}, "security": {}}, "nothing to write"),
        ({"servers": {"a": server_of()}}, "servers has 'a', which is no instance id"),
        ({"servers": [server_of()]}, "servers is no JSON object"),
        ({"servers": {"0": 1}}, "servers.0 is no JSON object"),
        ({"servers": {str(n): server_of(n) for n in range(65)}}, "servers has 65 instances"),
        ({"security": {str(n): psk_account(n) for n in range(65)}}, "security has 65 instances"),
        ({"servers": {"0": server_of(2)}}, "servers.0.shortId is 2: one entry of security"),
        ({"servers": {"0": server_of(muteSend=True)}}, "'servers.0.muteSend' cannot be held"),
        ({"servers": {"0": server_of(binding="T")}}, "bindingMode"),
        ({"servers": {"0": server_of(lifetime="60")}}, "registrationLifetime"),
        ({"security": {"1": psk_account(securityMode="RPK")}}, "'RPK', this server has NO_SEC"),
        ({"security": {"1": psk_account(uri=None)}}, "security.1.uri is missing"),
        ({"security": {"1": psk_account(uri="coap://a")}}, "must be coaps://"),
        ({"security": {"1": psk_account(secretKey=[])}}, "needs publicKeyOrId and secretKey"),
        ({"security": {"1": psk_account(secretKey=[256])}}, "something else than bytes"),
        ({"security": {"1": psk_account(secretKey=[True])}}, "something else than bytes"),
        ({"security": {"1": psk_account(secretKey="00ff")}}, "is no list of up to"),
        ({"security": {"1": psk_account(secretKey=[1] * (MAX_BYTES + 1))}}, "is no list of up to"),
        ({"security": {"1": psk_account(publicKeyOrId=[255])}}, "is not UTF-8"),
        ({"security": {"1": psk_account(smsSecurityMode="SMS")}}, "smsSecurityMode' cannot be"),
        ({"security": {"1": psk_account(securityMode="NO_SEC")}}, "NO_SEC has no use for"),
        ({"security": TWO_OWN}, "two accounts of the bootstrap server"),
        ({"security": {"1": psk_account(), "2": psk_account()}}, "here 2 have"),
        ({"security": {"1": psk_account(), "2": psk_account(9)}}, "security.2.serverId is no"),
        ({"security": {"1": psk_account(bootstrapServerAccountTimeout=5)}}, "account only"),
    ],
)  # fmt: skip
def test_what_cannot_be_held_is_refused_with_its_name(
    house: House, change: dict[str, Any], why: str
) -> None:
    assert why in refusal(house, body_of(**change))


def test_a_key_is_in_no_refusal(house: House) -> None:
    text = refusal(house, body_of(security={"1": psk_account(secretKey=[65] * 65)}))
    assert "41" * 8 not in text and "65, 65" not in text


def test_a_deleted_configuration_leaves_what_the_device_registers_with(house: House) -> None:
    house.post(body_of())
    assert house.ask("DELETE", ONE).status_code == 204
    assert house.get("/api/bootstrap").json() == {}
    assert house.get(ONE).status_code == 404
    assert house.ask("DELETE", ONE).status_code == 404
    assert house.key("dev-1", "server") == KEY
    assert house.post(body_of()).status_code == 200
    assert list(house.get("/api/bootstrap").json()) == ["dev-1"]


def test_a_credential_of_the_server_from_before_is_replaced(house: House) -> None:
    details = {"identity": "dev-1", "key": "00ff"}
    body = {"endpoint": "dev-1", "tls": {"mode": "psk", "details": details}}
    house.ask("PUT", "/api/security/clients", json=body)
    assert house.post(body_of()).status_code == 200
    assert house.key("dev-1", "server") == KEY
    assert len(house.service.security.credentials) == 1


def test_the_devices_of_another_tenant_are_not_there(house: House) -> None:
    house.post(body_of())
    house.tokens.add("theirs", Role.ADMIN, "another-secret", now=0.0, tenant="acme")
    theirs = {"Authorization": "Bearer another-secret"}
    assert house.ask("GET", "/api/bootstrap", None, headers=theirs).json() == {}
    assert house.ask("GET", ONE, None, headers=theirs).status_code == 400
    assert house.ask("POST", ONE, None, headers=theirs, json=body_of()).status_code == 400
    assert house.ask("GET", CLIENTS, None, headers=theirs).json() == []
    assert house.configured() is not None


def test_it_takes_an_admin_to_configure(house: House) -> None:
    assert house.ask("POST", ONE, "operate", json=body_of()).status_code == 403
    assert house.ask("DELETE", ONE, "operate").status_code == 403
    assert house.ask("PUT", CLIENTS, "operate", json={}).status_code == 403
    assert house.configured() is None


# How devices come to it


def test_credentials_of_the_two_servers_are_apart(house: House) -> None:
    house.put()
    assert house.get("/api/security/clients").json() == []
    details = {"identity": "dev-1"}
    assert house.get(CLIENTS).json() == [
        {"endpoint": "dev-1", "tls": {"mode": "psk", "details": details}}
    ]
    gone = house.ask("DELETE", f"{CLIENTS}/dev-1")
    assert (gone.status_code, gone.text) == (200, "")
    again = house.ask("DELETE", f"{CLIENTS}/dev-1")
    assert again.json() == {"message": "not_found"}
    assert len(house.service.security.credentials) == 0


def test_a_removed_credential_leaves_the_other_side(house: House) -> None:
    house.put()
    body = {"endpoint": "dev-1", "tls": {"mode": "x509"}}
    house.ask("PUT", "/api/security/clients", json=body)
    house.ask("DELETE", f"{CLIENTS}/dev-1")
    assert house.get("/api/security/clients").json() == [body]


def test_a_device_whose_credential_was_removed_may_not_come_without_one(house: House) -> None:
    house.put()
    house.post(body_of())
    house.ask("DELETE", f"{CLIENTS}/dev-1")
    assert house.configured().bootstrap_security is None
    assert house.key("dev-1", "bootstrap") is None
    assert house.key("dev-1", "server") == KEY


# The server and its events


def test_where_it_is_reached(house: House) -> None:
    shown = house.get("/bs/api/server/endpoint").json()
    assert [one["uri"]["full"] for one in shown] == ["coap://0.0.0.0:5683", "coaps://0.0.0.0:5684"]
    assert house.get("/bs/api/server/security").json() == {}
    assert house.get("/bs/api/security/server/").json() == {}


def heard(house: House, kind: str, **data: Any) -> list[dict[str, Any]]:
    found = list(told(house.app.state.context, event(kind, data)))
    assert all(one.name == "BSSESSION" for one in found)
    return [one.data for one in found]


def test_a_bootstrap_begins_with_a_session(house: House) -> None:
    begun = heard(house, "bootstrap_started")
    assert [one["name"] for one in begun] == ["new session", "authorized"]
    assert begun[0] == {
        "name": "new session", "endpoint": "dev-1", "time": 1700000000500, "message": None,
    }  # fmt: skip


def test_a_bootstrap_ends_with_all_that_was_asked(house: House) -> None:
    steps = [
        {"step": "DISCOVER /", "result": "4.04"},
        {"step": "DELETE /0", "result": "2.02"},
        {"step": "WRITE /0/1", "result": "2.04"},
        {"step": "FINISH /bs", "result": "timeout"},
    ]
    ended = heard(house, "bootstrap_failed", steps=steps, reason="FINISH /bs: no answer")
    assert [one["name"] for one in ended] == [
        "send discover", "receive error response",
        "send delete", "receive success response",
        "send write", "receive success response",
        "send request", "request failure",
        "failed",
    ]  # fmt: skip
    assert ended[-1]["message"] == "FINISH /bs: no answer"
    assert heard(house, "bootstrap_finished")[-1]["name"] == "finished"


def test_a_refused_device_is_unauthorized(house: House) -> None:
    refused = heard(house, "bootstrap_failed", reason="no bootstrap is configured", refused=True)
    assert [one["name"] for one in refused] == ["new session", "unauthorized"]
    assert refused[-1]["message"] == "no bootstrap is configured"


def test_other_events_are_not_told(house: House) -> None:
    assert heard(house, "registered") == []


def test_without_the_setting_there_is_none_of_it() -> None:
    service = LeshanService("dev-1")
    other = Face(service)
    other.app = create_app(service, other.tokens, Config())
    for path in ("/api/bootstrap", "/bs/api/bootstrap", CLIENTS):
        assert other.get(path).status_code == 404
