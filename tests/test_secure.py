"""What a changed credential or anchor does to sessions and registrations, DTLS being a list."""

from __future__ import annotations

import asyncio
import secrets
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "scenario"))

from scripted import PSK as PSK_KIND
from scripted import X509, World, principal_of

from lwm2m_fast.device_credentials import DeviceCredentials
from lwm2m_fast.errors import StoreError
from lwm2m_fast.fleet.credentials import x509_subject
from lwm2m_fast.fleet.vault import Vault
from lwm2m_fast.net import dtls_base
from lwm2m_fast.secure import ANOTHER, ONLY_PLAIN, ONLY_SECURE, REMOVED, SecureSide
from lwm2m_fast.store.memory import MemoryFleet
from tests.certificate_kit import made_certificate

KEY = "00112233445566778899aabbccddeeff"
PSK = {"mode": "PSK", "identity": "id-1", "key": KEY}


class Dtls:
    """In place of net/dtls."""

    def __init__(self):
        self.ended, self.certificates, self.sessions = [], [], {}
        self.anchors = {}
        self.fault = None

    def end(self, principal):
        self.ended.append(principal)
        return True

    def anchor(self, principal):
        return self.anchors.get(principal, b"")

    def where(self, principal):
        return self.sessions.get(principal)

    def set_certificate(self, *parts):
        self.certificates.append(parts)


class Secured:
    """A core, its credentials and the side between them, in a running loop."""

    def __init__(self, **world):
        self.world = World(**world)
        self.security = DeviceCredentials(
            MemoryFleet(), Vault({1: bytes(32)}, secrets.token_bytes), clock=lambda: 1.0
        )
        self.side = SecureSide(self.world.engine, self.security, dtls_base.principal_of)
        self.dtls = Dtls()
        self.published = []
        self.side.attach(self.dtls, None)
        self.side.attach_turns(self.world.finish_turn, self.published.extend)

    async def put(self, endpoint="dev-1", server=PSK):
        """Set a credential."""
        await self.security.set_credential(endpoint, {"server": server})
        await self.settled()

    async def remove(self, endpoint="dev-1"):
        await self.security.remove_credential(endpoint)
        await self.settled()

    async def settled(self):
        for _ in range(20):
            await asyncio.sleep(0)

    def reasons(self):
        """Of the registrations that were ended so far, taken."""
        found = [e.data.get("reason") for e in self.world.events if e.kind == "deregistered"]
        self.world.events.clear()
        return found


@pytest.fixture
def run():
    def run(scenario, **world):
        async def within():
            secured = Secured(**world)
            try:
                await scenario(secured)
            finally:
                secured.side.stop()

        asyncio.run(within())

    return run


def test_a_removed_credential_ends_its_session_and_registration(run):
    async def scenario(secured):
        await secured.put()
        secured.dtls.ended.clear()
        device = secured.world.secure("id-1", "dev-1")
        location = device.register("dev-1")
        await secured.remove()
        assert secured.dtls.ended == [principal_of("id-1")]
        assert secured.reasons() == [REMOVED]
        assert secured.world.engine.device("dev-1") is None
        secured.side.ended(principal_of("id-1"))
        device.update(location, "4.04")

    run(scenario)


def test_another_key_ends_the_session_and_keeps_the_registration(run):
    async def scenario(secured):
        await secured.put()
        secured.dtls.ended.clear()
        location = secured.world.secure("id-1", "dev-1").register("dev-1")
        await secured.put(server={**PSK, "key": KEY[::-1]})
        assert secured.dtls.ended == [principal_of("id-1")]
        assert secured.reasons() == []
        secured.world.secure("id-1", "dev-1").update(location)

    run(scenario)


def test_a_credential_for_a_further_name_of_a_certificate_ends_what_it_registered(run):
    """It came under its first name; the second one is wanted with a key from now on."""

    async def scenario(secured):
        subject = x509_subject("default", "gateway").decode()
        device = secured.world.secure(subject, "gateway", "dev-1", kind=X509)
        location = device.register("dev-1")
        await secured.put()
        assert principal_of(subject, X509) in secured.dtls.ended
        assert secured.reasons() == [ANOTHER]
        assert secured.world.engine.device("dev-1") is None
        device.update(location, "4.04")

    run(scenario)


def test_another_key_of_an_identity_that_took_over_keeps_the_registration(run):
    """The registration is still the former identity's, and waits for the present one."""

    async def scenario(secured):
        await secured.put()
        secured.world.secure("id-1", "dev-1").register("dev-1")
        await secured.put(server={**PSK, "identity": "id-2"})
        secured.side.ended(principal_of("id-1"))
        await secured.put(server={**PSK, "identity": "id-2", "key": KEY[::-1]})
        assert secured.reasons() == []

    run(scenario)


