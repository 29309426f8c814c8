"""Configured devices: all of one or nothing, and nothing twice."""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from lwm2m_fast.device_settings import DeviceSettings
from lwm2m_fast.errors import Conflict, NotFound, StoreError
from lwm2m_fast.fleet.configuration import read
from lwm2m_fast.fleet.credential_rows import Mark
from lwm2m_fast.provisioning.device_rows import Device
from lwm2m_fast.provisioning.face import READ_AT_ONCE
from lwm2m_fast.provisioning.registry import MAX_AT_ONCE
from lwm2m_fast.provisioning.transactions import Added, Wanted
from lwm2m_fast.store.base import FleetChange
from tests.certificate_kit import made_certificate
from tests.provisioning.provisioning_kit import NO_SEC, Provisioned, psk


def wanted(given: dict[str, Any], tenant: str = "default") -> Wanted:
    return Wanted(read(given), tenant)


@pytest.fixture
def world() -> Provisioned:
    return Provisioned()


def add(world: Provisioned, *given: dict[str, Any], tenant: str = "default") -> list[Any]:
    return world.registry.add([wanted(one, tenant) for one in given]).results


def test_a_device_is_there_with_everything_of_it(world: Provisioned) -> None:
    (made,) = add(world, psk("d-1", "i-1") | {"awakeTimeRegistrationParameter": 5000})
    assert isinstance(made, Added)
    assert world.registry.get("d-1") == world.registry.by_id(made.device.id) == made.device
    assert world.credentials.psk(b"i-1") == (b"\x00\xff", "d-1")
    assert world.rows() == {
        "device": 1, "device_id": 1, "route": 1, "credential": 1, "psk": 1, "settings": 1,
        "bulk": 0,
    }  # fmt: skip


def test_a_restart_changes_nothing(world: Provisioned) -> None:
    add(world, psk("d-1", "i-1"), NO_SEC | {"endpointId": "d-2"})
    after = Provisioned(world.fleet)
    assert len(after.registry) == 2
    assert after.registry.get("d-1") == world.registry.get("d-1")
    (made,) = add(after, NO_SEC | {"endpointId": "d-3"})
    assert made.device.id == 3


@pytest.mark.parametrize("tenant", ["default", "other"])
@pytest.mark.parametrize(
    ("given", "told"),
    [
        (psk("d-1", "i-2"), "endpointId 'd-1' belongs to a device already"),
        (psk("d-2", "i-1"), "the PSK identity 'i-1' of endpoint 'd-2' belongs to endpoint 'd-1'"),
        (
            NO_SEC
            | {
                "endpointId": "d-2",
                "bootstrapSecurity": {
                    "bootstrapSecurityMode": "PSK", "bootstrapId": "i-1", "bootstrapKey": "00",
                },
                "lwm2mServerUri": "coap://h",
            },
            "the PSK identity 'i-1' of endpoint 'd-2' belongs to endpoint 'd-1'",
        ),
    ],
    ids=["endpoint", "identity", "bootstrap identity"],
)  # fmt: skip
def test_names_and_identities_are_unique_over_all_tenants(
    world: Provisioned, given: dict[str, Any], told: str, tenant: str
) -> None:
    add(world, psk("d-1", "i-1"))
    before = world.rows()
    (refused,) = add(world, given, tenant=tenant)
    assert isinstance(refused, Conflict)
    if tenant != "default":  # whose it is there is not this tenant's to know
        told = told.replace("to endpoint 'd-1'", "to a device of another tenant")
    assert str(refused) == told
    assert world.rows() == before
    assert world.credentials.psk(b"i-1") == (b"\x00\xff", "d-1")


def test_one_that_is_refused_stops_no_other(world: Provisioned) -> None:
    results = add(world, psk("a", "1"), psk("a", "2"), psk("b", "1"), psk("c", "2"), psk("d", "3"))
    assert [isinstance(one, Added) for one in results] == [True, False, False, True, True]
    assert [device.endpoint for device in world.registry.page(None, 10)[0]] == ["a", "c", "d"]


