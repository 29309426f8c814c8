"""Who may not bootstrap, what they hear, and where it is told why."""

from __future__ import annotations

import logging

import pytest
from bootstrap_kit import Bench, begin

from lwm2m_fast.bootstrap.sessions import TOLD_PER_S
from lwm2m_fast.errors import StoreError
from tests.scenario.scripted import GET


@pytest.fixture
def world() -> Bench:
    return Bench()


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


def test_a_judge_of_whatever_opinion_lets_nobody_speak_for_another(world: Bench) -> None:
    asked: list[tuple[str, bool, str | None]] = []

    def lenient(endpoint: str, is_secure: bool, other: str | None) -> int:
        asked.append((endpoint, is_secure, other))
        return 0

    world.engine.judge_bootstrap = lenient
    begin(world.secure("b-1", "dev-1"), "dev-2", expected="4.03")
    assert asked == [("dev-2", True, "dev-1")]
    assert world.engine.device_count() == 0


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


def test_a_flood_of_strangers_keeps_no_reason_from_a_devices_page(
    world: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    world.offers.modes["dev-1"] = "PSK"
    device = world.device()
    for number in range(TOLD_PER_S):
        begin(device, f"stranger-{number}", expected="4.00")
    begin(device, expected="4.00")
    assert len(world.told) == len(caplog.records) == TOLD_PER_S
    assert world.driver is not None
    kept = world.driver.outcomes.of("dev-1")
    assert kept is not None and kept.reason is not None
    assert kept.reason.startswith("it is to bootstrap with PSK")
