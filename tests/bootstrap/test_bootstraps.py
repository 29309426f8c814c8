"""Bootstraps in lock-step: a scripted device, the core, and a clock that is a number."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
from bootstrap_kit import ACCOUNT, Bench, asked, begin, serve, shown

from lwm2m_fast.bootstrap.outcomes import Outcome, Outcomes
from lwm2m_fast.codec import FORMATS
from lwm2m_fast.core.accounts import Configuration, SecurityMode
from tests.scenario.scripted import (
    ACCEPT,
    ACK,
    BLOCK2,
    CONTENT_FORMAT,
    DELETE,
    GET,
    NON,
    POST,
    PUT,
    block,
    code_byte,
    number_bytes,
    request,
    write,
)


@pytest.fixture
def world() -> Bench:
    return Bench()


def test_a_device_is_given_its_account_and_forgotten(world: Bench) -> None:
    device = world.device()
    begin(device)
    assert serve(device) == ["0.01 /", "0.03 /0/1", "0.03 /1/1", "0.02 /bs"]
    assert world.kinds() == ["bootstrap_started", "bootstrap_finished"]
    assert world.engine.device_count() == 0
    assert [step["result"] for step in world.told[-1].data["steps"]] == [
        "2.05", "2.04", "2.04", "2.04",
    ]  # fmt: skip


@pytest.mark.parametrize("number", [110, 112, 11542, 11543, 11544])
def test_the_account_arrives_in_the_format_that_was_asked_for(world: Bench, number: int) -> None:
    device = world.device()
    begin(device, "dev-1", f"pct={number}")
    device.answer(asked(device), "4.04")
    device.answer(asked(device), "2.02")  # without Discover everything goes
    device.answer(asked(device), "2.02")
    write = asked(device)
    assert write.number(CONTENT_FORMAT) == number
    nodes = FORMATS[number].decode(write.payload, "/0/0", {(0, 5): "OPAQUE"})
    assert {str(node.path): node.value for node in nodes}["/0/0/5"] == bytes(range(200, 216))


def test_the_version_it_registered_with_chooses_the_format(world: Bench) -> None:
    world.offers.versions["dev-1"] = "1.2"
    device = world.device()
    begin(device)
    device.answer(asked(device), options=[(CONTENT_FORMAT, number_bytes(40))], payload=b"</0/0>")
    assert asked(device).number(CONTENT_FORMAT) == 112


def test_a_long_write_leaves_in_blocks(world: Bench) -> None:
    account = replace(ACCOUNT, security_mode=SecurityMode.X509, identity=bytes(1500))
    world.offers.configurations["dev-1"] = Configuration((account,))
    device = world.device()
    begin(device)
    device.answer(asked(device), options=[(CONTENT_FORMAT, number_bytes(40))], payload=b"</0/0>")
    first = asked(device)
    assert first.block(27) == (0, True, 1024)
    device.answer(first, "2.31", options=[(27, first.option(27) or b"")])
    last = asked(device)
    assert last.block(27) == (1, False, 1024)
    device.answer(last, "2.04", options=[(27, last.option(27) or b"")])
    assert shown(asked(device)) == "0.03 /1/1"


@pytest.mark.parametrize(
    ("code", "path", "query", "expected"),
    [
        (POST, "bs", [], "4.00"),
        (POST, "bs", ["ep=" + "x" * 256], "4.02"),
        (POST, "bs/1", ["ep=dev-1"], "4.04"),
        (GET, "bs", ["ep=dev-1"], "4.05"),
        (PUT, "bs", ["ep=dev-1"], "4.05"),
        (POST, "rd", ["ep=dev-1"], "4.04"),
        (POST, "dp", [], "4.04"),
        (POST, "bspack", ["ep=dev-1"], "4.05"),
        (GET, "bspack", [], "4.00"),
        (DELETE, "bspack", ["ep=dev-1"], "4.05"),
    ],
)
def test_what_is_no_bootstrap_request_changes_nothing(
    world: Bench, code: int, path: str, query: list[str], expected: str
) -> None:
    device = world.device()
    assert device.ask(code, path, query=query).code == expected
    device.hear_nothing()
    assert (world.told, world.engine.device_count()) == ([], 0)


def test_a_request_that_is_not_confirmable_is_refused(world: Bench) -> None:
    device = world.device()
    assert device.ask(POST, "bs", query=["ep=dev-1"], kind=NON).code == "4.00"
    assert world.engine.device_count() == 0


def test_the_longest_unchanged_outcome_is_forgotten_first() -> None:
    outcomes = Outcomes(2)
    for name in ("a", "b", "a", "c"):
        outcomes.note(name, Outcome("failed", 1.0, "x", ()))
    assert [name for name in "abc" if outcomes.of(name)] == ["a", "c"]
    assert len(outcomes) == 2


def test_all_that_take_too_long_end_in_one_tick(world: Bench) -> None:
    assert world.driver is not None
    begin(world.device(), "dev-1")
    begin(world.device("192.0.2.2:5683"), "dev-2")
    world.now += 61.0
    world.driver.tick()
    world.finish_turn()
    assert world.kinds().count("bootstrap_failed") == 2
    assert world.driver.counters()["bootstraps_current"] == world.engine.device_count() == 0


def test_a_secure_device_need_not_say_its_name(world: Bench) -> None:
    world.offers.modes["dev-1"] = "PSK"
    device = world.secure("b-1", "dev-1")
    assert device.ask(POST, "bs").code == "2.04"
    assert world.told[0].endpoint == "dev-1"


def test_the_newest_request_counts(world: Bench) -> None:
    device = world.device()
    begin(device)
    old = asked(device)
    begin(device)
    assert world.kinds() == ["bootstrap_started", "bootstrap_failed", "bootstrap_started"]
    assert world.told[1].data["reason"] == "the device began another bootstrap"
    device.answer(old, options=[(CONTENT_FORMAT, number_bytes(40))], payload=b"</0/0>")
    assert serve(device)[-1] == "0.02 /bs"
    assert world.kinds()[-1] == "bootstrap_finished"


def test_the_newest_request_counts_from_another_address_too(world: Bench) -> None:
    first, second = world.device(), world.device("192.0.2.9:5683")
    begin(first)
    begin(second)
    assert serve(second)[-1] == "0.02 /bs"
    assert world.kinds()[-1] == "bootstrap_finished"


def test_a_device_may_begin_anew_in_the_turn_that_ends_it(world: Bench) -> None:
    device = world.device()
    begin(device)
    device.answer(asked(device), options=[(CONTENT_FORMAT, number_bytes(40))], payload=b"</0/0>")
    for _ in range(2):
        device.answer(asked(device), "2.04")
    finish = asked(device)
    again = request(POST, "bs", mid=device.next_mid(), query=["ep=dev-1"])
    done = write(ACK, code_byte("2.04"), finish.mid, finish.token)
    world.receive((device.address, done), (device.address, again))
    assert world.kinds() == ["bootstrap_started", "bootstrap_finished", "bootstrap_started"]
    assert device.hear().code == "2.04"
    assert serve(device)[-1] == "0.02 /bs"
    assert world.kinds()[-1] == "bootstrap_finished"


def test_a_repeated_request_is_the_same_bootstrap(world: Bench) -> None:
    device = world.device()
    device.ask(POST, "bs", query=["ep=dev-1"], mid=7)
    discover = asked(device)
    device.ask(POST, "bs", query=["ep=dev-1"], mid=7)
    device.hear_nothing()
    assert world.kinds() == ["bootstrap_started"]
    device.answer(discover, "4.04")
    assert shown(asked(device)) == "0.04 /0"


def test_how_long_it_may_take_is_not_the_devices_to_say() -> None:
    world = Bench(grace_s=0.0)
    device = world.device()
    begin(device, "dev-1", "lt=1")
    world.after(20.0)
    assert world.kinds() == ["bootstrap_started"]
    world.after(100.0)
    assert world.reason() == "DISCOVER /: the device did not answer (timeout)"


def test_silence_ends_it_with_the_step(world: Bench) -> None:
    device = world.device()
    begin(device)
    world.after(120.0)
    assert world.kinds() == ["bootstrap_started", "bootstrap_failed"]
    assert world.reason().startswith("DISCOVER /: the device did not answer")
    assert world.engine.device_count() == 0


def test_a_reset_ends_it(world: Bench) -> None:
    device = world.device()
    begin(device)
    device.reset(asked(device))
    assert world.reason() == "DISCOVER /: the device did not answer (reset)"


def test_the_whole_may_take_so_long_only(world: Bench) -> None:
    device = world.device()
    begin(device)
    assert world.driver is not None
    world.now += 59.0
    world.driver.tick()
    assert world.kinds() == ["bootstrap_started"]
    world.now += 2.0
    world.driver.tick()
    world.finish_turn()
    assert world.reason() == "DISCOVER /: not done within 60 s in all"
    assert world.engine.device_count() == 0


def test_a_refused_write_is_told_with_the_end(world: Bench) -> None:
    device = world.device()
    begin(device)
    device.answer(asked(device), options=[(CONTENT_FORMAT, number_bytes(40))], payload=b"</0/0>")
    device.answer(asked(device), "4.05")
    assert serve(device) == ["0.03 /1/1", "0.02 /bs"]
    assert world.kinds()[-1] == "bootstrap_finished"
    assert {"step": "WRITE /0/1", "result": "4.05"} in world.told[-1].data["steps"]


def test_what_the_configuration_lacks_is_the_reason(world: Bench) -> None:
    world.offers.error = "lwm2mServerUri is missing"
    device = world.device()
    begin(device)
    device.hear_nothing()
    assert world.kinds() == ["bootstrap_failed"]
    assert world.reason() == "lwm2mServerUri is missing"
    assert world.engine.device_count() == 0


def test_a_pack_is_everything_in_one_answer(world: Bench) -> None:
    device = world.device()
    answer = device.ask(GET, "bspack", query=["ep=dev-1"], options=[(ACCEPT, number_bytes(112))])
    # A stranger gets no more than a small multiple of what it sent: block by block.
    assert (answer.code, answer.number(CONTENT_FORMAT)) == ("2.05", 112)
    assert world.kinds() == ["bootstrap_finished"]
    payload, number = answer.payload, 0
    while (piece := answer.block(BLOCK2)) is not None and piece[1]:
        number += 1
        following = (BLOCK2, block(number, False, piece[2]))
        options = [(ACCEPT, number_bytes(112)), following]
        answer = device.ask(GET, "bspack", query=["ep=dev-1"], options=options)
        assert answer.code == "2.05"
        payload += answer.payload
    assert number > 1 and len(FORMATS[112].decode(payload, "/", {})) == 10
    # One pack is one bootstrap, in however many blocks it is fetched.
    assert world.kinds() == ["bootstrap_finished"]
    assert world.driver is not None and world.driver.counters()["bootstrap_packs"] == 1


@pytest.mark.parametrize("accept", [0, 40, 42, 60, 11542, 11543])
def test_a_pack_is_in_a_format_that_holds_several_objects(world: Bench, accept: int) -> None:
    device = world.device()
    options = [(ACCEPT, number_bytes(accept))]
    assert device.ask(GET, "bspack", query=["ep=dev-1"], options=options).code == "4.06"
    assert world.told == []


def test_nothing_that_is_told_or_logged_is_a_key(
    world: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    device = world.device()
    with caplog.at_level(logging.DEBUG):
        begin(device)
        serve(device, code="4.00")
        world.offers.error = "x"
        begin(device)
    secret = bytes(range(200, 216))
    told = repr(world.told) + repr([vars(record) for record in caplog.records])
    assert secret.hex() not in told and repr(secret) not in told


def test_what_is_cut_off_fails_with_the_step_and_the_reason(world: Bench) -> None:
    for number, endpoint in enumerate(("dev-1", "dev-2"), 1):
        begin(world.device(f"192.0.2.{number}:5683"), endpoint)
    assert world.driver is not None
    assert list(world.driver.cut_off("it was switched off")) == [None]
    failed = [event for event in world.told if event.kind == "bootstrap_failed"]
    assert [(event.endpoint, event.data["reason"]) for event in failed] == [
        ("dev-1", "DISCOVER /: it was switched off"),
        ("dev-2", "DISCOVER /: it was switched off"),
    ]
    outcome = world.driver.outcomes.of("dev-2")
    assert outcome is not None and outcome.state == "failed"
    assert world.driver.counters()["bootstraps_failed"] == 2
    assert world.driver.counters()["bootstraps_current"] == 0


def test_what_a_removed_configuration_said_is_written_no_longer(world: Bench) -> None:
    device, other = world.device(), world.device("192.0.2.9:5683")
    begin(device)
    begin(other, "dev-2")
    discover = asked(device)
    assert world.driver is not None
    del world.offers.modes["dev-1"]
    world.driver.forget("dev-1")
    world.driver.forget("dev-1")  # again, and of one that never was
    world.driver.forget("stranger")
    world.finish_turn()
    assert world.kinds()[-1] == "bootstrap_failed"
    assert world.reason() == "DISCOVER /: the device's configuration was removed"
    # Not with the next owner either, whose it is by the time the device answers.
    world.offers.modes["dev-1"] = "NO_SEC"
    device.answer(discover, options=[(CONTENT_FORMAT, number_bytes(40))], payload=b"</0/0>")
    device.hear_nothing()
    found = world.driver.outcomes.of("dev-1")
    assert found is not None and found.state == "started"  # which the switch forgets
    assert serve(other)[-1] == "0.02 /bs"
    begin(device)
    assert serve(device)[-1] == "0.02 /bs"


def test_one_whose_session_our_own_side_ends_is_not_said_to_have_begun_anew(world: Bench) -> None:
    device = world.device()
    begin(device)
    asked(device)
    world.engine.deregister("dev-1", world.now)
    world.finish_turn()
    assert world.kinds() == ["bootstrap_started", "bootstrap_failed"]
    assert world.reason() == "what the device may bootstrap with has changed"
    begin(device)
    asked(device)
    begin(device)
    assert "the device began another bootstrap" in [e.data.get("reason") for e in world.told]
