"""Who may speak for which endpoint: secure peers, plain ones, and those who have the other's id.

A secure peer is an address with port 0, its principal; how it has shown who it is, is not in here.
"""

import pytest
from scripted import (
    ACK,
    CONTENT_FORMAT,
    DELETE,
    POST,
    PSK,
    RST,
    X509,
    World,
    principal_of,
    register,
    register_parts,
    request,
)

from lwm2m_fast.datagram import Inbox

SENML_CBOR = b"\x70"
VALUES = b"\x81\xa2\x00\x61\x31\x02\x01"


def send(device, expected):
    answer = device.ask(POST, "dp", options=[(CONTENT_FORMAT, SENML_CBOR)], payload=VALUES)
    assert answer.code == expected


# Register


@pytest.mark.parametrize("kind", [PSK, X509])
def test_a_secure_peer_registers_as_what_it_may_speak_for(kind):
    world = World()
    device = world.secure("id-1", "dev-1", kind=kind)
    location = device.register("dev-1")
    device.update(location)
    assert world.kinds() == [("registered", "dev-1"), ("updated", "dev-1")]
    assert world.engine.principal("dev-1") == principal_of("id-1", kind)
    device.leave(location)
    assert world.engine.principal("dev-1") is None


def test_another_name_is_refused_without_a_word_and_nothing_is_kept():
    world = World()
    device = world.secure("id-1", "dev-1")
    answer = device.ask(POST, "rd", **register_parts("dev-2"))
    assert (answer.code, answer.payload) == ("4.03", b"")
    assert world.count("register_forbidden") == 1
    assert world.rows == {} and world.count("registrations_current") == 0
    assert world.count("peers_current") == 0


def test_a_name_must_be_the_whole_name():
    world = World()
    device = world.secure("id-1", "dev-12")
    for name in ("dev-1", "dev-123", "ev-12"):
        device.register(name, expected="4.03")
    device.register("dev-12")


@pytest.mark.parametrize("names", [("dev-1", "dev-2"), ("dev-2", "dev-1", "dev-1")])
def test_one_identity_may_speak_for_several_names(names):
    device = World().secure("id-1", *names)
    device.register("dev-1")
    device.register("dev-2")
    device.register("dev-3", expected="4.03")


def test_a_peer_that_was_never_announced_may_say_nothing():
    world = World()
    device = world.secure("id-1", said=False)
    device.register("dev-1", expected="4.03")
    assert world.rows == {}


def test_a_peer_that_is_gone_may_say_nothing_and_keeps_its_registration():
    world = World()
    device = world.secure()
    location = device.register()
    world.engine.secure_peer_gone(principal_of("id-1"))
    device.update(location, "4.03")
    device.leave(location, "4.03")
    send(device, "4.03")
    assert world.shown("dev-1")["registration_id"] == location[3:]
    world.secure()
    device.update(location)


def test_ep_may_be_absent_where_the_identity_has_one_name():
    world = World()
    device = world.secure("id-1", "dev-1", "dev-1")
    parts = register_parts("dev-1")
    parts["query"] = parts["query"][1:]
    answer = device.ask(POST, "rd", **parts)
    assert answer.code == "2.01"
    without = world.rows[1, b"dev-1"]
    other = World()
    other.secure("id-1", "dev-1", "dev-1").register("dev-1")
    assert other.rows[1, b"dev-1"] == without
    assert other.kinds() == world.kinds() == [("registered", "dev-1")]


@pytest.mark.parametrize("names", [(), ("dev-1", "dev-2"), ("", "x" * 256)])
def test_ep_may_not_be_absent_where_the_identity_has_none_or_several(names):
    world = World()
    device = world.secure(said=False)
    world.engine.secure_peer(principal_of("id-1"), PSK, names)
    parts = register_parts("dev-1")
    parts["query"] = parts["query"][1:]
    answer = device.ask(POST, "rd", **parts)
    assert (answer.code, answer.payload) == ("4.00", b"ep, the endpoint name, is missing")


