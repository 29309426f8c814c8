"""Files of devices: every row has its result, whatever happens to the others or to the server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from lwm2m_fast.errors import NotFound, QueueFull, RequestError, StoreError
from lwm2m_fast.provisioning.jobs import (
    MAX_ERRORS,
    MAX_KEPT,
    MAX_PENDING,
    ROWS_AT_ONCE,
    ROWS_IN_PART,
    Job,
)
from tests.provisioning.provisioning_kit import Provisioned

HEADER = "endpoint id;securityMode;bootstrapSecurityMode;lwm2m server uri\n"


def file(*rows: str) -> bytes:
    return (HEADER + "\n".join(rows) + "\n").encode()


def good(*names: str) -> bytes:
    return file(*(f"{name};NO_SEC;NO_SEC;coap://h" for name in names))


def run(scenario: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    return asyncio.run(scenario())


def work(world: Provisioned, action: str, *files: bytes, tenant: str = "default") -> list[Job]:
    async def scenario() -> list[Job]:
        jobs = [await world.jobs.submit(action, tenant, data, "x.csv") for data in files]
        await world.jobs.finished()
        return jobs

    made: list[Job] = run(scenario)
    return made


@pytest.fixture
def world() -> Provisioned:
    return Provisioned()


def test_every_row_becomes_a_device(world: Provisioned) -> None:
    names = [f"d-{i:04}" for i in range(3 * ROWS_AT_ONCE + 1)]
    (job,) = work(world, "register", good(*names))
    assert (job.state, job.rows, job.failed) == ("SUCCESSFUL", len(names), 0)
    assert job.succeeded == len(names)
    assert len(world.registry) == len(names)
    assert world.states[0] == (1, "PENDING") and world.states[-1] == (1, "SUCCESSFUL")
    assert len(world.states) > 4  # progress on the way


def test_bad_rows_are_told_with_their_line_and_stop_no_other(world: Provisioned) -> None:
    (job,) = work(
        world,
        "register",
        file(
            "a;NO_SEC;NO_SEC;coap://h",
            "b;PSK;NO_SEC;coaps://h",
            "a;NO_SEC;NO_SEC;coap://h",
            "=c;NO_SEC;NO_SEC;coap://h",
            "d;NO_SEC",
            "e;NO_SEC;NO_SEC;coap://h",
        ),
    )
    assert (job.state, job.succeeded, job.failed) == ("FAILED", 2, 4)
    told = [(one.line, one.endpoint, one.why) for one in sorted(job.errors, key=lambda e: e.line)]
    assert told[0][:2] == (3, "b")
    assert "serverSecurity.pskId is missing" in told[0][2]
    assert told[1] == (4, "a", "endpointId 'a' is given twice")
    assert told[2] == (5, "", "endpoint id: begins like a formula ('=')")
    assert told[3] == (6, "", "2 cells, but 4 columns")


def test_the_same_file_again_is_all_duplicates(world: Provisioned) -> None:
    work(world, "register", good("a", "b"))
    (job,) = work(world, "register", good("a", "b", "c"))
    assert (job.succeeded, job.failed) == (1, 2)
    assert job.errors[0].why == "endpointId 'a' belongs to a device already"


def test_exactly_the_listed_devices_are_deleted(world: Provisioned) -> None:
    work(world, "register", good("a", "b", "c"))
    (job,) = work(world, "delete", good("a", "c", "x", "a"))
    assert (job.state, job.succeeded, job.failed) == ("FAILED", 2, 2)
    assert sorted((one.endpoint, one.why) for one in job.errors) == [
        ("a", "is there twice"),
        ("x", "no device is configured as 'x'"),
    ]
    assert [device.endpoint for device in world.registry.page(None, 10)[0]] == ["b"]


def test_a_file_deletes_only_what_is_of_its_tenant(world: Provisioned) -> None:
    work(world, "register", good("a"), tenant="t")
    (job,) = work(world, "delete", good("a"), tenant="other")
    assert (job.state, len(world.registry)) == ("FAILED", 1)
    with pytest.raises(NotFound):
        world.jobs.get(job.id, "t")
    assert [one.id for one in world.jobs.page("t", 10)] == [1]


def test_a_file_without_a_usable_header_is_refused_at_once(world: Provisioned) -> None:
    with pytest.raises(RequestError, match="'foo' is no column"):
        run(lambda: world.jobs.submit("register", "default", b"endpoint id;foo\n"))
    assert world.jobs.page("default", 10) == []


def test_the_number_of_files_that_wait_is_bounded(world: Provisioned) -> None:
    async def held() -> int:
        gate = asyncio.Event()

        async def wait(*_: object) -> bool:
            await gate.wait()
            return True

        world.jobs._run = wait  # type: ignore[method-assign]
        accepted = 0
        await world.jobs.submit("register", "default", good("a"))
        await asyncio.sleep(0)
        with pytest.raises(QueueFull, match=f"already has {MAX_PENDING} files"):
            while True:
                await world.jobs.submit("register", "default", good("a"))
                accepted += 1
        gate.set()
        await world.jobs.stop()
        return accepted

    assert run(held) == MAX_PENDING


def test_refused_rows_are_named_up_to_a_bound(world: Provisioned) -> None:
    (job,) = work(world, "register", file(*["x"] * (MAX_ERRORS + 5)))
    assert (job.failed, len(job.errors)) == (MAX_ERRORS + 5, MAX_ERRORS)


def test_old_files_are_forgotten(world: Provisioned, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lwm2m_fast.provisioning.jobs.MAX_KEPT", 3)
    work(world, "register", *(good(f"d-{i}") for i in range(6)))
    work(world, "register", good("last"))
    assert [job.id for job in world.jobs.page("default", MAX_KEPT)] == [7, 6, 5]
    assert world.rows()["bulk"] == 3


def test_a_store_that_fails_is_the_reason(
    world: Provisioned, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(world.registry, "add_file", refuse)
    (job,) = work(world, "register", good("a"))
    assert (job.state, job.reason) == ("FAILED", "the disk is full")


def test_a_fault_in_one_file_keeps_no_other(
    world: Provisioned, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(world.registry, "add_file", fail)
        (job,) = work(world, "register", good("a"))
    assert (job.state, job.reason) == ("FAILED", "the server failed at it; its log says why")
    (job,) = work(world, "register", good("a"))
    assert job.state == "SUCCESSFUL"


def test_what_the_end_of_the_process_cut_off_says_how_far_it_came(world: Provisioned) -> None:
    async def scenario() -> None:
        names = [f"d-{i:04}" for i in range(3 * ROWS_AT_ONCE)]
        begun = asyncio.Event()
        world.on_change = lambda job: begun.set() if job.rows else None
        await world.jobs.submit("register", "default", good(*names))
        await begun.wait()
        await world.jobs.stop()

    run(scenario)
    after = Provisioned(world.fleet)
    job = after.jobs.get(1, "default")
    assert after.cut_off == 1
    assert job.state == "FAILED" and job.ended_at == after.now
    assert job.reason is not None and job.reason.startswith(f"the server stopped after {job.rows}")
    assert ROWS_AT_ONCE <= job.rows == len(after.registry) < 3 * ROWS_AT_ONCE
    (again,) = work(after, "register", good("new"))
    assert (again.id, again.state) == (2, "SUCCESSFUL")


def test_a_file_of_several_transactions_says_everything_of_each_row(world: Provisioned) -> None:
    count = 2 * ROWS_AT_ONCE + ROWS_IN_PART + 1
    rows = [f"d-{n};NO_SEC;NO_SEC;coap://h" for n in range(count)]
    bad = {
        0: "=x;NO_SEC;NO_SEC;coap://h",
        ROWS_IN_PART: "",
        ROWS_AT_ONCE - 1: "d-1;NO_SEC;NO_SEC;u",
    }
    bad |= {ROWS_IN_PART + 1: "d-1;NO_SEC;NO_SEC;coap://h"}  # of another part, the same transaction
    bad |= {count - 1: "d-2;NO_SEC;NO_SEC;coap://h"}  # of another transaction
    for at, row in bad.items():
        rows[at] = row
    (job,) = work(world, "register", file(*rows))
    assert (job.rows, job.succeeded, job.failed) == (count - 1, count - 5, 4)
    told = {one.line - 2: (one.endpoint, one.why) for one in job.errors}
    assert told[ROWS_IN_PART + 1] == ("d-1", "endpointId 'd-1' is given twice")
    assert told[count - 1] == ("d-2", "endpointId 'd-2' belongs to a device already")
    assert told[ROWS_AT_ONCE - 1][0] == "d-1" and told[0][0] == ""
    numbers = [world.registry.get(f"d-{n}") for n in range(count) if n not in bad]
    assert [found.id for found in numbers if found] == list(range(1, count - 4))
    assert len(world.registry) == count - 5


def test_a_device_without_settings_of_its_own_has_no_row_of_them(world: Provisioned) -> None:
    work(world, "register", good("a"))
    assert world.rows()["settings"] == 0
    header = HEADER.replace("\n", ";awakeTimeRegistrationParameter\n")
    work(world, "register", (header + "b;NO_SEC;NO_SEC;coap://h;5000\n").encode())
    assert world.rows()["settings"] == 1
    assert world.settings.get("b").awake_ms == 5000


def test_when_a_device_is_overdue_is_a_setting_of_its_own(world: Provisioned) -> None:
    names = ";autoManageAvailabilityRequiredInterval;availabilityRequiredInterval\n"
    file = HEADER.replace("\n", names)
    for row in ("a;NO_SEC;NO_SEC;coap://h;false;30", "b;NO_SEC;NO_SEC;coap://h;false;0"):
        file += row + "\n"
    work(world, "register", file.encode())
    a, b = world.settings.get("a"), world.settings.get("b")
    assert (a.manages_interval, a.interval_min) == (False, 30)
    assert (b.manages_interval, b.interval_min) == (False, None)


def test_a_key_that_nobody_could_be_told_is_not_made(world: Provisioned) -> None:
    """Of the server's connection a bootstrap tells the device; of its own nothing can."""
    rows = ("a;PSK_GENERATED;NO_SEC;coaps://h", "b;NO_SEC;PSK_GENERATED;coap://h")
    (job,) = work(world, "register", file(*rows))
    (refused,) = job.errors
    assert (job.succeeded, refused.line, refused.endpoint) == (1, 3, "b")
    assert refused.why.startswith("bootstrapSecurity.bootstrapSecurityMode is 'PSK_GENERATED'")
    assert world.registry.route("b") is None


