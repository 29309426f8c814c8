"""Bootstraps in lock-step: a scripted device, the core, and a clock that is a number."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from lwm2m_fast.bootstrap.outcomes import Outcome, Outcomes
from lwm2m_fast.bootstrap.sessions import TOLD_PER_S, Bootstraps, Limits
from lwm2m_fast.codec import FORMATS
from lwm2m_fast.core.accounts import Account, Configuration, SecurityMode, ServerTerms
from lwm2m_fast.core.events import Event
from lwm2m_fast.errors import RequestError, StoreError
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
    Device,
    Heard,
    World,
    block,
    code_byte,
    number_bytes,
    request,
    write,
)

ACCOUNT = Account(
    "coaps://s:5784",
    SecurityMode.PSK,
    1,
    ServerTerms(300),
    identity=b"id-1",
    secret=bytes(range(200, 216)),
)


class Offers:
    """What devices are given, by name."""

    def __init__(self) -> None:
        self.modes: dict[str, str] = {"dev-1": "NO_SEC", "dev-2": "NO_SEC"}
        self.configurations: dict[str, Configuration] = {}
        self.versions: dict[str, str] = {}
        self.error: str | None = None

    def knows(self, endpoint: str) -> bool:
        return endpoint in self.modes

    def mode(self, endpoint: str) -> str | None:
        return self.modes.get(endpoint)

    def configuration(self, endpoint: str) -> Configuration:
        if self.error is not None:
            raise RequestError(self.error)
        return self.configurations.get(endpoint, Configuration((ACCOUNT,)))

    def version(self, endpoint: str) -> str | None:
        return self.versions.get(endpoint)


class Bench(World):
    """A world whose engine bootstraps, with what drives it."""

    def __init__(self, **settings: object) -> None:
        self.driver: Bootstraps | None = None
        super().__init__(serves="bootstrap", **settings)  # type: ignore[arg-type]
        self.engine.tells = False
        self.offers = Offers()
        self.told: list[Event] = []  # type: ignore[assignment]
        self.driver = Bootstraps(
            self.engine, self.offers, Limits(session_s=60.0, request_s=30.0), self.told.extend,
            lambda: self.now, lambda: self.now + self.wall, lambda: None,
        )  # fmt: skip

    def finish_turn(self) -> None:
        super().finish_turn()
        if self.driver is None:
            return
        while self.answers or self.contacts:
            answers, self.answers = self.answers, []
            contacts, self.contacts = self.contacts, []
            self.driver.resolve([tuple(answer) for answer in answers])
            self.driver.contacts(contacts)
            super().finish_turn()

    def kinds(self) -> list[str]:
        return [event.kind for event in self.told]

    def reason(self) -> str:
        return str(self.told[-1].data.get("reason"))


@pytest.fixture
def world() -> Bench:
    return Bench()


def begin(device: Device, endpoint: str = "dev-1", *query: str, expected: str = "2.04") -> None:
    answer = device.ask(POST, "bs", query=[f"ep={endpoint}", *query])
    assert answer.code == expected, answer


def asked(device: Device) -> Heard:
    """The next request of the server."""
    heard = device.hear()
    assert heard.code.startswith("0."), heard
    return heard


def shown(heard: Heard) -> str:
    return f"{heard.code} /{b'/'.join(heard.path).decode()}"


def serve(device: Device, links: bytes = b"</0/0>", code: str = "") -> list[str]:
    """Answer everything as a willing device; what was asked."""
    names = []
    while device.inbox:
        heard = asked(device)
        names.append(shown(heard))
        if heard.code == "0.01":
            device.answer(heard, options=[(CONTENT_FORMAT, number_bytes(40))], payload=links)
        else:
            device.answer(heard, code or {"0.04": "2.02"}.get(heard.code, "2.04"))
    return names


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


def test_an_unknown_device_is_refused_and_told(world: Bench) -> None:
    device = world.device()
    begin(device, "stranger", expected="4.00")
    device.hear_nothing()
    assert world.kinds() == ["bootstrap_failed"]
    assert world.told[0].endpoint == "stranger"
    assert world.reason() == "no bootstrap is configured for this endpoint"


def test_strangers_cannot_fill_the_log(world: Bench, caplog: pytest.LogCaptureFixture) -> None:
    device = world.device()
    with caplog.at_level(logging.WARNING):
        for number in range(TOLD_PER_S + 30):
            begin(device, f"stranger-{number}", expected="4.00")
    assert len(world.told) == len(caplog.records) == TOLD_PER_S
    assert world.driver is not None
    assert world.driver.counters()["bootstraps_refused"] == TOLD_PER_S + 30
    world.driver.tick()
    begin(device, "stranger", expected="4.00")
    assert len(world.told) == TOLD_PER_S + 1


def test_names_that_strangers_try_crowd_out_no_device(world: Bench) -> None:
    assert world.driver is not None
    begin(world.device(), "stranger", expected="4.00")
    assert world.driver.outcomes.of("stranger") is None
    world.offers.modes["dev-1"] = "PSK"
    begin(world.device(), expected="4.00")
    kept = world.driver.outcomes.of("dev-1")
    assert kept is not None and kept.state == "failed"


def test_a_configuration_that_cannot_be_read_is_the_reason(
    world: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(endpoint: str) -> str | None:
        raise StoreError("a sealed row does not open")

    monkeypatch.setattr(world.offers, "mode", unreadable)
    begin(world.device(), expected="4.00")
    assert world.reason() == "a sealed row does not open"


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


def test_the_way_in_must_be_the_configured_one(world: Bench) -> None:
    world.offers.modes["dev-1"] = "PSK"
    begin(world.device(), expected="4.00")
    assert world.reason() == "it is to bootstrap with PSK, but came without security"
    begin(world.secure("b-1", "dev-2"), "dev-2", expected="4.00")
    assert world.reason() == "it is to bootstrap with NO_SEC, but came over DTLS"
    begin(world.secure("b-2", "dev-1"))
    assert world.kinds()[-1] == "bootstrap_started"


def test_a_secure_device_speaks_for_nobody_else(world: Bench) -> None:
    world.offers.modes = {"dev-1": "PSK", "dev-2": "PSK"}
    device = world.secure("b-1", "dev-1")
    begin(device, "dev-2", expected="4.03")
    assert device.ask(GET, "bspack", query=["ep=dev-2"]).code == "4.03"
    device.hear_nothing()
    assert world.engine.device_count() == 0
    # The page of the one who asked says so: the other name may be nobody's.
    assert [(event.kind, event.endpoint) for event in world.told] == [
        ("bootstrap_failed", "dev-1")
    ] * 2
    assert world.reason() == "it asked for the bootstrap of 'dev-2', which is not its name"
    assert world.driver is not None and world.driver.outcomes.of("dev-2") is None


def test_who_has_several_names_or_none_is_told_with_the_one_that_it_asked_for(world: Bench) -> None:
    world.offers.modes = {"dev-1": "X509"}
    begin(world.secure("b-1", "dev-7", "dev-8"), "dev-1", expected="4.03")
    assert world.told[0].endpoint == "dev-1"
    assert "does not stand for this name" in world.reason()


def test_who_only_knows_a_name_ends_no_bootstrap_over_dtls(world: Bench) -> None:
    world.offers.modes["dev-1"] = "PSK"
    begin(world.secure("b-1", "dev-1"))
    world.offers.modes["dev-1"] = "NO_SEC"
    begin(world.device(), expected="4.03")
    assert world.reason() == "a bootstrap over DTLS of this name is under way"
    assert world.engine.device_count() == 1


def test_a_refused_handshake_is_told_with_the_device_if_it_is_configured(world: Bench) -> None:
    assert world.driver is not None
    world.driver.handshake_refused("stranger", "wrong pre-shared key")
    assert world.told == []
    world.driver.handshake_refused("dev-1", "wrong pre-shared key")
    found = world.driver.outcomes.of("dev-1")
    assert found is not None and found.state == "failed"
    assert found.reason == "its DTLS handshake was refused: wrong pre-shared key"
    assert world.told[0].data["refused"] is True


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
