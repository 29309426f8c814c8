"""What a killed process had not ended of changed credentials, the next one ends."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from lwm2m_fast.errors import StoreError
from lwm2m_fast.net import dtls_base
from lwm2m_fast.secure import REMOVED, SecureSide
from tests.scenario.scripted import PSK as PSK_KIND
from tests.scenario.scripted import World, principal_of
from tests.secure_kit import Dtls, play


@pytest.fixture
def run():
    return play


def registered(identity="id-1", endpoint="dev-1", kind=PSK_KIND):
    """What the next process finds: the registration is in the other store, and still there."""
    fresh = World()
    location = fresh.secure(identity, endpoint, kind=kind).register(endpoint)
    return fresh, location


async def started(fresh, security):
    """That process, up to the moment when devices are served."""
    side = SecureSide(fresh.engine, security, dtls_base.principal_of)
    dtls = Dtls()
    side.load()
    side.attach(dtls, None)
    side.attach_turns(fresh.finish_turn, lambda events: None)
    resumed = side.resume()
    for _ in range(20):
        await asyncio.sleep(0)
    return side, dtls, resumed


async def until(met):
    async with asyncio.timeout(5):
        while not met():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)


async def settled_on_disk(security):
    await until(lambda: not list(security.unsettled()))


def test_a_kill_behind_the_removal_of_a_credential_leaves_no_registration(run):
    async def scenario(secured):
        await secured.put()
        secured.security.credentials.remove(["dev-1"])  # and nobody was told
        fresh, _ = registered()
        side, dtls, resumed = await started(fresh, secured.security)
        assert resumed == 1
        assert dtls.ended == [principal_of("id-1")]  # a saved session of it as well
        assert [e.data["reason"] for e in fresh.events if e.kind == "deregistered"] == [REMOVED]
        await settled_on_disk(secured.security)
        side.stop()
        again, _ = registered()
        side, dtls, resumed = await started(again, secured.security)
        assert (resumed, dtls.ended) == (0, [])
        assert again.engine.device("dev-1") is not None
        side.stop()

    run(scenario)


def test_a_kill_behind_another_key_ends_the_session_and_keeps_the_registration(run):
    async def scenario(secured):
        await secured.put()
        before = secured.security.credentials.before("dev-1")
        other = replace(before, server=replace(before.server, key=b"another"))
        secured.security.credentials.put([other], replacing=True)
        fresh, location = registered()
        side, dtls, resumed = await started(fresh, secured.security)
        assert (resumed, dtls.ended) == (1, [principal_of("id-1")])
        fresh.secure("id-1", "dev-1").update(location)
        side.stop()

    run(scenario)


def test_what_was_removed_and_is_there_again_stays(run):
    async def scenario(secured):
        await secured.put()
        credentials = secured.security.credentials
        credential = credentials.before("dev-1")
        credentials.remove(["dev-1"])
        credentials.put([credential], replacing=False)
        fresh, location = registered()
        side, _, resumed = await started(fresh, secured.security)
        assert resumed == 1
        fresh.secure("id-1", "dev-1").update(location)
        fresh.device().register("dev-1", expected="4.03")  # it needs its key still
        side.stop()

    run(scenario)


def test_what_was_done_is_not_done_again(run):
    async def scenario(secured):
        await secured.put()
        secured.world.secure("id-1", "dev-1").register("dev-1")
        await secured.remove()
        assert secured.reasons() == [REMOVED]
        await settled_on_disk(secured.security)

    run(scenario)


def test_it_is_not_forgotten_before_the_store_has_what_was_done(run):
    async def scenario(secured):
        kept = asyncio.Event()
        secured.side.attach_turns(secured.world.finish_turn, lambda events: None, kept.wait)
        await secured.put()
        secured.world.secure("id-1", "dev-1").register("dev-1")
        await secured.remove()
        assert secured.reasons() == [REMOVED]
        assert [change.endpoint for change in secured.security.unsettled()] == ["dev-1"]
        kept.set()
        await settled_on_disk(secured.security)

    run(scenario)


def test_a_store_that_refuses_to_forget_is_asked_again(run, monkeypatch):
    monkeypatch.setattr("lwm2m_fast.secure.RETRY_S", 0.001)

    async def scenario(secured):
        await secured.put()
        credentials = secured.security.credentials
        refusals = [StoreError("no space left"), StoreError("no space left")]
        settle = credentials.settle

        def refusing(tickets):
            if refusals:
                raise refusals.pop()
            settle(tickets)

        monkeypatch.setattr(credentials, "settle", refusing)
        await secured.remove()
        await settled_on_disk(secured.security)
        assert refusals == []

    run(scenario)


def test_what_the_store_took_back_is_ended_again(run, monkeypatch):
    monkeypatch.setattr("lwm2m_fast.secure.RETRY_S", 0.001)

    async def scenario(secured):
        failures = [StoreError("no space left")]

        async def kept():
            if failures:  # the registration is back, as after Engine.failed()
                secured.world.secure("id-1", "dev-1").register("dev-1")
                raise failures.pop()

        secured.side.attach_turns(secured.world.finish_turn, lambda events: None, kept)
        await secured.put()
        secured.world.secure("id-1", "dev-1").register("dev-1")
        await secured.remove()
        await settled_on_disk(secured.security)
        assert secured.reasons() == [REMOVED, REMOVED]
        assert secured.world.engine.device("dev-1") is None

    run(scenario)


@pytest.mark.parametrize("times", [1, 3])
def test_what_the_store_took_back_and_cannot_be_read_at_once_is_ended_again(
    run, monkeypatch, times
):
    monkeypatch.setattr("lwm2m_fast.secure.RETRY_S", 0.001)
    monkeypatch.setattr("lwm2m_fast.secure.READ_AGAIN", 2)

    async def scenario(secured):
        failures = [StoreError("the disk is in trouble")]
        unread = []
        credentials = secured.security.credentials
        mark = credentials.mark

        def unreadable(endpoint):
            if unread:
                raise unread.pop()
            return mark(endpoint)

        async def kept():
            if failures:
                secured.world.secure("id-1", "dev-1").register("dev-1")
                unread.extend([StoreError("here as well")] * times)
                raise failures.pop()

        secured.side.attach_turns(secured.world.finish_turn, lambda events: None, kept)
        await secured.put()
        secured.world.secure("id-1", "dev-1").register("dev-1")
        monkeypatch.setattr(credentials, "mark", unreadable)
        settled, settle = [], credentials.settle
        monkeypatch.setattr(
            credentials, "settle", lambda told: (settle(told), settled.extend(told))
        )
        await secured.remove()
        left = 1 if times == 3 else 0

        def noted():
            return len(list(credentials._fleet.scan("ended")))

        await until(lambda: not failures and len(unread) == left and noted() == left)
        await until(lambda: secured.side._forgetting is None)
        unread.clear()
        assert (secured.world.engine.device("dev-1") is None) is (left == 0)
        await secured.put("dev-2")
        await secured.remove("dev-2")  # others are settled as ever
        await until(lambda: (2).to_bytes(8, "big") in settled)
        assert noted() == left

    run(scenario)


def test_a_file_of_new_devices_leaves_nothing_to_settle(run):
    async def scenario(secured):
        await secured.put("dev-1")
        await secured.put("dev-2", {"mode": "X509"})
        assert list(secured.security.unsettled()) == []

    run(scenario)


def test_a_damaged_row_of_a_change_is_passed_over(run):
    async def scenario(secured):
        await secured.put()
        secured.security.credentials.remove(["dev-1"])
        fleet = secured.security.credentials._fleet
        fleet.apply([("ended", (7).to_bytes(8, "big"), b"{}"), ("ended", b"x", b"\xff")])
        assert [change.endpoint for change in secured.security.unsettled()] == ["dev-1"]

    run(scenario)
