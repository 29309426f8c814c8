"""Device profiles: both shapes are one profile, and what is wrong is refused by its name (P17)."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from profile_samples import EXPORTED, NEWER, OLDER, changed

from lwm2m_fast.errors import StoreError
from lwm2m_fast.fleet.configuration import ConfigurationError
from lwm2m_fast.fleet.profile_fields import MAX_KEY_CHARACTERS, MAX_PATHS, Attributes
from lwm2m_fast.fleet.profiles import (
    MAX_PROFILE_BYTES,
    as_bytes,
    as_json,
    from_bytes,
    path_of_key,
    read,
    warnings_of,
)
from tests.certificate_kit import made_certificate

SPKI = b64encode(
    ec.generate_private_key(ec.SECP256R1())
    .public_key()
    .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
).decode()


@pytest.fixture(scope="module")
def certificate() -> str:
    return b64encode(made_certificate("server", None).der).decode()


def refused(given: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read(given)
    return str(caught.value)


def test_both_shapes_are_one_profile() -> None:
    older = read(OLDER)
    assert older == read(NEWER)
    (server,) = older.servers
    assert (server.short_server_id, server.host, server.port) == (123, "localhost", 5685)
    assert older.observe_attr.key_name["/3/0/9"] == "batLevel01InMedmoryTest"
    assert older.client_settings.client_only_observe_after_connect == 1


@pytest.mark.parametrize(
    "given",
    [
        EXPORTED,
        EXPORTED["profileData"],
        {"transportConfiguration": OLDER},
        {**NEWER, "compositeOperationsSupport": True, "new": [{"a": 1}]},
        changed(NEWER, bootstrap__0__colour="red", observeAttr__new={}),
        {**NEWER, "bootstrap": NEWER["bootstrap"][::-1]},
        changed(NEWER, bootstrap__1__shortServerId=111),
        changed(NEWER, bootstrap__1__lifetime="never"),  # which says nothing of that server
        changed(NEWER, observeAttr__observeStrategy=0),
        changed(NEWER, bootstrap__0__host="LOCALHOST"),
    ],
)
def test_wrapping_unknown_fields_and_order_change_nothing(given: Any) -> None:
    assert read(given) == read(OLDER)


def test_what_is_kept_and_shown_is_the_same_profile() -> None:
    given = changed(
        OLDER, observeAttr__attributeLwm2m={"/3/0": {"pmin": 5, "st": 0.5, "dim": 2}}
    )  # fmt: skip
    profile = read(given)
    assert from_bytes("p", as_bytes(profile)) == profile
    shown = as_json(profile)
    assert shown["type"] == "LWM2M"
    assert shown["observeAttr"]["attributeLwm2m"] == {"/3/0": {"pmin": 5, "st": 0.5}}
    assert [each.get("shortServerId") for each in shown["bootstrap"]] == [None, 123]


def test_an_empty_profile_has_the_defaults() -> None:
    profile = read({})
    assert (profile.servers, profile.bootstrap_server) == ((), None)
    assert profile.observe_attr.observe_strategy == "SINGLE"
    assert profile.client_settings.default_object_id_ver == "1.0"


def test_a_server_has_the_defaults_of_todays_form() -> None:
    (server,) = read({"bootstrap": [{"securityMode": "PSK", "host": "h", "port": 1}]}).servers
    assert (server.short_server_id, server.lifetime, server.default_min_period) == (123, 300, 1)
    assert (server.client_hold_off_time, server.notif_if_disabled, server.binding) == (1, True, "U")
    assert server.uri("h") == "coaps://h:1"


@pytest.mark.parametrize(
    ("only", "update", "meant"),
    [(True, True, 1), (True, False, 1), (False, True, 3), (False, False, 2), (2, None, 2)],
)
def test_how_a_device_begins_is_read_from_flags_and_numbers(
    only: Any, update: Any, meant: int
) -> None:
    settings = {
        "clientOnlyObserveAfterConnect": only,
        "clientUpdateValueAfterConnect": update,
    }
    assert read({"clientLwM2mSettings": settings}).client_settings == read(
        {"clientLwM2mSettings": {"clientOnlyObserveAfterConnect": meant}}
    ).client_settings  # fmt: skip


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "the body must be an object"),
        ({"type": "MQTT"}, "type is 'MQTT': profiles of LWM2M"),
        ({"profileData": {"transportConfiguration": {"type": "DEFAULT"}}},
         "profileData.transportConfiguration.type is 'DEFAULT'"),
        ({"observeAttr": []}, "observeAttr must be an object"),
        ({"bootstrap": "x"}, "bootstrap must be an object"),
        ({"bootstrap": [1]}, "bootstrap.0 must be an object"),
        ({"bootstrap": [{}]}, "bootstrap.0.securityMode is missing; bootstrap.0.host is missing"),
        (changed(NEWER, bootstrap__0__securityMode="OSCORE"),
         "bootstrap.0.securityMode is 'OSCORE': input should be 'NO_SEC', 'PSK', 'RPK' or 'X509'"),
        (changed(NEWER, bootstrap__0__port=0), "bootstrap.0.port is 0: "),
        (changed(NEWER, bootstrap__0__port=65536), "bootstrap.0.port is 65536: "),
        (changed(NEWER, bootstrap__0__port="5685"), "bootstrap.0.port is '5685': "),
        (changed(NEWER, bootstrap__0__port=True), "bootstrap.0.port is True: "),
        (changed(NEWER, bootstrap__0__shortServerId=65535), "bootstrap.0.shortServerId is 65535"),
        (changed(NEWER, bootstrap__0__shortServerId=0), "bootstrap.0.shortServerId is 0"),
        (changed(NEWER, bootstrap__1__shortServerId="a"), "bootstrap.1.shortServerId is 'a'"),
        (changed(NEWER, bootstrap__0__lifetime=-1), "bootstrap.0.lifetime is -1"),
        (changed(NEWER, bootstrap__0__binding="T"), "bootstrap.0.binding is 'T': "),
        (changed(NEWER, bootstrap__0__host="coap://h"), "bootstrap.0.host is 'coap://h': a host"),
        (changed(NEWER, bootstrap__0__host=""), "bootstrap.0.host is ''"),
        (changed(NEWER, bootstrap__0__host="0"), "bootstrap.0.host is '0'"),
        (changed(NEWER, bootstrap__0__host="h.0x0"), "bootstrap.0.host is 'h.0x0'"),
        (changed(NEWER, bootstrap__0__host="fe80::1%eth0"), "bootstrap.0.host is 'fe80::1%eth0'"),
        (changed(NEWER, bootstrap__0__serverPublicKey="%%"),
         "bootstrap.0.serverPublicKey is '%%': is not base64"),
        (changed(NEWER, bootstrap__0__securityMode="RPK"),
         "bootstrap.0.serverPublicKey is missing, which security mode RPK needs"),
        (changed(NEWER, bootstrap__0__securityMode="X509", bootstrap__0__serverCertificate="AAAA"),
         "bootstrap.0.serverCertificate is no certificate for X509"),
        (changed(NEWER, bootstrap__0__securityMode="RPK", bootstrap__0__serverPublicKey="AAAA"),
         "bootstrap.0.serverPublicKey is not the public key"),
        (changed(NEWER, bootstrap__1__host="localhost", bootstrap__1__port=5685),
         "bootstrap.0.port is 5685: localhost:5685 is another server's already"),
        (changed(OLDER, bootstrap__lwm2mServer__port=70000),
         "bootstrap.lwm2mServer.port is 70000"),
        (changed(OLDER, bootstrap__servers__lifetime=-1), "bootstrap.servers.lifetime is -1"),
        (changed(OLDER, bootstrap__servers__shortId=0, bootstrap__lwm2mServer__serverId=0),
         "bootstrap.servers.shortId is 0"),
        (changed(OLDER, bootstrap__servers={}, bootstrap__lwm2mServer__serverId=0),
         "bootstrap.lwm2mServer.serverId is 0"),
        (changed(OLDER, bootstrap__lwm2mServer__lifetime=-2),
         "bootstrap.lwm2mServer.lifetime is -2"),
        (changed(OLDER, bootstrap__lwm2mServer__serverId=5),
         "bootstrap.lwm2mServer.serverId is 5, but bootstrap.servers.shortId is 123"),
        (changed(OLDER, bootstrap__bootstrapServer__securityMode="x"),
         "bootstrap.bootstrapServer.securityMode is 'x'"),
        (changed(OLDER, bootstrap__servers=[]), "bootstrap.servers must be an object"),
        (changed(EXPORTED, profileData__transportConfiguration__bootstrap__0__port=0),
         "profileData.transportConfiguration.bootstrap.0.port is 0"),
        (changed(NEWER, observeAttr__observe=["/3/0/x"]), "observeAttr.observe is a list: a path"),
        (changed(NEWER, observeAttr__observe=["/0/0/1"]), "object 0"),
        (changed(NEWER, observeAttr__observe=["/3/1/9"]),
         "observeAttr.observe has /3/1/9: object 3 has instance 0 only"),
        (changed(NEWER, observeAttr__observe=["/3303/65536/5700"]), "0 to 65535"),
        (changed(NEWER, observeAttr__telemetry=["/3/0"]), "a resource is needed"),
        (changed(NEWER, observeAttr__keyName={"/3/0/9": 1}), "observeAttr.keyName./3/0/9 is 1: "),
        (changed(NEWER, observeAttr__keyName={"/3/0/9": "a", "/3_1.1/0/9": "b"}),
         "/3/0/9 is there with two values"),
        (changed(NEWER, observeAttr__observeStrategy=3), "observeAttr.observeStrategy is 3"),
        (changed(NEWER, observeAttr__attributeLwm2m={"/3": {"pmin": -1}}),
         "observeAttr.attributeLwm2m./3.pmin is -1"),
        (changed(NEWER, observeAttr__attributeLwm2m={"/3": {"pmin": 9, "pmax": 3}}),
         "observeAttr.attributeLwm2m./3.pmax is 3, less than pmin, 9"),
        (changed(NEWER, clientLwM2mSettings__powerMode="ON"), "powerMode is 'ON'"),
        (changed(NEWER, clientLwM2mSettings__fwUpdateStrategy=4), "fwUpdateStrategy is 4"),
        (changed(NEWER, clientLwM2mSettings__defaultObjectIDVer="2.0"), "ObjectIDVer is '2.0'"),
        (changed(OLDER, clientLwM2mSettings__clientUpdateValueAfterConnect=3),
         "clientLwM2mSettings.clientUpdateValueAfterConnect is 3"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_field_value_and_rule(given: Any, message: str) -> None:
    assert message in refused(given)


def test_all_that_is_wrong_is_told_at_once() -> None:
    said = refused(changed(NEWER, bootstrap__0__port=0, bootstrap__0__lifetime=-1))
    assert "port is 0" in said and "lifetime is -1" in said


def test_two_servers_differ_in_id_and_only_one_is_the_bootstrap_server() -> None:
    first = NEWER["bootstrap"][0]
    twice = {**NEWER, "bootstrap": [first, {**first, "port": 1}]}
    assert "bootstrap.1.shortServerId is 123, as another server's" in refused(twice)
    own = NEWER["bootstrap"][1]
    twice = {**NEWER, "bootstrap": [own, {**own, "port": 1}]}
    assert "bootstrap.1.bootstrapServerIs is true: only one" in refused(twice)


def test_what_a_server_proves_itself_with_is_read(certificate: str) -> None:
    x509 = changed(NEWER, bootstrap__0__securityMode="X509")
    for name in ("serverCertificate", "serverPublicKey"):  # older tools have only the second
        given = changed(x509, **{f"bootstrap__0__{name}": certificate})
        (server,) = read(given).servers
        assert b64encode(server.key).decode() == certificate
    rpk = changed(NEWER, bootstrap__0__securityMode="RPK", bootstrap__0__serverPublicKey=SPKI)
    assert b64encode(read(rpk).servers[0].key).decode() == SPKI
    assert "no raw public keys" in warnings_of(read(rpk))[1]


@pytest.mark.parametrize("count", [MAX_PATHS, MAX_PATHS + 1])
def test_paths_have_a_bound(count: int) -> None:
    paths = [f"/3303/{number}/5700" for number in range(count)]
    for name, given in (
        ("observe", paths),
        ("telemetry", paths),
        ("keyName", dict.fromkeys(paths, "k")),
        ("attributeLwm2m", {path: {"pmin": 1} for path in paths}),
    ):
        profile = {"observeAttr": {name: given}}
        if count > MAX_PATHS:
            assert f"observeAttr.{name}" in refused(profile)
        else:
            assert read(profile)


@pytest.mark.parametrize(("count", "is_ok"), [(9, True), (10, False)])
def test_servers_have_a_bound(count: int, is_ok: bool) -> None:
    servers = [
        {"securityMode": "NO_SEC", "host": "h", "port": 1 + n, "shortServerId": 1 + n}
        for n in range(count)
    ]
    if is_ok:
        assert len(read({"bootstrap": servers}).servers) == count
    else:
        assert "bootstrap is a list: " in refused({"bootstrap": servers})


def test_the_whole_has_a_bound() -> None:
    keys = {f"/3303/{n}/5700": "k" * MAX_KEY_CHARACTERS for n in range(450)}
    assert len(as_bytes(read({"observeAttr": {"keyName": keys}}))) <= MAX_PROFILE_BYTES
    keys = {f"/3303/{n}/5700": "k" * MAX_KEY_CHARACTERS for n in range(500)}
    assert f"allowed are {MAX_PROFILE_BYTES}" in refused({"observeAttr": {"keyName": keys}})
    long = {"observeAttr": {"keyName": {"/3/0/9": "k" * (MAX_KEY_CHARACTERS + 1)}}}
    assert "observeAttr.keyName./3/0/9" in refused(long)


def test_a_reserved_instance_is_taken_with_a_warning() -> None:
    profile = read({"observeAttr": {"observe": ["/3303/65534/5700"]}})
    assert warnings_of(profile) == []
    profile = read({"observeAttr": {"observe": ["/3303/65535/5700"]}})
    (told,) = warnings_of(profile)
    assert told.startswith("/3303/65535/5700: 65535 is reserved")


def test_a_bootstrap_server_that_will_not_be_written_is_told() -> None:
    assert read(NEWER).bootstrap_server is None
    assert "bootstrapServerUpdateEnable is not set" in warnings_of(read(NEWER))[0]
    enabled = read(changed(NEWER, bootstrapServerUpdateEnable=True))
    assert enabled.bootstrap_server is not None and enabled.bootstrap_server.port == 5687
    assert warnings_of(enabled) == []


def test_only_attributes_of_the_notification_class_are_kept() -> None:
    given = {"pmin": 1, "pmax": 9, "gt": 1, "lt": -1.5, "st": 2, "dim": 8, "ver": "1.0", "x": 1}
    found = read({"observeAttr": {"attributeLwm2m": {"/3_1.1/0/9": given}}}).observe_attr
    assert found.attribute_lwm2m == {"/3/0/9": Attributes(pmin=1, pmax=9, gt=1, lt=-1.5, st=2)}


def test_a_key_finds_its_paths() -> None:
    profile = read(OLDER)
    assert path_of_key(profile, "sensorValue") == ["/3303/1/5700"]
    assert path_of_key(profile, "sensorValue00") == ["/3303/0/5700", "/3303/123/5700"]
    assert path_of_key(profile, "nothing") == []


def test_a_stored_row_that_is_none_is_a_fault_of_the_store() -> None:
    for row in (b"", b"[]", orjson.dumps({"bootstrap": [{}]})):
        with pytest.raises(StoreError, match="the stored profile 'p' cannot be read"):
            from_bytes("p", row)