def test_ep_may_not_be_absent_on_the_plain_port():
    world = World()
    world.secure("id-1", "dev-1")
    parts = register_parts("dev-1")
    parts["query"] = parts["query"][1:]
    assert world.device().ask(POST, "rd", **parts).code == "4.00"


# Somebody else's registration


@pytest.mark.parametrize("code", [POST, DELETE])
@pytest.mark.parametrize("thief", ["plain", "secure"])
def test_a_stolen_id_is_worth_nothing(thief, code):
    world = World()
    owner = world.secure("id-1", "dev-1")
    location = owner.register("dev-1")
    before = world.shown("dev-1"), dict(world.rows)
    stranger = world.device() if thief == "plain" else world.secure("id-2", "dev-2")
    answer = stranger.ask(code, location)
    assert (answer.code, answer.payload) == ("4.03", b"")
    assert (world.shown("dev-1"), world.rows) == before
    assert world.count("update_forbidden") == 1
    owner.update(location)


def test_a_plain_device_is_not_taken_over_by_a_secure_one_that_has_its_id():
    world = World()
    location = world.device().register("dev-1")
    world.secure("id-2", "dev-2").update(location, "4.03")
    answer = world.secure("id-1", "dev-1").update(location, "4.00")
    assert answer.payload == b"this registration belongs to another port of the server"
    world.device().update(location)


def test_another_identity_of_the_same_endpoint_takes_the_registration_with_it():
    world = World()
    location = world.secure("id-1", "dev-1").register("dev-1")
    world.engine.secure_peer_gone(principal_of("id-1"))
    fresh = world.secure("id-2", "dev-1")
    fresh.update(location)
    assert world.engine.principal("dev-1") == principal_of("id-2")
    assert world.count("registrations_moved") == 1
    world.read("dev-1", 3)
    assert fresh.hear().path == [b"3"]


def test_an_identity_that_loses_a_name_loses_what_it_has_registered_as_it():
    world = World()
    device = world.secure("id-1", "dev-1")
    location = device.register("dev-1")
    asked = device.observed()
    call = world.read("dev-1", 3)
    read = device.hear()
    world.secure("id-1", "dev-2")
    device.update(location, "4.03")
    send(device, "4.03")
    device.notify(asked.token, 2)
    device.answer(read)
    device.reset(read)
    assert world.told() == [] and world.outcomes() == []
    assert world.count("notifications_astray") == 1
    world.secure("id-1", "dev-1")
    device.answer(read)
    assert world.outcomes() == [(call, "answered")]


def test_a_notification_from_another_session_is_reset_and_not_told():
    world = World()
    device = world.secure("id-1", "dev-1")
    device.register("dev-1")
    asked = device.observed()
    for stranger in (world.secure("id-2", "dev-2"), world.device()):
        stranger.notify(asked.token, 2, kind=0)
        assert stranger.hear().type == RST
    assert world.told() == [] and world.states() == {b"3303/0/5700": "active"}
    device.notify(asked.token, 2)
    assert world.told() == [b"21.0"]


def test_an_answer_from_another_session_is_none():
    world = World()
    device = world.secure("id-1", "dev-1")
    device.register("dev-1")
    call = world.read("dev-1", 3)
    asked = device.hear()
    for stranger in (world.secure("id-2", "dev-2"), world.device()):
        stranger.answer(asked)
        stranger.acknowledge(asked)
        stranger.reset(asked)
    assert world.outcomes() == []
    device.answer(asked)
    assert world.outcomes() == [(call, "answered")]


def test_a_send_from_a_session_without_a_registration_is_unknown():
    world = World()
    world.secure("id-1", "dev-1").register("dev-1")
    send(world.secure("id-2", "dev-2"), "4.04")
    send(world.secure("id-1", "dev-1"), "2.04")