def test_the_bound_holds_for_files_that_come_at_once(world: Provisioned) -> None:
    async def scenario() -> list[Any]:
        files = [world.jobs.submit("register", "t", good(f"d-{i}")) for i in range(3 * MAX_PENDING)]
        results = await asyncio.gather(*files, return_exceptions=True)
        await world.jobs.finished()
        return results

    results = run(scenario)
    accepted = [one for one in results if isinstance(one, Job)]
    assert MAX_PENDING <= len(accepted) <= MAX_PENDING + 1  # and one under way
    assert all(isinstance(one, Job | QueueFull) for one in results)
    assert len(world.registry) == len(accepted)


def test_a_result_that_cannot_be_read_does_not_keep_the_server_from_starting(
    world: Provisioned,
) -> None:
    work(world, "register", good("a"))
    world.fleet.apply([("bulk", (2).to_bytes(8, "big"), b"{")])
    after = Provisioned(world.fleet)
    assert [one.id for one in after.jobs.page("default", 9)] == [1]
    (job,) = work(after, "register", good("b"))
    assert job.id == 3


def damage(world: Provisioned, space: str, key: bytes) -> None:
    """Change a row on the disk."""
    row = world.fleet.get(space, key)
    assert row is not None
    world.fleet.apply([(space, key, row[:-1] + bytes([row[-1] ^ 1]))])