def test_another_identity_takes_the_registration_over(run):
    async def scenario(secured):
        await secured.put()
        location = secured.world.secure("id-1", "dev-1").register("dev-1")
        await secured.put(server={**PSK, "identity": "id-2"})
        secured.side.ended(principal_of("id-1"))
        assert secured.reasons() == []
        secured.world.secure("id-2", "dev-1").update(location)

    run(scenario)


def test_a_credential_puts_an_end_to_a_plain_registration(run):
    async def scenario(secured):
        secured.world.device().register("dev-1")
        await secured.put()
        assert secured.reasons() == [ONLY_SECURE]
        secured.world.device().register("dev-1", expected="4.03")

    run(scenario)


def test_no_sec_puts_an_end_to_a_secure_registration(run):
    async def scenario(secured):
        await secured.put()
        secured.world.secure("id-1", "dev-1").register("dev-1")
        await secured.put(server={"mode": "NO_SEC"})
        assert secured.reasons() == [ONLY_PLAIN]
        secured.world.secure("id-1", "dev-1").register("dev-1", expected="4.03")
        secured.world.device().register("dev-1")

    run(scenario)


def test_the_bootstrap_side_is_another_servers(run):
    async def scenario(secured):
        await secured.security.set_credential("dev-1", {"bootstrap": PSK})
        await secured.settled()
        secured.world.device().register("dev-1")
        await secured.remove()
        assert secured.dtls.ended == [] and secured.reasons() == []

    run(scenario)


def test_what_is_stored_counts_from_the_start(run):
    async def scenario(secured):
        await secured.put("dev-1")
        await secured.put("dev-2", {"mode": "NO_SEC"})
        fresh = World()
        fresh.device().register("dev-1")
        side = SecureSide(fresh.engine, secured.security, dtls_base.principal_of)
        side.attach_turns(fresh.finish_turn, lambda events: None)
        assert side.load() == 2
        await secured.settled()
        assert [e.data.get("reason") for e in fresh.events if e.kind == "deregistered"] == [
            ONLY_SECURE
        ]
        fresh.device().register("dev-1", expected="4.03")
        fresh.secure("id-2", "dev-2").register("dev-2", expected="4.03")

    run(scenario)


def test_a_registration_that_the_store_cannot_let_go_of_goes_later(run, monkeypatch):
    monkeypatch.setattr("lwm2m_fast.secure.RETRY_S", 0.001)

    async def scenario(secured):
        await secured.put()
        secured.world.secure("id-1", "dev-1").register("dev-1")
        secured.world.engine.store_works = False
        await secured.remove()
        assert secured.reasons() == [] and secured.world.shown("dev-1")
        secured.world.engine.store_works = True
        async with asyncio.timeout(5):
            while secured.world.engine.device("dev-1"):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.001)
        assert secured.reasons() == [REMOVED]

    run(scenario)


def test_many_removed_at_once_all_end(run):
    async def scenario(secured):
        names = [f"dev-{n}" for n in range(300)]
        for name in names:
            await secured.security.set_credential(name, {"server": {**PSK, "identity": name}})
            secured.world.secure(name, name).register(name)
        for name in names:
            await secured.security.remove_credential(name)
        await secured.settled()
        assert secured.reasons() == [REMOVED] * 300
        assert secured.side.counters()["registrations_ended_by_credentials"] == 300

    run(scenario)


def test_a_missing_anchor_ends_the_sessions_that_may_stand_on_it(run):
    async def scenario(secured):
        by_name = dtls_base.principal_of(X509, x509_subject("default", "dev-1"))
        world = secured.world
        world.engine.secure_peer(by_name, X509, ["dev-1"])
        world.secure("id-1", "dev-2")
        secured.side.trust_changed(None)
        await secured.settled()
        assert secured.dtls.ended == []
        secured.side.trust_changed(b"one")
        await secured.settled()
        assert secured.dtls.ended == [by_name]
        assert secured.dtls.certificates == [(None, None, None)] * 2

    run(scenario)