def test_one_transaction_has_a_bound(world: Provisioned) -> None:
    many = [wanted(NO_SEC | {"endpointId": f"d-{i}"}) for i in range(MAX_AT_ONCE + 1)]
    assert len(world.registry.add(many).results) == MAX_AT_ONCE
    assert len(world.registry) == MAX_AT_ONCE


def test_a_store_that_refuses_leaves_nothing(
    world: Provisioned, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(changes: object) -> None:
        raise StoreError("full")

    monkeypatch.setattr(world.fleet, "apply", refuse)
    with pytest.raises(StoreError):
        add(world, NO_SEC)
    assert (len(world.registry), len(world.credentials), world.registry.get("d-1")) == (0, 0, None)


def test_generated_keys_are_told_once_and_differ(world: Provisioned) -> None:
    given = {"serverSecurity": {"securityMode": "PSK_GENERATED"}}
    first, second = add(world, given | {"endpointId": "a"}, given | {"endpointId": "b"})
    keys = {one.generated["serverSecurity.pskKey"] for one in (first, second)}
    assert len(keys) == 2 and all(len(key) == 32 for key in keys)
    assert world.credentials.psk(b"a") == (
        bytes.fromhex(first.generated["serverSecurity.pskKey"]), "a",
    )  # fmt: skip


def test_a_change_moves_identity_and_settings(world: Provisioned) -> None:
    add(world, psk("d-1", "i-1"), psk("d-2", "i-2"))
    world.registry.change("d-1", read(psk("d-1", "i-9") | {"lwm2mRequestTimeout": 20_000}))
    assert world.credentials.psk(b"i-1") is None
    assert world.credentials.psk(b"i-9") == (b"\x00\xff", "d-1")
    with pytest.raises(Conflict, match="belongs to endpoint 'd-2'"):
        world.registry.change("d-1", read(psk("d-1", "i-2")))
    assert world.credentials.psk(b"i-9") == (b"\x00\xff", "d-1")
    with pytest.raises(NotFound, match="'d-9'"):
        world.registry.change("d-9", read(psk("d-9", "i-8")))


def test_what_is_removed_leaves_nothing(world: Provisioned) -> None:
    add(world, psk("d-1", "i-1") | {"awakeTimeRegistrationParameter": 1})
    results, _ = world.registry.remove(["d-1", "d-9"])
    assert isinstance(results[0], Device) and isinstance(results[1], NotFound)
    assert not any(world.rows().values())
    assert (len(world.registry), len(world.credentials)) == (0, 0)
    (again,) = add(world, psk("d-1", "i-1"))
    assert isinstance(again, Added) and again.device.id == 2


def test_a_name_whose_route_is_kept_is_free_after_the_cleanup(world: Provisioned) -> None:
    add(world, psk("d-1", "i-1"), tenant="t")
    world.registry.remove(["d-1"], keeps_route=True)
    (refused,) = add(world, psk("d-1", "i-1"), tenant="t")
    assert isinstance(refused, Conflict)
    with pytest.raises(NotFound, match="no device of this tenant"):
        world.registry.cleanup("d-1", "other")
    world.registry.cleanup("d-1", "t")
    with pytest.raises(NotFound):
        world.registry.cleanup("d-1", "t")
    assert isinstance(add(world, psk("d-1", "i-1"), tenant="other")[0], Added)


def test_another_tenants_device_is_not_there(world: Provisioned) -> None:
    add(world, psk("d-1", "i-1"), tenant="t")
    results, _ = world.registry.remove(["d-1"], "other")
    assert isinstance(results[0], NotFound)
    assert world.registry.page(None, 10, "other") == ([], None)
    assert len(world.registry.page(None, 10, "t")[0]) == 1


def test_a_name_has_an_owner_as_long_as_somebody_has_it(world: Provisioned) -> None:
    add(world, NO_SEC, tenant="t")
    add(world, NO_SEC | {"endpointId": "d-2"})
    owners = {"d-1": "t", "d-2": "default", "d-3": "default"}
    assert {name: world.registry.owner(name) for name in owners} == owners
    again = Provisioned(world.fleet)
    assert again.registry.owner("d-1") == "t"
    again.registry.remove(["d-1"], "t", keeps_route=True)
    assert again.registry.owner("d-1") == "t"
    again.registry.cleanup("d-1", "t")
    assert again.registry.owner("d-1") == "default"
    add(again, NO_SEC, tenant="t")
    again.registry.remove(["d-1"])
    assert again.registry.owner("d-1") == "default"


def test_pages_go_on_where_they_ended(world: Provisioned) -> None:
    add(world, *(NO_SEC | {"endpointId": f"d-{i:02}"} for i in range(25)))
    names, after = [], None
    while True:
        page, after = world.registry.page(after, 10)
        names += [device.endpoint for device in page]
        if after is None:
            break
    assert names == [f"d-{i:02}" for i in range(25)]


def test_a_row_that_was_changed_is_left_out_and_counted(world: Provisioned) -> None:
    add(world, NO_SEC, NO_SEC | {"endpointId": "d-2"})
    row = bytearray(world.fleet.get("device", b"d-1") or b"")
    row[-1] ^= 1
    world.fleet.put("device", [(b"d-1", bytes(row))])
    assert [device.endpoint for device in world.registry.page(None, 10)[0]] == ["d-2"]
    assert world.registry.unreadable == 1
    with pytest.raises(StoreError):
        world.registry.get("d-1")


def test_no_row_has_a_key_in_clear(world: Provisioned) -> None:
    key = bytes(range(100, 116))
    add(world, psk("d-1", "i-1", key.hex()))
    kept = b"".join(key + row for space in world.rows() for key, row in world.fleet.scan(space))
    assert key not in kept and key.hex().encode() not in kept


def a_thousand_at_once(one: Callable[[int], Awaitable[bool]]) -> int:
    """How many of them came to be."""

    async def all_of_them() -> int:
        return sum(await asyncio.gather(*(one(number) for number in range(1000))))

    return asyncio.run(all_of_them())


def test_a_thousand_requests_for_one_name_make_one_device(world: Provisioned) -> None:
    async def one(number: int) -> bool:
        given = copy.deepcopy(psk("d-1", f"i-{number}"))
        try:
            await world.devices.add(wanted(given))
        except Conflict:
            return False
        return True

    assert a_thousand_at_once(one) == 1
    assert world.rows()["psk"] == 1


def test_a_thousand_requests_for_one_identity_make_one_device(world: Provisioned) -> None:
    async def one(number: int) -> bool:
        try:
            await world.devices.add(wanted(psk(f"d-{number}", "same")))
        except Conflict:
            return False
        return True

    assert a_thousand_at_once(one) == 1
    assert world.rows()["device"] == 1


def test_everybody_hears_of_a_device(world: Provisioned) -> None:
    given = psk("d-1", "i-1") | {"awakeTimeRegistrationParameter": 7000}

    async def scenario() -> None:
        await world.devices.add(wanted(given))
        assert world.settings.get("d-1").awake_ms == 7000
        await world.devices.change("d-1", {"awakeTimeRegistrationParameter": None})
        assert world.settings.get("d-1").awake_ms is None
        await world.devices.remove(["d-1"])

    asyncio.run(scenario())
    assert world.forgotten == ["d-1"]
    assert [change.mark.name for change in world.changes] == ["PSK", "NONE"]


# A configuration for an endpoint that has a credential


def known(world: Provisioned, tenant: str = "default", **sides: dict[str, Any]) -> None:
    asyncio.run(world.security.add_credentials([{"endpoint": "d-1", **sides}], tenant))


def take_over(world: Provisioned, given: dict[str, Any], tenant: str = "default") -> Any:
    (result,) = world.registry.add([Wanted(read(given), tenant, takes_over=True)]).results
    return result


OWN = {"mode": "PSK", "identity": "bs-1", "key": "0102"}


def test_what_is_not_said_of_the_bootstrap_side_stays(world: Provisioned) -> None:
    known(world, server={"mode": "PSK", "identity": "i-0", "key": "00"}, bootstrap=OWN)
    uri = {"lwm2mServerUri": "coaps://a"}
    made = take_over(world, psk("d-1", "i-1") | uri)
    assert isinstance(made, Added)
    assert made.device.configuration.bootstrap_security.psk_id == "bs-1"
    assert world.credentials.psk(b"bs-1", 1) == (b"\x01\x02", "d-1")
    assert world.credentials.psk(b"i-1") == (b"\x00\xff", "d-1")
    assert world.credentials.psk(b"i-0") is None
    assert len(world.credentials) == len(world.registry) == 1
    assert len(Provisioned(world.fleet).credentials) == 1


def test_what_is_said_of_the_bootstrap_side_counts(world: Provisioned) -> None:
    known(world, bootstrap=OWN)
    said = {"bootstrapSecurity": {"bootstrapSecurityMode": "NO_SEC"}, "lwm2mServerUri": "coaps://a"}
    made = take_over(world, psk("d-1", "i-1") | said)
    assert made.device.configuration.bootstrap_security.security_mode == "NO_SEC"
    assert world.credentials.psk(b"bs-1", 1) is None


def test_a_pinned_certificate_stays_pinned(world: Provisioned) -> None:
    pem = made_certificate("d-1", None).pem.decode()
    known(world, bootstrap={"mode": "X509", "certificate": pem})
    made = take_over(world, psk("d-1", "i-1") | {"lwm2mServerUri": "coaps://a"})
    assert made.device.configuration.bootstrap_security.security_mode == "X509"
    assert world.credentials.mark("d-1", 1) is Mark.PINNED


def test_the_credential_of_another_tenant_is_not_taken_over(world: Provisioned) -> None:
    known(world, "other", bootstrap=OWN)
    assert isinstance(take_over(world, psk("d-1", "i-1")), Conflict)
    assert world.credentials.psk(b"bs-1", 1) is not None
    assert len(world.registry) == 0


def test_what_was_set_by_itself_outlasts_a_change_of_something_else(world: Provisioned) -> None:
    async def scenario() -> None:
        await world.devices.add(wanted(psk("d-1", "i-1") | {"awakeTimeRegistrationParameter": 7}))
        own = {"defaultObjectIDVer": "1.1", "awakeTimeRegistrationParameter": 8, "logLevel": "NONE"}
        await world.settings.set("d-1", own)
        await world.devices.change("d-1", {"lwm2mRequestTimeout": 20_000})
        kept = world.settings.get("d-1")
        assert (kept.default_object_version, kept.awake_ms, kept.log_level) == ("1.1", 8, "NONE")
        assert kept.request_timeout_ms == 20_000
        await world.devices.change("d-1", {"awakeTimeRegistrationParameter": 9})
        assert world.settings.get("d-1").awake_ms == 9
        assert DeviceSettings(world.fleet).get("d-1") == world.settings.get("d-1")

    asyncio.run(scenario())


# What many devices at a time cost the loop


def test_an_error_after_some_are_in_keeps_no_made_key_back(
    world: Provisioned, monkeypatch: pytest.MonkeyPatch
) -> None:
    generated = {"serverSecurity": {"securityMode": "PSK_GENERATED"}}
    given: list[Any] = [
        generated | {"endpointId": f"d-{number:04}"} for number in range(READ_AT_ONCE + 2)
    ]
    given[READ_AT_ONCE] = {"endpointId": "x"}
    apply, written = world.fleet.apply, []

    def full(changes: Sequence[FleetChange]) -> None:
        if len(written) == 1:
            raise StoreError("no space")
        written.append(len(changes))
        apply(changes)

    monkeypatch.setattr(world.fleet, "apply", full)
    results = asyncio.run(world.face.add_all(given, "default"))
    assert all(one["more"]["generated"]["serverSecurity.pskKey"] for one in results[:READ_AT_ONCE])
    last = f"d-{READ_AT_ONCE + 1:04}"
    assert results[READ_AT_ONCE:] == [
        {"endpointId": "x", "error": "serverSecurity is missing"},
        {"endpointId": last, "error": "no space"},
    ]
    assert len(world.registry) == READ_AT_ONCE and world.registry.get(last) is None
    with pytest.raises(StoreError):  # nothing is in, and nothing is lost
        asyncio.run(world.face.add_all([NO_SEC], "default"))


@pytest.mark.parametrize("route", [b"", b"\xff\0\0\0\0\0\0\0\0\1"])
@pytest.mark.parametrize("is_legacy", [False, True])
def test_a_route_that_cannot_be_read_stops_no_other(
    world: Provisioned, route: bytes, is_legacy: bool
) -> None:
    world.fleet.put("route", [(b"d-1", route)])
    configurations = [read(NO_SEC | {"endpointId": name}) for name in ("d-1", "d-2")]
    first, second = world.registry.add(
        [Wanted(one, "acme", is_legacy=is_legacy) for one in configurations]
    ).results
    assert isinstance(first, Conflict) and isinstance(second, Added)
    with pytest.raises(StoreError):
        world.registry.route("d-1")


def test_more_than_a_transaction_takes_are_added_all_the_same(world: Provisioned) -> None:
    names = [f"d-{number:04}" for number in range(MAX_AT_ONCE + 2)]
    given: list[Any] = [NO_SEC | {"endpointId": name} for name in names]
    given[3] = {"endpointId": "x"}
    given[MAX_AT_ONCE + 1] = NO_SEC | {"endpointId": names[0]}  # in another transaction
    results = asyncio.run(world.face.add_all(given, "default"))
    assert len(results) == len(given)
    refused = {at: one["error"] for at, one in enumerate(results) if "error" in one}
    assert refused == {
        3: "serverSecurity is missing",
        MAX_AT_ONCE + 1: f"endpointId {names[0]!r} belongs to a device already",
    }
    assert len(world.registry) == MAX_AT_ONCE


def test_a_page_is_read_beside_the_loop(
    world: Provisioned, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(world, *(NO_SEC | {"endpointId": f"d-{number:03}"} for number in range(200)))
    threads: set[int] = set()
    read_page = world.registry.page

    def page(*given: Any) -> Any:
        threads.add(threading.get_ident())
        return read_page(*given)

    monkeypatch.setattr(world.registry, "page", page)
    found, after = asyncio.run(world.face.devices_after(None, 150, "default"))
    assert [one["configuration"]["endpointId"] for one in found] == [
        f"d-{n:03}" for n in range(150)
    ]
    assert found[0]["more"]["registered"] is False
    assert threading.get_ident() not in threads and threads
    found, after = asyncio.run(world.face.devices_after(after, 150, "default"))
    assert (len(found), after) == (50, None)


def test_a_page_opens_no_row_of_another_tenant(
    world: Provisioned, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(world, *(NO_SEC | {"endpointId": f"a-{number}"} for number in range(50)))
    add(world, NO_SEC | {"endpointId": "b"}, tenant="acme")
    opened: list[bytes] = []
    unseal = world.vault.unseal
    monkeypatch.setattr(
        world.vault, "unseal", lambda row, about: opened.append(about) or unseal(row, about)
    )
    (found,), after = world.registry.page(None, 10, "acme")
    assert (found.endpoint, after, opened) == ("b", None, [b"device\0b"])
