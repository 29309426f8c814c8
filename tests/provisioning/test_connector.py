"""The connector: what its commands do to devices of older ways, to names and to registrations."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from lwm2m_fast.core.connector_shell import parse_connector
from lwm2m_fast.fleet.configuration import read
from lwm2m_fast.fleet.secured import Credential, Mode, Security
from lwm2m_fast.fleet.tenants import CONNECTOR
from lwm2m_fast.provisioning.connector import as_operation
from lwm2m_fast.provisioning.jobs import Job
from lwm2m_fast.provisioning.registry import MAX_AT_ONCE
from lwm2m_fast.provisioning.transactions import Wanted
from lwm2m_fast.provisioning.unbound import MAX_UNBOUND
from tests.certificate_kit import made_certificate
from tests.provisioning.provisioning_kit import NO_SEC, Provisioned, psk

MIGRATE = "migrateLwm2mDevices"
LEGACY = (
    "ID;IDTYPE;CREDENTIALS;NAME;TYPE;SHELL;c8y_GenericUi;com_cumulocity_model_Agent;"
    "endpoint id;lwm2m server uri;securityMode\n"
)


class Registered:
    """Who is registered, by registration id."""

    def __init__(self, **names: str) -> None:
        self.names = names

    def endpoint_of(self, registration_id: str) -> str | None:
        return self.names.get(registration_id)

    async def deregister(self, endpoint: str) -> bool:
        before = len(self.names)
        self.names = {number: name for number, name in self.names.items() if name != endpoint}
        return len(self.names) < before


@pytest.fixture
def world() -> Provisioned:
    return Provisioned()


def run(world: Provisioned, text: str, tenant: str = "default") -> Job:
    async def scenario() -> Job:
        (ask,) = parse_connector(text)
        job = await world.connector.submit(ask, tenant)
        await world.connector.wait(job.id, tenant, 60)
        return job

    return asyncio.run(scenario())


def counts(job: Job) -> tuple[str, int, int, int]:
    return job.state, job.rows, job.succeeded, job.failed


def add(world: Provisioned, given: dict[str, Any], tenant: str = "default") -> None:
    asyncio.run(world.face.add(given, tenant))


def older(world: Provisioned) -> None:
    """Devices as they were kept before there were configurations."""
    pin = made_certificate("pinned", None).der
    credentials = [
        Credential("by-psk", Security(Mode.PSK, "id-1", b"\x01\x02")),
        Credential("by-name", Security(Mode.X509), Security(Mode.PSK, "id-2", b"\x03")),
        Credential("by-pin", Security(Mode.X509, certificate=pin)),
        Credential("plain", Security(Mode.NO_SEC)),
    ]
    world.credentials.put(credentials, replacing=False)
    world.fleet.put("provisioned", [(b"listed", b""), (b"by-psk", b"")])


OLDER = ("by-name", "by-pin", "by-psk", "listed", "plain")


def test_every_device_of_older_ways_gets_a_configuration(world: Provisioned) -> None:
    older(world)
    asyncio.run(world.settings.set("listed", {"awakeTimeRegistrationParameter": 5000}))
    before = world.rows()
    shown = {name: world.credentials.get(name) for name in OLDER}
    assert counts(run(world, MIGRATE)) == ("SUCCESSFUL", 5, 5, 0)
    modes = {}
    for name in OLDER:
        device = world.registry.get(name)
        assert device is not None
        assert world.registry.owner(name) == device.tenant == "default"
        modes[name] = device.configuration.server_security.security_mode
    assert modes == {
        "by-name": "X509", "by-pin": "X509", "by-psk": "PSK", "listed": "NO_SEC",
        "plain": "NO_SEC",
    }  # fmt: skip
    listed = world.registry.get("listed")
    assert listed is not None
    assert listed.configuration.awake_time_registration_parameter == 5000
    # Nothing of what was there is another thing now.
    assert {name: world.credentials.get(name) for name in OLDER} == shown
    after = world.rows()
    for space in ("credential", "psk", "settings"):
        assert after[space] == before[space]
    assert world.count("provisioned") == 2


def test_a_second_run_changes_nothing(world: Provisioned) -> None:
    older(world)
    run(world, MIGRATE)
    kept = {name: world.registry.get(name) for name in OLDER}
    assert counts(run(world, MIGRATE)) == ("SUCCESSFUL", 0, 0, 0)
    assert counts(run(world, f"{MIGRATE} -d by-psk 1")) == ("SUCCESSFUL", 2, 0, 0)
    assert {name: world.registry.get(name) for name in OLDER} == kept


@pytest.mark.parametrize(
    ("arguments", "made"),
    [
        ("-sr", {"by-name", "by-pin", "by-psk", "plain"}),
        ("-d by-psk listed", {"by-psk", "listed"}),
        ("-d by-psk -sr", {"by-psk"}),
        ("-sr --devices by-psk,plain", {"by-psk", "plain"}),
    ],
)
def test_a_migration_of_some(world: Provisioned, arguments: str, made: set[str]) -> None:
    older(world)
    assert run(world, f"{MIGRATE} {arguments}").state == "SUCCESSFUL"
    assert {name for name in OLDER if world.registry.get(name)} == made


def test_what_is_not_known_fails_and_the_others_go_on(world: Provisioned) -> None:
    older(world)
    add(world, NO_SEC | {"endpointId": "theirs"}, "acme")
    job = run(world, f"{MIGRATE} -sr -d nobody by-psk theirs listed")
    assert counts(job) == ("FAILED", 4, 1, 3)
    assert {one.endpoint for one in job.errors} == {"nobody", "theirs", "listed"}
    assert {one.why.replace(one.endpoint, "it") for one in job.errors} == {
        "no device is known as 'it'"
    }


def test_another_tenant_has_no_devices_of_older_ways(world: Provisioned) -> None:
    older(world)
    assert counts(run(world, MIGRATE, "acme")) == ("SUCCESSFUL", 0, 0, 0)
    assert counts(run(world, f"{MIGRATE} -d by-psk", "acme")) == ("FAILED", 1, 0, 1)
    assert world.registry.get("by-psk") is None


@pytest.mark.parametrize("name", OLDER)
def test_a_later_change_leaves_alone_how_it_connects(world: Provisioned, name: str) -> None:
    older(world)
    run(world, MIGRATE)
    before = world.credentials.get(name)
    asyncio.run(world.face.change(name, {"registrationLifetime": 60}, "default"))
    assert world.credentials.get(name) == before
    new = {"serverSecurity": {"securityMode": "PSK", "pskId": "new", "pskKey": "0a"}}
    asyncio.run(world.face.change(name, new, "default"))
    after = world.credentials.get(name)
    assert after is not None and after.server is not None
    assert (after.server.identity, after.server.key) == ("new", b"\n")
    assert after.bootstrap == (before.bootstrap if before else None)


def test_many_are_migrated_in_groups(world: Provisioned) -> None:
    names = [f"d-{number:04}" for number in range(1100)]
    world.fleet.put("provisioned", [(name.encode(), b"") for name in names])
    assert counts(run(world, MIGRATE)) == ("SUCCESSFUL", 1100, 1100, 0)
    assert len(world.registry) == 1100
    again = Provisioned(world.fleet)
    assert len(again.registry) == 1100
    assert again.registry.by_id(1100) is not None


def test_many_that_are_named_are_migrated_in_groups(world: Provisioned) -> None:
    names = [f"d-{number:04}" for number in range(MAX_AT_ONCE + 2)]
    world.fleet.put("provisioned", [(name.encode(), b"") for name in names])
    job = run(world, f"{MIGRATE} -d " + " ".join([*names, "nobody"]))
    assert counts(job) == ("FAILED", len(names) + 1, len(names), 1)


def test_a_cleanup_frees_a_name_with_and_without_its_device(world: Provisioned) -> None:
    for is_there in (True, False):
        add(world, psk("d-1", "i"))
        if not is_there:
            asyncio.run(world.face.remove("d-1", "default", keeps_route=True))
        job = run(world, "cleanupClusterTenantObjectsForEndpoint d-1")
        assert counts(job) == ("SUCCESSFUL", 1, 1, 0)
        assert world.rows()["route"] == 0
    add(world, psk("d-1", "i"))


def test_a_cleanup_of_anothers_name_is_refused_as_of_nobodys(world: Provisioned) -> None:
    add(world, NO_SEC)
    texts = set()
    for name in ("d-1", "nobody"):
        job = run(world, f"cleanupClusterTenantObjectsForEndpoint {name}", "acme")
        assert counts(job) == ("FAILED", 1, 0, 1)
        texts.add(job.errors[0].why.replace(name, "it"))
    assert texts == {"no device of this tenant has the endpoint 'it'"}
    assert world.registry.get("d-1") is not None


def test_registrations_are_ended_by_name_and_by_id(world: Provisioned) -> None:
    registered = world.connector.registrations = Registered(r1="a", r2="b", r3="theirs")
    add(world, NO_SEC | {"endpointId": "theirs"}, "acme")
    assert run(world, "invalidateRegistrationsForEndpoint a").state == "SUCCESSFUL"
    assert run(world, "invalidateRegistrationById r2").state == "SUCCESSFUL"
    for text in ("ById r3", "ById r2", "ById x", "sForEndpoint theirs", "sForEndpoint a"):
        job = run(world, f"invalidateRegistration{text}")
        assert counts(job) == ("FAILED", 1, 0, 1)
    assert registered.names == {"r3": "theirs"}
    assert run(world, "invalidateRegistrationById r3", "acme").state == "SUCCESSFUL"


def test_commands_and_files_are_the_operations_of_one_tenant(world: Provisioned) -> None:
    async def file() -> None:
        data = b"endpoint id;securityMode;lwm2m server uri\na;NO_SEC;coap://h\nb;X;coap://h\n"
        await world.jobs.submit("register", "default", data, "my.csv")
        await world.jobs.finished()

    asyncio.run(file())
    run(world, MIGRATE)
    run(world, MIGRATE, "acme")
    found = world.face.commands("default", before=None, limit=9, states=None)
    assert [(one["order"]["op"], one["state"]) for one in found] == [
        (MIGRATE, "SUCCESSFUL"), ("register", "FAILED"),
    ]  # fmt: skip
    assert found[1]["result"]["errors"][0]["line"] == 3
    assert found[1]["result"]["error"] == "1 of 2 rows failed"
    (failed,) = world.face.commands("default", before=3, limit=9, states=frozenset({"FAILED"}))
    assert failed["id"] == 1
    assert [one["id"] for one in world.face.files("default", 9)] == ["1"]
    again = Provisioned(world.fleet)
    assert as_operation(again.jobs.get(2, "default")) == found[0]


def test_nobody_configures_a_device_as_the_connector(world: Provisioned) -> None:
    (refused,) = asyncio.run(world.face.add_all([NO_SEC | {"endpointId": CONNECTOR}], "acme"))
    assert refused["error"] == f"endpointId '{CONNECTOR}' is the connector's"
    world.fleet.put("provisioned", [(CONNECTOR.encode(), b"")])
    assert counts(run(world, MIGRATE)) == ("SUCCESSFUL", 0, 0, 0)


# Legacy files (row P12)


def legacy(world: Provisioned, *names: str, tenant: str = "acme", header: str = LEGACY) -> Job:
    rows = "".join(
        f"{name};c8y_Id;Aa1!Aa1!Aa1!;{name};c8y_lwm2m;1;{{}};1;{name};coap://h;NO_SEC\n"
        for name in names
    )

    async def scenario() -> Job:
        job = await world.jobs.submit("register", tenant, (header + rows).encode())
        await world.jobs.finished()
        return job

    return asyncio.run(scenario())


def test_a_legacy_row_of_anothers_device_is_kept_unbound_with_one_alarm(
    world: Provisioned,
) -> None:
    add(world, NO_SEC)
    before = world.rows()
    job = legacy(world, "d-1", "d-2")
    assert counts(job) == ("FAILED", 2, 1, 1)
    assert "kept unbound" in job.errors[0].why
    ((tenant, endpoint, text),) = world.alarms
    assert (tenant, endpoint) == ("acme", "d-1")
    assert "'d-1' belongs to a device of another tenant" in text
    after = world.rows()
    assert world.count("unbound") == 1
    assert after["route"] == after["credential"] == before["route"] + 1  # those of d-2
    assert world.registry.owner("d-1") == "default"
    ((kept,), following) = asyncio.run(world.face.unbound_after(None, 10, "acme"))
    assert (kept["configuration"]["endpointId"], following) == ("d-1", None)
    assert asyncio.run(world.face.unbound_after(None, 10, "default")) == ([], None)
    legacy(world, "d-1")
    assert len(world.alarms) == 1
    assert world.count("unbound") == 1


def test_a_row_of_a_newer_file_is_refused_alone(world: Provisioned) -> None:
    add(world, NO_SEC)

    async def scenario() -> Job:
        data = b"endpoint id;securityMode;lwm2m server uri\nd-1;NO_SEC;coap://h\n"
        job = await world.jobs.submit("register", "acme", data)
        await world.jobs.finished()
        return job

    job = asyncio.run(scenario())
    assert job.errors[0].why == "endpointId 'd-1' belongs to a device already"
    assert world.count("unbound") == 0
    assert world.alarms == []


def test_ones_own_device_is_a_plain_duplicate_also_in_a_legacy_file(world: Provisioned) -> None:
    add(world, NO_SEC, "acme")
    assert legacy(world, "d-1").failed == 1
    assert (world.count("unbound"), world.alarms) == (0, [])


def test_a_free_name_is_bound_by_registering_the_device(world: Provisioned) -> None:
    add(world, NO_SEC)
    legacy(world, "d-1")
    asyncio.run(world.face.remove("d-1", "default"))
    again = Provisioned(world.fleet)
    add(again, NO_SEC, "acme")
    assert again.count("unbound") == 0
    assert again.registry.owner("d-1") == "acme"


def test_an_unbound_device_is_forgotten_by_its_tenant(world: Provisioned) -> None:
    add(world, NO_SEC)
    legacy(world, "d-1", "d-2")
    for tenant, name in (("default", "d-1"), ("acme", "d-2")):
        with pytest.raises(Exception, match=r"no device .* is kept unbound"):
            asyncio.run(world.face.forget_unbound(name, tenant))
    asyncio.run(world.face.forget_unbound("d-1", "acme"))
    assert world.count("unbound") == 0


def test_unbound_devices_come_in_pages_of_one_tenant(world: Provisioned) -> None:
    names = [f"d-{number}" for number in range(5)]
    for name in names:
        add(world, NO_SEC | {"endpointId": name})
    for tenant in ("acme", "acmf"):
        legacy(world, *names, tenant=tenant)
    found, after = [], None
    while True:
        page, after = asyncio.run(world.face.unbound_after(after, 2, "acme"))
        found += [(one["more"]["tenant"], one["configuration"]["endpointId"]) for one in page]
        if after is None:
            break
    assert found == [("acme", name) for name in names]


def test_no_more_are_kept_unbound_than_the_bound(
    world: Provisioned, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MAX_UNBOUND >= 1000
    monkeypatch.setattr("lwm2m_fast.provisioning.unbound.MAX_UNBOUND", 2)
    for name in ("a", "b", "c"):
        add(world, NO_SEC | {"endpointId": name})
    job = legacy(world, "a", "b", "c")
    assert [one.why.partition(";")[2] != "" for one in job.errors] == [True, True, False]
    assert (world.count("unbound"), len(world.alarms)) == (2, 2)


def test_an_unbound_row_holds_no_key_in_clear(world: Provisioned) -> None:
    add(world, NO_SEC)
    key = bytes(range(100, 116))
    given = world.registry.get("d-1")
    assert given is not None
    wanted = Wanted(read(psk("d-1", "i", key.hex())), "acme", is_legacy=True)
    world.registry.add([wanted])
    ((_, row),) = world.fleet.scan("unbound")
    assert key not in row and key.hex().encode() not in row


def test_a_migration_keeps_when_a_device_is_overdue(world: Provisioned) -> None:
    older(world)
    given = {"autoManageAvailabilityRequiredInterval": False, "availabilityRequiredInterval": 7}
    asyncio.run(world.settings.set("listed", given))
    before = world.settings.get("listed")
    run(world, MIGRATE)
    asyncio.run(world.devices.change("listed", {"logLevel": "TRAFFIC"}))
    after = world.settings.get("listed")
    assert (after.manages_interval, after.interval_min) == (False, 7)
    assert after == replace(before, log_level="TRAFFIC")