def test_a_plain_datagram_from_port_0_is_no_secure_peer():
    """Its source may be any 16 bytes; the number of the listener is what cannot be forged."""
    world = World()
    device = world.secure("id-1", "dev-1")
    location = device.register("dev-1")
    forged = [register("dev-1", mid=1), *(request(c, location, mid=1 + c) for c in (POST, DELETE))]
    inbox = Inbox()
    inbox.load([(device.address, message) for message in forged], local=0)
    world.engine.receive(inbox, world.now)
    world.finish_turn()
    assert world.shown("dev-1")["registration_id"] == location[3:]
    assert world.count("register_forbidden") == 1 and world.count("update_forbidden") == 2


# Plain or secure, by name


def test_an_endpoint_with_credentials_is_refused_on_the_plain_port():
    world = World()
    world.engine.require("dev-1", 1)
    world.device().register("dev-1", expected="4.03")
    world.secure("id-1", "dev-1").register("dev-1")
    world.device().register("dev-2")


def test_an_endpoint_without_security_is_refused_over_dtls():
    world = World()
    world.engine.require("dev-1", 0)
    world.secure("id-1", "dev-1").register("dev-1", expected="4.03")
    world.device().register("dev-1")


@pytest.mark.parametrize("mode", [0, 1])
def test_what_is_required_is_also_let_in(mode):
    world = World(policy="provisioned")
    world.engine.require("dev-1", mode)
    (world.secure("id-1", "dev-1") if mode else world.device()).register("dev-1")
    world.engine.require("dev-1", None)
    world.device("192.0.2.9:1").register("dev-1", expected="4.03")
    world.secure("id-1", "dev-1").register("dev-1", expected="4.03")
    assert world.count("names_current") == 0 and world.count("names_bytes") == 0


def test_a_listed_name_may_come_either_way_if_nothing_else_is_said():
    world = World(policy="provisioned")
    world.engine.allow(["dev-1"])
    world.device().register("dev-1")
    world.secure("id-1", "dev-1").register("dev-1")
    world.secure("id-2", "dev-2").register("dev-2", expected="4.03")
    world.engine.require("dev-1", 1)
    world.engine.require("dev-1", None)
    world.secure("id-1", "dev-1").register("dev-1")
    world.engine.disallow("dev-1")
    world.secure("id-1", "dev-1").register("dev-1", expected="4.03")


def test_who_is_here_securely_is_not_replaced_by_a_plain_namesake():
    world = World()
    device = world.secure("id-1", "dev-1", kind=X509)
    location = device.register("dev-1")
    world.device().register("dev-1", expected="4.03")
    device.update(location)
    world.engine.require("dev-1", 0)
    world.device().register("dev-1")


def test_require_says_whether_the_registration_is_at_odds_with_it():
    world = World()
    world.device().register("dev-1")
    world.secure("id-2", "dev-2").register("dev-2")
    assert [world.engine.require("dev-1", mode) for mode in (0, 1, None)] == [False, True, False]
    assert [world.engine.require("dev-2", mode) for mode in (0, 1, None)] == [True, False, False]
    assert world.engine.require("dev-3", 1) is False


def test_the_reason_of_a_deregistration_is_told():
    world = World()
    world.secure("id-1", "dev-1").register("dev-1")
    world.kinds()
    world.engine.deregister("dev-1", world.now, "its credentials were removed")
    world.finish_turn()
    (event,) = world.events
    assert (event.kind, event.data["reason"]) == ("deregistered", "its credentials were removed")


# Messages


def test_a_new_session_of_the_same_identity_repeats_nothing():
    world = World()
    device = world.secure()
    first = device.ask(POST, "rd", **register_parts("dev-1"), mid=7)
    again = device.ask(POST, "rd", **register_parts("dev-1"), mid=7)
    assert again.data == first.data
    world.engine.secure_peer_replaced(principal_of("id-1"))
    assert device.ask(POST, "rd", **register_parts("dev-1"), mid=7).location != first.location
    assert world.count("coap_duplicates") == 1


def test_a_secure_stranger_gets_all_that_it_asked_for():
    """Its address has been verified; a plain one gets at most three times what it sent."""
    answers = {
        who.address: who.ask(1, ".well-known/core", token=b"")
        for who in (lambda world: (world.secure(), world.device()))(
            World(coap={"amplification_limit": 1})
        )
    }
    secure, plain = answers.values()
    assert secure.block(23) is None and plain.block(23) is not None