def test_an_anchor_takes_those_that_stand_on_it_or_may_and_no_others(run):
    async def scenario(secured):
        peers = {}
        notes = {"a": b"one", "b": b"two", "c": b"", "any": b"one or two", "pinned": b""}
        for name, anchor in notes.items():
            peers[name] = dtls_base.principal_of(X509, x509_subject("default", name))
            secured.world.engine.secure_peer(peers[name], X509, [name])
            secured.dtls.anchors[peers[name]] = anchor
        made = made_certificate("pinned", None)
        await secured.put("pinned", {"mode": "X509", "certificate": made.pem.decode()})
        secured.dtls.ended.clear()
        left = {b"two"}
        secured.security.trust.has_anchor = left.__contains__
        secured.side.trust_changed(b"one")
        await secured.settled()
        assert secured.dtls.ended == [peers["a"], peers["c"], peers["any"]]
        secured.dtls.ended.clear()
        left.clear()
        left.add(b"one")
        secured.side.trust_changed(b"two")
        await secured.settled()
        assert secured.dtls.ended == [peers["b"], peers["c"], peers["any"]]

    run(scenario)


def test_who_is_pinned_at_the_other_server_stands_on_the_anchor_here(run):
    async def scenario(secured):
        pinned = made_certificate("dev-1", None).pem.decode()
        given = {"server": {"mode": "X509", "certificate": pinned}, "bootstrap": {"mode": "X509"}}
        secured.side.stop()
        await secured.security.set_credential("dev-1", given)
        world = World()
        side = SecureSide(world.engine, secured.security, dtls_base.principal_of, "bootstrap")
        side.attach(secured.dtls, None)
        peer = dtls_base.principal_of(X509, x509_subject("default", "dev-1"))
        world.engine.secure_peer(peer, X509, ["dev-1"])
        side.trust_changed(b"one")
        await secured.settled()
        assert secured.dtls.ended == [peer]
        side.stop()

    run(scenario)


def test_a_credential_that_cannot_be_read_keeps_no_session_and_none_behind_it(run, monkeypatch):
    async def scenario(secured):
        peers = []
        for name in ("a", "b"):
            peers.append(dtls_base.principal_of(X509, x509_subject("default", name)))
            secured.world.engine.secure_peer(peers[-1], X509, [name])

        def mark(endpoint, side=0):
            raise StoreError("the disk is in trouble")

        monkeypatch.setattr(secured.security.credentials, "mark", mark)
        secured.side.trust_changed(b"one")
        await secured.settled()
        assert secured.dtls.ended == peers

    run(scenario)


def test_two_anchors_that_go_at_once_both_count(run):
    async def scenario(secured):
        peers = {}
        secured.security.trust.has_anchor = {b"three"}.__contains__
        for name in ("one", "two", "three"):
            peers[name] = dtls_base.principal_of(X509, x509_subject("default", name))
            secured.world.engine.secure_peer(peers[name], X509, [name])
            secured.dtls.anchors[peers[name]] = name.encode()
        secured.side.trust_changed(b"one")
        secured.side.trust_changed(b"two")  # before anything of the first was done
        await secured.settled()
        assert secured.dtls.ended == [peers["one"], peers["two"]]

    run(scenario)


def test_a_refused_handshake_is_logged_counted_and_told(run, caplog):
    async def scenario(secured):
        secured.side.refused("192.0.2.1:4711", "unknown PSK identity", "id-9")
        assert secured.published == []  # not in the middle of receiving
        await secured.settled()
        (event,) = secured.published
        assert (event.kind, event.endpoint) == ("handshake_refused", "")
        assert event.data == {
            "address": "192.0.2.1:4711",
            "reason": "unknown PSK identity",
            "identity": "id-9",
        }
        assert "a handshake was refused" in caplog.text
        assert secured.side.counters()["dtls_refusals_told"] == 1

    run(scenario)


def test_a_fault_of_our_own_is_logged(run, caplog):
    async def scenario(secured):
        secured.side.look()
        assert caplog.text == ""
        secured.dtls.fault = ValueError("a row of another kind")
        secured.side.look()
        assert "a row of another kind" in caplog.text

    run(scenario)


def test_where_shows_a_certificate_by_its_name(run):
    async def scenario(secured):
        principal = dtls_base.principal_of(X509, x509_subject("default", "dev-1"))
        secured.world.engine.secure_peer(principal, X509, ["dev-1"])
        facts = {"address": "192.0.2.7:1", "kind": X509, "suite": "", "cid": True}
        facts |= {"since": 1.0, "live": True, "identity": "default\0dev-1"}
        secured.dtls.sessions[principal] = facts
        assert secured.side.where(principal)["identity"] == "dev-1"
        assert secured.side.where(bytes(16)) is None

    run(scenario)


def test_a_session_beyond_the_bound_is_counted(run):
    async def scenario(secured):
        secured.side.opened(bytes(16), 1, b"id-1", ("dev-1",))
        secured.side.opened(b"x" * 16, 1, b"id-2", ("dev-2",))
        assert secured.side.counters()["dtls_sessions_without_a_place"] == 1

    run(scenario, dtls={"max_sessions": 1})


# Credentials that were changed by a process that then died


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
