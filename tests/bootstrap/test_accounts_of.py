"""From a device's configuration to the accounts that a bootstrap writes: defaults and times."""

from __future__ import annotations

from typing import Any

import pytest

from lwm2m_fast.bootstrap.accounts_of import configuration_of
from lwm2m_fast.core.accounts import Account, Configuration, security_nodes
from lwm2m_fast.errors import RequestError
from lwm2m_fast.fleet.configuration import ConfigurationError, as_json, read

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
