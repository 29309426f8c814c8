"""What a removed trust anchor does to sessions and registrations, DTLS being a list."""

from __future__ import annotations

import pytest

from lwm2m_fast.errors import StoreError
from lwm2m_fast.fleet.credentials import x509_subject
from lwm2m_fast.net import dtls_base
from lwm2m_fast.secure import SecureSide
from tests.certificate_kit import made_certificate
from tests.scenario.scripted import X509, World
from tests.secure_kit import play


@pytest.fixture
def run():
    return play


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
