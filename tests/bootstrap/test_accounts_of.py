"""From a device's configuration to the accounts that a bootstrap writes: defaults and times."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from lwm2m_fast.bootstrap.accounts_of import configuration_of
from lwm2m_fast.bootstrap.offers import NamedCertificates, Offers
from lwm2m_fast.config import Config
from lwm2m_fast.core.accounts import Account, Configuration, security_nodes
from lwm2m_fast.errors import RequestError
from lwm2m_fast.fleet.configuration import ConfigurationError, as_json, read
from tests.certificate_kit import made_certificate
from tests.provisioning.provisioning_kit import Provisioned

PLAIN: dict[str, Any] = {
    "endpointId": "d",
    "bootstrapSecurity": {"bootstrapSecurityMode": "NO_SEC"},
    "serverSecurity": {"securityMode": "NO_SEC"},
    "lwm2mServerUri": "coap://h",
}
OTHER: dict[str, Any] = {
    "uri": "coap://o", "serverId": 9, "security": {"securityMode": "NO_SEC"},
}  # fmt: skip


def made(short_id: int = 123, **more: Any) -> Configuration:
    return configuration_of(
        read({**PLAIN, **more}),
        default_lifetime_s=300,
        default_short_id=short_id,
        own_uri=lambda is_secure: "coap://bs",
        certificates=lambda name: None,
    )


def written(account: Account) -> dict[int, Any]:
    return {node.path.ids[2]: node.value for node in security_nodes(account, 0)}


def test_what_is_unset_is_the_servers_default() -> None:
    (account,) = made().accounts
    assert account.terms is not None
    assert (account.short_id, account.terms.lifetime_s) == (123, 300)
    assert not {11, 12} & written(account).keys()


def test_what_is_set_is_taken() -> None:
    (account,) = made(lwm2mShortServerId=7, registrationLifetime=60).accounts
    assert account.terms is not None
    assert (account.short_id, account.terms.lifetime_s) == (7, 60)


def test_a_default_that_another_server_has_is_refused_with_the_field() -> None:
    with pytest.raises(RequestError, match="lwm2mShortServerId is unset and 9 by default"):
        made(9, furtherServers=[OTHER])
    assert [
        each.short_id for each in made(9, lwm2mShortServerId=1, furtherServers=[OTHER]).accounts
    ] == [1, 9]


def test_hold_off_and_account_timeout_are_each_accounts_own() -> None:
    own = {
        "bootstrapSecurityMode": "NO_SEC",
        "clientHoldOffTime": 20,
        "bootstrapServerAccountTimeout": 0,
    }
    bootstrap, first, further = made(
        bootstrapSecurity=own,
        generateBootstrapServerConfig=True,
        clientHoldOffTime=0,
        furtherServers=[OTHER | {"clientHoldOffTime": 4_294_967_295}],
    ).accounts
    assert bootstrap.is_bootstrap
    assert (written(bootstrap)[11], written(bootstrap)[12]) == (20, 0)
    assert (written(first)[11], 12 in written(first)) == (0, False)
    assert written(further)[11] == 4_294_967_295


@pytest.mark.parametrize("value", [-1, 4_294_967_296, "1", 1.5, True])
def test_times_have_bounds(value: Any) -> None:
    for more, field in (
        ({"clientHoldOffTime": value}, "clientHoldOffTime"),
        (
            {"bootstrapSecurity": {"bootstrapSecurityMode": "NO_SEC",
                                   "bootstrapServerAccountTimeout": value}},
            "bootstrapSecurity.bootstrapServerAccountTimeout",
        ),
    ):  # fmt: skip
        with pytest.raises(ConfigurationError, match=field):
            read({**PLAIN, **more})


def test_times_are_shown_as_given() -> None:
    own = {"bootstrapSecurityMode": "NO_SEC", "clientHoldOffTime": 20}
    shown = as_json(read({**PLAIN, "bootstrapSecurity": own, "clientHoldOffTime": 5}))
    assert shown["clientHoldOffTime"] == 5
    assert shown["bootstrapSecurity"]["clientHoldOffTime"] == 20


def test_a_server_certificate_may_stand_in_the_place_of_its_name() -> None:
    server = made_certificate("server", None)
    for text in (server.pem.decode(), b64encode(server.der).decode()):
        security = {"securityMode": "X509", "x509ServerCertificateName": text}
        (account,) = made(serverSecurity=security, lwm2mServerUri="coaps://h").accounts
        assert account.server_key == server.der
    security["x509ServerCertificateName"] = "bm8gY2VydGlmaWNhdGU="
    with pytest.raises(RequestError, match="which nobody has given"):
        made(serverSecurity=security, lwm2mServerUri="coaps://h")


def test_a_name_that_nobody_has_given_is_refused_before_a_bootstrap(tmp_path: Path) -> None:
    """Row P8. What is there already may stay, so that other fields can be changed."""
    server = made_certificate("server", None)
    (tmp_path / "known.pem").write_bytes(server.pem)
    world = Provisioned()

    def add(endpoint: str, name: str) -> None:
        security = {"securityMode": "X509", "x509ServerCertificateName": name}
        given = {"endpointId": endpoint, "serverSecurity": security}
        asyncio.run(world.face.add(given, "default"))

    add("before", "unknown")  # nobody could say
    certificates = NamedCertificates(tmp_path, lambda: None)
    Offers(world.registry, Config().bootstrap, certificates, lambda endpoint: None)
    for name in ("known", "default", server.pem.decode()):
        add(name[:9], name)
    told = "serverSecurity.x509ServerCertificateName is 'unknown', which nobody has given"
    with pytest.raises(RequestError, match=told):
        add("after", "unknown")
    assert world.registry.route("after") is None
    asyncio.run(world.face.change("before", {"registrationLifetime": 60}, "default"))
    further = {"furtherServers": [OTHER | {"security": {
        "securityMode": "NO_SEC", "x509ServerCertificateName": "-----BEGIN" * 100,
    }}]}  # fmt: skip
    told = "furtherServers.0.security.x509ServerCertificateName is a text of 1000 characters"
    with pytest.raises(RequestError, match=told):
        asyncio.run(world.face.change("before", further, "default"))
