"""Profiles as they are kept: by tenant and name, sealed, and never gone while a device has one."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from lwm2m_fast.errors import Conflict, NotFound, RequestError, StoreError
from lwm2m_fast.fleet.configuration import read
from lwm2m_fast.fleet.profiles import read as read_profile
from lwm2m_fast.provisioning.profiles import (
    MAX_PROFILES,
    MAX_REMEMBERED,
    PROFILE,
    USE,
    of_device,
)
from lwm2m_fast.provisioning.transactions import Wanted
from tests.fleet.profile_samples import NEWER
from tests.provisioning.provisioning_kit import NO_SEC, Provisioned

WITH_PROFILE = NO_SEC | {"deviceProfile": "p"}


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


@pytest.fixture
def world() -> Provisioned:
    found = Provisioned()
    run(found.face.put_profile("p", NEWER, "default"))
    return found


def test_a_profile_is_there_after_a_restart_and_sealed(world: Provisioned) -> None:
    after = Provisioned(world.fleet)
    assert after.registry.profiles.get("default", "p") == read_profile(NEWER)
    (row,) = [row for _, row in world.fleet.scan(PROFILE)]
    assert b"localhost" not in row


def test_a_row_that_was_changed_on_the_disk_is_no_profile(world: Provisioned) -> None:
    ((key, row),) = world.fleet.scan(PROFILE)
    world.fleet.put(PROFILE, [(b"default\0q", row), (key, row[:-1] + bytes([row[-1] ^ 1]))])
    after = Provisioned(world.fleet)
    for name in ("p", "q"):
        with pytest.raises(StoreError):
            after.registry.profiles.get("default", name)


def test_a_change_counts_at_once(world: Provisioned) -> None:
    profiles = world.registry.profiles
    before = profiles.get("default", "p")
    assert before is not None and before is profiles.get("default", "p")
    _, is_new = run(world.face.put_profile("p", {}, "default"))
    assert not is_new
    assert profiles.get("default", "p") == read_profile({})


def test_each_tenant_has_its_own(world: Provisioned) -> None:
    run(world.face.put_profile("p", {}, "acme"))
    run(world.face.put_profile("q", {}, "acme"))
    assert world.face.profiles("default") == ["p"]
    assert world.face.profiles("acme") == ["p", "q"]
    assert world.face.profiles("acm") == []
    assert world.face.profile("q", "default") is None
    with pytest.raises(NotFound):
        run(world.face.remove_profile("q", "default"))
    run(world.face.add(WITH_PROFILE, "acme"))
    run(world.face.remove_profile("p", "default"))  # acme's is another one
    assert world.face.profile_of("d-1") == read_profile({})


@pytest.mark.parametrize("name", ["", " p", "p ", "a\nb", "x" * 65, "é" * 33, "\ud800"])
def test_a_name_that_cannot_be_is_refused(world: Provisioned, name: str) -> None:
    with pytest.raises(RequestError, match="a profile's name has 1 to 64 bytes"):
        run(world.face.put_profile(name, {}, "default"))
    assert world.face.profiles("default") == ["p"]
    assert world.face.profile(name, "default") is None
    with pytest.raises(RequestError, match="deviceProfile"):
        read(NO_SEC | {"deviceProfile": name})


def test_a_name_of_64_bytes_goes_with_a_long_endpoint(world: Provisioned) -> None:
    name, endpoint, tenant = "é" * 32, "e" * 255, "t" * 32
    run(world.face.put_profile(name, {}, tenant))
    run(world.face.add(NO_SEC | {"endpointId": endpoint, "deviceProfile": name}, tenant))
    with pytest.raises(Conflict, match="such as 'eeee"):
        run(world.face.remove_profile(name, tenant))


def test_the_number_of_a_tenants_profiles_has_a_bound(world: Provisioned) -> None:
    profiles, empty = world.registry.profiles, read_profile({})
    for number in range(MAX_PROFILES - 1):
        profiles.put("default", f"n{number}", empty)
    with pytest.raises(RequestError, match=f"there are {MAX_PROFILES} profiles already"):
        profiles.put("default", "more", empty)
    assert not profiles.put("default", "n0", empty)  # in the place of one
    assert profiles.put("acme", "more", empty)
    for number in range(MAX_REMEMBERED + 1):
        assert profiles.get("default", f"n{number}") == empty
    assert len(profiles._read) <= MAX_REMEMBERED


# With devices


def test_a_device_has_only_a_profile_that_there_is(world: Provisioned) -> None:
    with pytest.raises(RequestError, match="deviceProfile is 'x': there is no such"):
        run(world.face.add(NO_SEC | {"deviceProfile": "x"}, "default"))
    with pytest.raises(RequestError, match="deviceProfile is 'p': there is no such"):
        run(world.face.add(WITH_PROFILE, "acme"))
    assert world.rows()["device"] == world.rows()["credential"] == world.count(USE) == 0
    run(world.face.add(NO_SEC, "default"))
    with pytest.raises(RequestError, match="there is no such device profile"):
        run(world.face.change("d-1", {"deviceProfile": "x", "registrationLifetime": 9}, "default"))
    assert world.registry.get("d-1") is not None
    assert world.registry.get("d-1").configuration.registration_lifetime is None  # type: ignore[union-attr]
    assert world.count(USE) == 0


def test_a_profile_of_a_device_does_not_go(world: Provisioned) -> None:
    run(world.face.add(WITH_PROFILE, "default"))
    with pytest.raises(Conflict, match="'p' is that of devices, such as 'd-1'"):
        run(world.face.remove_profile("p", "default"))
    assert world.face.profile_of("d-1") == read_profile(NEWER)


@pytest.mark.parametrize("how", ["unset", "another", "removed", "inventory", "cleanup", "file"])
def test_it_goes_when_no_device_has_it_any_more(world: Provisioned, how: str) -> None:
    run(world.face.add(WITH_PROFILE, "default"))
    run(world.face.put_profile("q", {}, "default"))
    ways = {
        "unset": lambda: world.face.change("d-1", {"deviceProfile": None}, "default"),
        "another": lambda: world.face.change("d-1", {"deviceProfile": "q"}, "default"),
        "removed": lambda: world.face.remove("d-1", "default"),
        "inventory": lambda: world.face.remove("d-1", "default", keeps_route=True),
        "cleanup": lambda: world.devices.cleanup("d-1", "default"),
        "file": lambda: _file(world, "delete", b"endpoint id\nd-1\n"),
    }
    run(ways[how]())
    run(world.face.remove_profile("p", "default"))
    assert world.face.profiles("default") == ["q"]
    if how == "another":
        with pytest.raises(Conflict):
            run(world.face.remove_profile("q", "default"))


async def _file(world: Provisioned, action: str, data: bytes) -> None:
    await world.jobs.submit(action, "default", data, "f.csv")
    await world.jobs.finished()


def test_a_file_names_profiles_and_a_wrong_one_is_a_refused_row(world: Provisioned) -> None:
    data = (
        b"endpoint id;securityMode;bootstrapSecurityMode;deviceProfile\n"
        b"a;NO_SEC;NO_SEC;p\nb;NO_SEC;NO_SEC;x\nc;NO_SEC;NO_SEC;\nd;NO_SEC;NO_SEC;p\n"
    )
    run(_file(world, "register", data))
    (job,) = world.face.files("default", 9)
    assert (job["succeeded"], job["failed"]) == (2, 2)
    told = {error["line"]: error["reason"] for error in job["errors"]}
    assert "there is no such device profile" in told[3]
    assert "lwm2mServerUri" in told[4]  # no profile that could have one
    assert list(world.registry.profiles.users("default", "p")) == ["a", "d"]


def test_a_legacy_row_with_a_wrong_profile_is_not_kept_unbound(world: Provisioned) -> None:
    run(world.face.add(NO_SEC, "default"))
    wanted = [
        Wanted(read(NO_SEC | more), "acme", is_legacy=True) for more in ({"deviceProfile": "x"}, {})
    ]
    wrong, kept = world.registry.add(wanted).results
    assert isinstance(wrong, Conflict) and isinstance(kept, RequestError)
    assert len(world.registry.unbound) == 1
    device = world.registry.unbound.page("acme", None, 9)[0][0]
    assert device.configuration.device_profile is None


def test_a_full_store_keeps_a_device_and_its_use_together(
    world: Provisioned, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(changes: Any) -> None:
        raise StoreError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(world.fleet, "apply", full)
        for work in (
            lambda: world.face.add(WITH_PROFILE, "default"),
            lambda: world.face.put_profile("p", {}, "default"),
            lambda: world.face.remove_profile("p", "default"),
        ):
            with pytest.raises(StoreError):
                run(work())
    assert world.count(USE) == world.rows()["device"] == 0
    assert world.face.profile("p", "default") is not None
    assert world.registry.profiles.get("default", "p") == read_profile(NEWER)


def test_who_has_no_profile_and_who_has_a_lost_one(world: Provisioned) -> None:
    profiles = world.registry.profiles
    assert of_device(profiles, "default", None) is None
    with pytest.raises(RequestError, match="there is no such device profile"):
        of_device(profiles, "default", "lost")
    assert world.face.profile_of("nobody") is None


@pytest.mark.parametrize("how", ["one", "change", "file"])
def test_it_is_noticed_when_the_first_device_has_one(world: Provisioned, how: str) -> None:
    noticed: list[int] = []
    world.registry.profiles.noticed = lambda: noticed.append(world.count(USE))
    run(world.face.add(NO_SEC, "default"))
    assert noticed == [] and not world.devices.uses_profiles
    rows = b"endpoint id;securityMode;bootstrapSecurityMode;deviceProfile\na;NO_SEC;NO_SEC;p\n"
    ways = {
        "one": lambda: world.face.add(WITH_PROFILE | {"endpointId": "d-2"}, "default"),
        "change": lambda: world.face.change("d-1", {"deviceProfile": "p"}, "default"),
        "file": lambda: _file(world, "register", rows),
    }
    run(ways[how]())
    assert noticed and noticed[0] == 1  # once it is kept
    assert world.devices.uses_profiles
    assert Provisioned(world.fleet).devices.uses_profiles
