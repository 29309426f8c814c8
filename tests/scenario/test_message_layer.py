"""CON, NON, ACK and RST: duplicates, resets and rejects (RFC 7252, section 4)."""

import pytest
from scripted import (
    ACK,
    CON,
    DELETE,
    GET,
    NON,
    POST,
    RST,
    World,
    register,
    request,
    write,
)

# Duplicates


def test_a_repeated_confirmable_message_gets_the_same_bytes_again():
    device = World().device()
    first = device.send(register(mid=7)).hear()
    assert first.code == "2.01"
    assert device.send(register(mid=7)).hear().data == first.data
    assert device.world.engine.device_count() == 1
    assert device.world.count("coap_duplicates") == 1


def test_a_repetition_in_the_same_batch_is_a_duplicate_too():
    world = World()
    world.receive(*[("192.0.2.1:5683", register(mid=7))] * 3)
    first = world.device().hear()
    assert first.code == "2.01"
    world.device().hear_nothing()
    assert world.count("registrations_created") == 1
    assert world.device().send(register(mid=7)).hear().data == first.data


def test_a_duplicate_is_answered_only_when_its_turn_is_committed():
    world = World()
    world.commits_by_itself = False
    device = world.device().send(register(mid=7))
    device.hear_nothing()
    device.send(register(mid=7)).hear_nothing()
    world.commit()
    first = device.hear()
    device.hear_nothing()
    assert device.send(register(mid=7)).hear().data == first.data


def test_a_rebooted_device_that_reuses_a_message_id_is_not_taken_for_a_duplicate():
    device = World().device()
    first = device.send(register(mid=7, token=b"before")).hear()
    second = device.send(register(mid=7, token=b"after")).hear()
    assert second.token == b"after"
    assert second.location != first.location


def test_the_same_message_from_another_address_is_no_duplicate():
    world = World()
    first = world.device("192.0.2.1:5683").send(register(mid=7)).hear()
    second = world.device("192.0.2.1:5684").send(register(mid=7)).hear()
    assert first.location != second.location


@pytest.mark.parametrize("seconds, is_duplicate", [(247.0, True), (248.0, False)])
def test_a_message_id_is_remembered_for_exchange_lifetime(seconds, is_duplicate):
    world = World()
    device = world.device()
    first = device.send(register(mid=7)).hear()
    world.after(seconds)
    again = device.send(register(mid=7)).hear()
    assert (again.data == first.data) is is_duplicate


def test_a_message_id_used_again_after_its_lifetime_is_remembered_anew():
    world = World()
    device = world.device()
    device.send(register(mid=7)).hear()
    world.after(250)
    second = device.send(register(mid=7)).hear()
    world.after(1)
    assert device.send(register(mid=7)).hear().data == second.data


def test_the_last_four_answers_of_a_device_are_remembered():
    device = World().device()
    location = device.register("dev-1")
    said = [request(POST, location, mid=200 + i, query=[f"lt={i}"]) for i in range(4)]
    heard = [device.send(message).hear().data for message in said]
    before = device.world.count("registrations_updated")
    assert [device.send(message).hear().data for message in said] == heard
    assert device.world.count("registrations_updated") == before


def test_a_repeated_non_confirmable_update_is_met_with_silence():
    device = World().device()
    location = device.register()
    update = request(POST, location, mid=9, kind=NON)
    answer = device.send(update).hear()
    assert (answer.type, answer.code) == (NON, "2.04")
    device.send(update).hear_nothing()
    assert device.world.count("registrations_updated") == 1


@pytest.mark.parametrize("seconds, is_duplicate", [(145.0, True), (146.0, False)])
def test_a_non_confirmable_message_id_is_remembered_for_non_lifetime(seconds, is_duplicate):
    device = World().device()
    update = request(POST, device.register(), mid=9, kind=NON)
    device.send(update).hear()
    device.world.after(seconds)
    device.send(update)
    assert (len(device.inbox) == 0) is is_duplicate


def test_a_steady_sender_does_not_prolong_the_memory_of_a_non_confirmable_message():
    device = World().device()
    location = device.register(lifetime=3000)
    update = request(POST, location, mid=9, kind=NON)
    device.send(update).hear()
    device.world.after(100)
    device.send(request(POST, location, mid=10, kind=NON)).hear()
    device.world.after(100)  # 200 s after the first one
    assert device.send(update).hear().code == "2.04"


def test_a_confirmable_and_a_non_confirmable_message_with_one_id_are_two():
    device = World().device()
    location = device.register()
    assert device.send(request(POST, location, mid=9)).hear().type == ACK
    assert device.send(request(POST, location, mid=9, kind=NON)).hear().type == NON