def test_a_row_that_was_changed_on_the_disk_stops_no_other_of_a_file(world: Provisioned) -> None:
    header = "endpoint id;securityMode;bootstrapSecurityMode;lwm2m server uri;lwm2m psk_id;"
    header += "lwm2m psk_key\n"

    def secured(*names: str, identity: str) -> bytes:
        rows = (f"{name};PSK;NO_SEC;coaps://h;{identity.format(name)};00ff\n" for name in names)
        return (header + "".join(rows)).encode()

    work(world, "register", secured("a", "b", identity="i-{}"))
    damage(world, "psk", b"i-a")
    (job,) = work(
        world, "register", secured("x", identity="i-a") + b"y;PSK;NO_SEC;coaps://h;i;00\n"
    )
    assert (job.succeeded, job.failed, job.reason) == (1, 1, None)
    assert "cannot be read" in job.errors[0].why
    damage(world, "device", b"a")
    (job,) = work(world, "delete", good("a", "b", "y"))
    assert (job.succeeded, job.failed, job.reason) == (2, 1, None)
    assert "cleanupClusterTenantObjectsForEndpoint forgets 'a' unread" in job.errors[0].why
    (job,) = work(world, "delete", good("a"), tenant="other")  # it is told nothing of it
    assert job.errors[0].why == "no device is configured as 'a'"
