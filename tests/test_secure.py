"""What a changed credential does to sessions and registrations, DTLS being a list."""

from __future__ import annotations

import asyncio

import pytest

from lwm2m_fast.fleet.credentials import x509_subject
from lwm2m_fast.net import dtls_base
from lwm2m_fast.secure import ANOTHER, ONLY_PLAIN, ONLY_SECURE, REMOVED, SecureSide
from tests.scenario.scripted import X509, World, principal_of
from tests.secure_kit import KEY, PSK, play


@pytest.fixture
def run():
    return play


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


def test_a_registration_whose_end_meets_a_fault_keeps_no_other_and_goes_later(run, monkeypatch):
    monkeypatch.setattr("lwm2m_fast.secure.RETRY_S", 0.001)

    class Faulty:
        """The engine, which has a fault about dev-1 as long as it has."""

        def __init__(self, engine):
            self._engine, self.breaks = engine, True

        def __getattr__(self, name):
            return getattr(self._engine, name)

        def deregister(self, endpoint, now, reason=""):
            if self.breaks and endpoint == "dev-1":
                raise RuntimeError("a fault of ours")
            return self._engine.deregister(endpoint, now, reason)

    async def scenario(secured):
        for number in (1, 2):
            secured.world.secure(f"id-{number}", f"dev-{number}").register(f"dev-{number}")
        engine = secured.side._engine = Faulty(secured.world.engine)
        for number in (1, 2):
            secured.side.end_registration(f"dev-{number}", "gone")
        await secured.settled()
        assert secured.world.engine.device("dev-2") is None
        assert secured.world.engine.device("dev-1") is not None
        assert secured.side._faults.count >= 1
        engine.breaks = False
        async with asyncio.timeout(5):
            while secured.world.engine.device("dev-1"):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.001)
        assert secured.reasons() == ["gone", "gone"]

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