def test_a_stranger_costs_no_memory():
    world = World()
    for number in range(300):
        world.device(f"192.0.2.1:{1000 + number}").ask(GET, ".well-known/core")
        world.device(f"192.0.2.1:{1000 + number}").ask(POST, "rd/AAAAAAAAAAAAAA")
    assert world.count("peers_current") == 0


def test_a_deregistered_address_is_forgotten_after_exchange_lifetime():
    world = World()
    device = world.device()
    device.leave(device.register())
    assert world.count("peers_current") == 1
    world.after(246)
    assert world.count("peers_current") == 1
    world.after(3)
    assert world.count("peers_current") == 0
    assert world.count("peers_lingering") == 0


def test_a_repeated_deregister_gets_its_answer_again():
    device = World().device()
    location = device.register()
    message = request(DELETE, location, mid=50)
    first = device.send(message).hear()
    assert first.code == "2.02"
    assert device.send(message).hear().data == first.data


def test_a_repeated_deregister_from_another_port_gets_its_answer_again():
    world = World()
    location = world.device().register()
    other = world.device("192.0.2.1:9999")
    message = request(DELETE, location, mid=50)
    first = other.send(message).hear()
    assert first.code == "2.02"
    assert other.send(message).hear().data == first.data
    world.after(250)
    assert world.count("peers_current") == 0


# Empty messages


def test_a_ping_is_answered_by_a_reset():
    answer = World().device().send(write(CON, 0, 77)).hear()
    assert (answer.type, answer.code, answer.mid, answer.data[4:]) == (RST, "0.00", 77, b"")


@pytest.mark.parametrize("kind", [ACK, RST])
def test_an_empty_acknowledgement_or_reset_out_of_the_blue_is_only_counted(kind):
    device = World().device().send(write(kind, 0, 77))
    device.hear_nothing()
    assert device.world.count("coap_unmatched") == 1


def test_a_response_that_nobody_asked_for_is_reset_when_confirmable():
    device = World().device().send(write(CON, 69, 5, b"12345678", payload=b"x"))
    answer = device.hear()
    assert (answer.type, answer.mid) == (RST, 5)


@pytest.mark.parametrize("kind", [NON, ACK])
def test_a_response_that_nobody_asked_for_is_silently_ignored_otherwise(kind):
    World().device().send(write(kind, 69, 5, b"12345678", payload=b"x")).hear_nothing()


# Messages that are none

MALFORMED = {
    "token_length": "49021234000000000000000000",
    "token_truncated": "4402123400",
    "empty_not_empty": "40001234ff",
    "code_class": "40211234",
    "option_delta": "40021234f0",
    "option_length": "400212340f",
    "option_truncated": "40021234b5",
    "payload_empty": "40021234ff",
}


def as_type(datagram: str, kind: int) -> bytes:
    data = bytearray.fromhex(datagram)
    data[0] = data[0] & 0xCF | kind << 4
    return bytes(data)


@pytest.mark.parametrize("reason", MALFORMED)
def test_a_malformed_confirmable_message_is_reset(reason):
    device = World().device().send(as_type(MALFORMED[reason], CON))
    answer = device.hear()
    assert (answer.type, answer.code, answer.mid) == (RST, "0.00", 0x1234)
    assert device.world.count(f"coap_rejected_{reason}") == 1


@pytest.mark.parametrize("kind", [NON, ACK, RST])
@pytest.mark.parametrize("reason", MALFORMED)
def test_a_malformed_message_of_another_type_is_met_with_silence(reason, kind):
    device = World().device().send(as_type(MALFORMED[reason], kind))
    device.hear_nothing()
    rejected = {n: c for n, c in device.world.engine.counters().items() if "rejected" in n and c}
    assert sum(rejected.values()) == 1


@pytest.mark.parametrize(
    "datagram, reason",
    [
        ("", "short"),
        ("400212", "short"),
        ("80021234", "version"),
        ("00021234", "version"),
        ("c0021234", "version"),
        ("50001234", "type_code"),  # an empty NON
        ("60021234", "type_code"),  # a request in an ACK
        ("70451234", "type_code"),  # a response in a RST
    ],
)
def test_what_is_no_message_for_us_is_met_with_silence(datagram, reason):
    device = World().device().send(bytes.fromhex(datagram))
    device.hear_nothing()
    assert device.world.count(f"coap_rejected_{reason}") == 1


def test_every_reason_to_reject_is_counted_under_its_name():
    names = {name for name in World().engine.counters() if name.startswith("coap_rejected_")}
    tried = {*MALFORMED, "short", "version", "type_code"}
    assert names == {f"coap_rejected_{reason}" for reason in tried}