def test_principals_are_bounded_and_the_earlier_ones_stay():
    world = World(dtls={"max_sessions": 2})
    engine = world.engine
    assert [engine.secure_peer(principal_of(f"id-{i}"), PSK, [f"dev-{i}"]) for i in range(3)] == [
        True,
        True,
        False,
    ]
    assert world.count("principals_current") == 2 and world.count("principals_refused") == 1
    world.secure("id-2", "dev-2").register("dev-2", expected="4.03")
    assert engine.secure_peer(principal_of("id-1"), PSK, ["dev-9"]) is True  # known already
    world.secure("id-1", "dev-9").register("dev-9")
    engine.secure_peer_gone(principal_of("id-0"))
    engine.secure_peer_gone(principal_of("id-0"))
    world.secure("id-2", "dev-2").register("dev-2")
    for i in (1, 2):
        engine.secure_peer_gone(principal_of(f"id-{i}"))
    assert world.count("principals_current") == 0 and world.count("principals_bytes") == 0


def test_of_a_certificate_with_many_names_sixteen_count():
    world = World()
    device = world.secure("id-1", *(f"dev-{i}" for i in range(20)))
    device.register("dev-15")
    device.register("dev-16", expected="4.03")


def test_a_name_that_is_no_utf8_is_none():
    world = World()
    world.secure("id-1", "\udc80", "dev-1").register("dev-1")


@pytest.mark.parametrize("size", [0, 15, 17])
def test_a_principal_has_16_bytes(size):
    with pytest.raises(ValueError, match="16 bytes"):
        World().engine.secure_peer(bytes(size), PSK, ["dev-1"])


def test_names_take_little_memory():
    world = World()
    for i in range(20_000):
        world.engine.require(f"device-{i:07}", i % 2)
    assert world.count("names_current") == 20_000
    assert world.count("names_bytes") / 20_000 < 40


# What survives


@pytest.mark.parametrize("kind", [PSK, X509])
def test_a_registration_survives_a_restart_and_the_next_record_needs_nothing(kind):
    world = World()
    device = world.secure("id-1", "dev-1", kind=kind)
    location = device.register("dev-1")
    asked = device.observed()
    world = world.restarted()
    early = world.secure("id-1", "dev-1", kind=kind, said=False)
    early.update(location, "4.03")  # before its session is here nothing speaks for it
    device = world.secure("id-1", "dev-1", kind=kind)
    device.notify(asked.token, 5, b"22.5", kind=0)
    assert device.hear().type == ACK
    assert world.told() == [b"22.5"]
    device.update(location)
    world.read("dev-1", 3)
    assert device.hear().path == [b"3"]


# What is shown


def test_a_device_is_shown_with_where_it_is_and_who():
    world = World()
    seen = []

    def where(principal):
        seen.append(principal)
        return {
            "address": "192.0.2.7:4711",
            "kind": X509,
            "identity": "dev-1",
            "suite": "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8",
            "cid": True,
            "since": 1.0,
            "live": False,
        }

    world.secure("id-1", "dev-1", kind=X509).register("dev-1")
    shown = world.shown("dev-1")
    assert (shown["transport"], shown["address"], shown["session"]) == ("coaps", None, None)
    world.engine.where = where
    shown = world.shown("dev-1")
    assert seen == [principal_of("id-1", X509)]
    assert (shown["address"], shown["security_mode"], shown["identity"]) == (
        "192.0.2.7:4711",
        "X509",
        "dev-1",
    )
    assert shown["session"] == {
        "suite": "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8",
        "cid": True,
        "since": 1.0,
        "live": False,
    }
    world.engine.where = lambda principal: None
    assert world.shown("dev-1")["address"] is None
    world.device().register("dev-2")
    plain = world.shown("dev-2")
    assert (plain["security_mode"], plain["address"]) == ("NO_SEC", "192.0.2.1:5683")
