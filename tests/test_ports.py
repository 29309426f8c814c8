"""The ports of a server beside its first two."""

from __future__ import annotations

import socket

import pytest

from lwm2m_fast.config import Config
from lwm2m_fast.config.ports import MOST, port_numbers
from lwm2m_fast.errors import ConfigError
from lwm2m_fast.ports import FIRST_PLAIN, plain_ports
from lwm2m_fast.sources import load

HERE = {"host": "127.0.0.1", "port": 0}


@pytest.mark.parametrize(
    ("text", "numbers"), [("", ()), (" ", ()), ("5689", (5689,)), ("5689, 0", (5689, 0))]
)
def test_ports_are_a_list_with_commas(text: str, numbers: tuple[int, ...]) -> None:
    assert port_numbers(Config(coap={"more_ports": text}).coap.more_ports) == numbers


def test_one_port_may_be_a_number() -> None:
    assert Config(coap={"more_ports": 5689}).coap.more_ports == "5689"


@pytest.mark.parametrize("text", ["a", "1,", "65536", "-1", ",".join("1" * (MOST + 1)), True])
def test_what_is_no_list_of_ports_is_refused(text: object) -> None:
    with pytest.raises(ConfigError, match=r"coap\.more_ports"):
        load(None, {"coap": {"more_ports": text}})


def test_each_plain_port_has_its_number() -> None:
    found = plain_ports(Config(coap={**HERE, "more_ports": "0,0"}))
    assert [one.local for one in found] == [0, FIRST_PLAIN, FIRST_PLAIN + 1]
    assert len({one.port for one in found}) == 3
    for one in found:
        one.close()


def test_none_is_open_when_one_cannot_be_had() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free,
    ):
        taken.bind(("127.0.0.1", 0))
        free.bind(("127.0.0.1", 0))
        first = free.getsockname()[1]
        free.close()
        config = Config(
            coap={"host": "127.0.0.1", "port": first, "more_ports": str(taken.getsockname()[1])}
        )
        with pytest.raises(ConfigError, match="cannot listen"):
            plain_ports(config)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
            again.bind(("127.0.0.1", first))
