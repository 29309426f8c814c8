"""A bootstrap by a device profile (row B10): bytes on the wire, addresses, who wins, what fails."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from dataclasses import dataclass
from typing import Any

import pytest
from bootstrap_kit import Bench, asked, begin

from lwm2m_fast.bootstrap.offers import NamedCertificates, Offers
from lwm2m_fast.core.accounts import Account, Configuration, security_nodes, server_nodes
from lwm2m_fast.errors import RequestError
from lwm2m_fast.fleet.configuration import read as read_configuration
from lwm2m_fast.fleet.profiles import read as read_profile
from tests.certificate_kit import made_certificate
from tests.fleet.profile_samples import NEWER, OLDER, changed
from tests.provisioning.provisioning_kit import Provisioned
from tests.scenario.scripted import CONTENT_FORMAT, number_bytes

CERTIFICATE = made_certificate("server", None).der
OWN_CERTIFICATE = made_certificate("our own", None).der
PLAIN: dict[str, Any] = {
    "endpointId": "dev-1",
    "bootstrapSecurity": {"bootstrapSecurityMode": "NO_SEC"},
    "serverSecurity": {"securityMode": "NO_SEC"},
    "deviceProfile": "p",
}
PSK = {"serverSecurity": {"securityMode": "PSK", "pskId": "id-1", "pskKey": "00ff"}}
X509 = {"serverSecurity": {"securityMode": "X509"}}
NO_KEYS = {3: b"", 4: b"", 5: b""}
"""Mandatory resources of object 0 that NO_SEC has nothing for."""


@dataclass
class Settings:
    uri: str | None = "coap://bs.example:6000"
    secure_uri: str | None = "coaps://sec.example:6001"
    default_lifetime_s: int = 432_000
    default_short_server_id: int = 1


def offers(profile: Any, settings: Settings | None = None, **more: Any) -> Offers:
    """What a device with this profile is given by a server with these settings."""
    world = Provisioned()
    world.registry.profiles.put("default", "p", read_profile(profile))
    asyncio.run(world.face.add({**PLAIN, **more}, "default"))
    certificates = NamedCertificates(None, lambda: OWN_CERTIFICATE)
    return Offers(world.registry, settings or Settings(), certificates, lambda endpoint: None)


def given(profile: Any, settings: Settings | None = None, **more: Any) -> tuple[Account, ...]:
    return offers(profile, settings, **more).configuration("dev-1").accounts


def refused(profile: Any, settings: Settings | None = None, **more: Any) -> str:
    with pytest.raises(RequestError) as caught:
        given(profile, settings, **more)
    return str(caught.value)


def security(account: Account) -> dict[int, Any]:
    return {node.path.ids[2]: node.value for node in security_nodes(account, 0)}


def server(account: Account) -> dict[int, Any]:
    return {node.path.ids[2]: node.value for node in server_nodes(account, 0)}


def writes(configuration: Configuration, content_format: int) -> list[tuple[str, bytes]]:
    """Path and payload of every Write that a device gets."""
    world = Bench()
    world.offers.configurations["dev-1"] = configuration
    device = world.device()
    begin(device, "dev-1", f"pct={content_format}")
    found = []
    while device.inbox:
        heard = asked(device)
        if heard.code == "0.01":
            known = [(CONTENT_FORMAT, number_bytes(40))]
            device.answer(heard, options=known, payload=b"</0/0>,</0/1>;ssid=123,</1/0>;ssid=123")
            continue
        if heard.code == "0.03":
            found.append((b"/".join(heard.path).decode(), heard.payload))
        device.answer(heard, "2.04")
    assert world.kinds() == ["bootstrap_started", "bootstrap_finished"]
    return found


@pytest.mark.parametrize("content_format", [11542, 110, 112])
@pytest.mark.parametrize("updates", [False, True])
@pytest.mark.parametrize("security", [{}, PSK], ids=["NO_SEC", "PSK"])
def test_both_shapes_are_the_same_bytes(
    content_format: int, updates: bool, security: dict[str, Any]
) -> None:
    mode = security["serverSecurity"]["securityMode"] if security else "NO_SEC"
    more = {"bootstrapServerUpdateEnable": updates, "bootstrap__lwm2mServer__securityMode": mode}
    older = offers(changed(OLDER, **more), **security).configuration("dev-1")
    more = {"bootstrapServerUpdateEnable": updates, "bootstrap__0__securityMode": mode}
    newer = offers(changed(NEWER, **more), **security).configuration("dev-1")
    found = writes(older, content_format)
    assert found == writes(newer, content_format)
    assert [path for path, _ in found] == [*["0/0"][: int(updates)], "0/1", "1/0"]
    assert not [payload for _, payload in found if b"0.0.0.0" in payload or b"localhost" in payload]


def test_an_account_is_what_the_profile_says() -> None:
    profile = changed(
        NEWER, bootstrap__0__lifetime=77, bootstrap__0__defaultMinPeriod=3,
        bootstrap__0__notifIfDisabled=False, bootstrap__0__binding="UQ",
        bootstrap__0__clientHoldOffTime=9, bootstrap__0__host="lwm2m.example",
    )  # fmt: skip
    (account,) = given(profile)
    assert security(account) == {
        0: "coap://lwm2m.example:5685", 1: False, 2: 3, **NO_KEYS, 10: 123, 11: 9,
    }  # fmt: skip
    assert server(account) == {0: 123, 1: 77, 2: 3, 6: False, 7: "UQ"}


def test_what_the_device_says_itself_wins() -> None:
    (account,) = given(
        changed(NEWER, bootstrap__0__binding="UQ"), lwm2mServerUri="coap://own:1",
        lwm2mShortServerId=7, registrationLifetime=60, defaultMinimumPeriod=0,
        defaultMaximumPeriod=99, notificationIfDisabled=False, bindingMode="U",
        clientHoldOffTime=0, disableTimeout=5,
    )  # fmt: skip
    assert security(account) == {0: "coap://own:1", 1: False, 2: 3, **NO_KEYS, 10: 7, 11: 0}
    assert server(account) == {0: 7, 1: 60, 2: 0, 3: 99, 5: 5, 6: False, 7: "U"}


def test_a_binding_mode_that_nobody_set_is_the_profiles_after_a_change_too() -> None:
    found = offers(changed(NEWER, bootstrap__0__binding="UQ"))
    world = Provisioned(found._registry._fleet)
    assert found.configuration("dev-1").accounts[0].terms.binding == "UQ"  # type: ignore[union-attr]
    asyncio.run(world.face.change("dev-1", {"registrationLifetime": 5}, "default"))
    terms = found.configuration("dev-1").accounts[0].terms
    assert terms is not None and (terms.binding, terms.lifetime_s) == ("UQ", 5)
    shown = world.face.device("dev-1", "default")
    assert shown is not None and "bindingMode" not in shown["configuration"]
    again = read_configuration(shown["configuration"])  # as from a file that was exported
    assert "binding_mode" not in again.model_fields_set
    own = {"deviceProfile": None, "lwm2mServerUri": "coap://own:1"}
    asyncio.run(world.face.change("dev-1", own, "default"))
    shown = world.face.device("dev-1", "default")
    assert shown is not None and shown["configuration"]["bindingMode"] == "U"


def test_identity_and_key_are_the_devices() -> None:
    profile = changed(
        NEWER, bootstrap__0__securityMode="PSK", bootstrap__0__serverPublicKey="AAAA"
    )  # fmt: skip
    (account,) = given(profile, **PSK)
    found = security(account)
    assert (found[0], found[2], found[3], found[5]) == (
        "coaps://sec.example:5685", 0, b"id-1", b"\x00\xff",
    )  # fmt: skip
    assert found[4] == b""  # with PSK a server has no key


@pytest.mark.parametrize("name", ["serverCertificate", "serverPublicKey"])
def test_the_servers_certificate_is_the_profiles_unless_the_device_names_one(name: str) -> None:
    text = b64encode(CERTIFICATE).decode()
    own = {"securityMode": "X509"}
    profile = changed(NEWER, **{f"bootstrap__0__{key}": value for key, value in own.items()})
    profile["bootstrap"][0][name] = text
    assert security(given(profile, **X509)[0])[4] == CERTIFICATE
    named = {"serverSecurity": {"securityMode": "X509", "x509ServerCertificateName": "default"}}
    assert security(given(profile, **named)[0])[4] == OWN_CERTIFICATE


# The bootstrap server's own account


def test_the_bootstrap_servers_account_is_written_only_if_the_profile_says_so() -> None:
    assert not any(account.is_bootstrap for account in given(NEWER))
    own, _ = given(changed(NEWER, bootstrapServerUpdateEnable=True))
    assert security(own) == {0: "coap://bs.example:6000", 1: True, 2: 3, **NO_KEYS, 11: 1, 12: 0}
    assert own.short_id is None


def test_the_device_may_want_it_by_itself() -> None:
    own, _ = given(NEWER, generateBootstrapServerConfig=True)
    assert security(own) == {0: "coap://bs.example:6000", 1: True, 2: 3, **NO_KEYS}


def test_its_address_times_and_certificate_are_the_profiles() -> None:
    profile = changed(
        NEWER, bootstrapServerUpdateEnable=True, bootstrap__1__host="bs2.example",
        bootstrap__1__clientHoldOffTime=5, bootstrap__1__bootstrapServerAccountTimeout=60,
        bootstrap__1__securityMode="X509",
        bootstrap__1__serverCertificate=b64encode(CERTIFICATE).decode(),
    )  # fmt: skip
    mode = {"bootstrapSecurityMode": "X509"}
    own, _ = given(profile, bootstrapSecurity=mode)
    assert security(own) == {
        0: "coaps://bs2.example:5687", 1: True, 2: 2, 4: CERTIFICATE, 11: 5, 12: 60,
    }  # fmt: skip
    times = {"clientHoldOffTime": 8, "bootstrapServerAccountTimeout": 9}
    own, _ = given(profile, bootstrapSecurity={**mode, **times})
    assert (security(own)[11], security(own)[12]) == (8, 9)


# Addresses


@pytest.mark.parametrize(
    ("host", "settings", "uri"),
    [
        ("0.0.0.0", Settings(), "coap://bs.example:5685"),
        ("::", Settings(), "coap://bs.example:5685"),
        ("[::]", Settings(), "coap://bs.example:5685"),
        ("::ffff:0.0.0.0", Settings(), "coap://bs.example:5685"),
        ("0.0.0.0", Settings(uri=None), "coap://sec.example:5685"),
        ("0.0.0.0", Settings(uri="coap://[2001:db8::1]:5683"), "coap://[2001:db8::1]:5685"),
        ("localhost", Settings(), "coap://bs.example:5685"),
        ("127.0.0.1", Settings(), "coap://bs.example:5685"),
        ("localhost", Settings(None, None), "coap://localhost:5685"),
        ("h.example", Settings(), "coap://h.example:5685"),
        ("2001:DB8::2", Settings(), "coap://[2001:db8::2]:5685"),
    ],
)
def test_a_device_is_sent_where_it_can_go(host: str, settings: Settings, uri: str) -> None:
    (account,) = given(changed(NEWER, bootstrap__0__host=host), settings)
    assert account.uri == uri


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_without_an_address_the_bootstrap_fails_and_says_what_to_set(host: str) -> None:
    nowhere = Settings(None, None)
    said = refused(changed(NEWER, bootstrap__0__host=host), nowhere)
    assert f"short id 123 in its profile has the host {host}" in said
    assert "bootstrap.uri, which says where devices find this machine, is not configured" in said
    enabled = changed(NEWER, bootstrapServerUpdateEnable=True)
    assert "the bootstrap server in its profile has the host 0.0.0.0" in refused(enabled, nowhere)
    secure = changed(NEWER, bootstrap__0__host=host, bootstrap__0__securityMode="PSK")
    assert "bootstrap.secure_uri" in refused(secure, nowhere, **PSK)


def test_a_device_with_an_address_of_its_own_needs_no_other() -> None:
    (account,) = given(
        changed(NEWER, bootstrap__0__host="0.0.0.0"), Settings(None, None),
        lwm2mServerUri="coap://own:1",
    )  # fmt: skip
    assert account.uri == "coap://own:1"


# Modes (2.3)


def test_modes_of_device_and_profile_must_agree() -> None:
    said = refused(NEWER, **PSK)
    assert said == (
        "serverSecurity of the device has the mode PSK, but its profile has NO_SEC for the server "
        "with the short id 123"
    )
    said = refused(
        changed(NEWER, bootstrapServerUpdateEnable=True, bootstrap__1__securityMode="PSK")
    )
    assert said == (
        "bootstrapSecurity of the device has the mode NO_SEC, but its profile has PSK for the "
        "bootstrap server"
    )


def test_a_failed_bootstrap_says_so_to_the_device_and_to_us() -> None:
    world = Bench()
    world.offers.error = refused(NEWER, **PSK)
    device = world.device()
    begin(device)
    device.hear_nothing()
    assert world.kinds() == ["bootstrap_failed"]
    assert world.reason().startswith("serverSecurity of the device has the mode PSK")


# Several servers

SECOND = {**NEWER["bootstrap"][0], "shortServerId": 5, "port": 1, "lifetime": 50}
THIRD = {**SECOND, "shortServerId": 6, "port": 2}
SEVERAL = {**NEWER, "bootstrap": [*NEWER["bootstrap"], SECOND, THIRD]}


def summary(accounts: tuple[Account, ...]) -> list[tuple[int | None, str, int]]:
    return [(one.short_id, one.uri, one.terms.lifetime_s) for one in accounts if one.terms]


def test_every_server_of_the_profile_is_written() -> None:
    assert summary(given(SEVERAL)) == [
        (123, "coap://bs.example:5685", 300),
        (5, "coap://bs.example:1", 50),
        (6, "coap://bs.example:2", 50),
    ]


def test_the_devices_own_fields_are_about_the_server_with_its_short_id() -> None:
    assert summary(given(SEVERAL, lwm2mShortServerId=5, registrationLifetime=9)) == [
        (5, "coap://bs.example:1", 9),
        (123, "coap://bs.example:5685", 300),
        (6, "coap://bs.example:2", 50),
    ]
    (first, *_) = summary(given(SEVERAL, lwm2mShortServerId=9))
    assert first == (9, "coap://bs.example:5685", 300)


def test_a_further_server_of_the_device_takes_the_place_of_the_profiles() -> None:
    other = {"uri": "coap://o", "serverId": 123, "security": {"securityMode": "NO_SEC"}}
    own = given(SEVERAL, lwm2mShortServerId=8, furtherServers=[other])
    assert [(short_id, uri) for short_id, uri, _ in summary(own)] == [
        (8, "coap://bs.example:1"), (6, "coap://bs.example:2"), (123, "coap://o"),
    ]  # fmt: skip


def test_a_profile_without_servers_leaves_it_to_the_device() -> None:
    assert "lwm2mServerUri is missing, and so is a server in its profile" in refused({})
    (account,) = given({}, lwm2mServerUri="coap://own:1")
    assert security(account) == {0: "coap://own:1", 1: False, 2: 3, **NO_KEYS, 10: 1}
    assert server(account) == {0: 1, 1: 432_000, 7: "U"}
